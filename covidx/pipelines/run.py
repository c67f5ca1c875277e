"""A training in progress: one folder, record, tracker and account of steps for every kind."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from covidx.config import Config
from covidx.evaluate import Estimate, Metrics
from covidx.files import sha256_json, write_json
from covidx.limits import LIMITS
from covidx.pipelines.limits import record_training
from covidx.pipelines.mlflow_page import show_run
from covidx.pipelines.progress import Bar, Bars
from covidx.pipelines.source import Source
from covidx.pipelines.source_record import keep_paths, source_record
from covidx.pipelines.tracked import tracked
from covidx.report.words import HEADLINE
from covidx.runs import RunFolder, RunRecord, git_commit
from covidx.tables import PREDICTIONS, table_digest, write_table
from covidx.tracking import Tracker


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A finished training.

    Parameters
    ----------
    folder : Path
        ``runs/<pipeline>/<id>``.
    estimates : mapping
        Every figure with its interval, by name.
    warnings : list of str
        What a reader must know before any figure.
    summary : list of str
        The closing lines: the figures that count, as text.
    metrics : Metrics, optional
        Of a classifier's test rows.
    """

    folder: Path
    estimates: Mapping[str, Estimate]
    warnings: list[str]
    summary: list[str]
    metrics: Metrics | None = None


def estimate_lines(estimates: Mapping[str, Estimate], width: int = 28) -> list[str]:
    """A line for each of the `estimates`, names padded to `width` characters."""
    return [f"  {name:<{width}} {one}   n = {one.n}" for name, one in estimates.items()]


@dataclass(eq=False)
class TrainingRun:
    """A training in progress.

    Parameters
    ----------
    pipeline : str
        The name of its folder of runs, such as ``train_ct``.
    source : Source, optional
        What the user named; None where the phantom is learnt from.
    work : Path
        Takes phantom cohorts, stores, caches and checkpoints, which later runs reuse.
    folder : RunFolder
        Its folder and record, which are open.
    tracker : Tracker
        Records what MLflow is to show of it.
    bars : callable
        Opens a progress bar by name.
    checkpointed : list of Path
        Folders of checkpoints.
    """

    pipeline: str
    source: Source | None
    work: Path
    folder: RunFolder
    tracker: Tracker
    bars: Bars
    checkpointed: list[Path] = field(default_factory=list)

    @classmethod
    @contextmanager
    def open(
        cls,
        pipeline: str,
        config: Config,
        source: Source | None,
        *,
        work: Path,
        runs: Path,
        bars: Bars,
        parameters: Mapping[str, Any] | None = None,
    ) -> Iterator[TrainingRun]:
        """Open a run, which ends as finished, or as failed however it fails.

        What a user may have got wrong is checked before: an open run leaves a folder.

        Parameters
        ----------
        pipeline, source, work, bars
            As in the class.
        config : Config
            Becomes part of the record.
        runs : Path
            Folder of all runs, with MLflow's database.
        parameters : mapping, optional
            What MLflow shows as parameters; by default the configuration.
        """
        with tracked(pipeline, runs) as (folder, tracker):
            values = config.model_dump(mode="json")
            record = folder.record
            record.config = values
            record.source = source_record(source)
            # Sums over threads are rounded in another order by another number of threads.
            if "torch" in sys.modules:
                record.machine.threads = sys.modules["torch"].get_num_threads()
            shown = values if parameters is None else parameters
            tracker.config({k: v for k, v in shown.items() if source is None or k != "phantom"})
            run = cls(pipeline, source, work, folder, tracker, bars)
            yield run
            if source is not None:
                keep_paths(source, work, folder.run_id)
            for checkpoints in run.checkpointed:
                shutil.rmtree(checkpoints, ignore_errors=True)

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.folder.run_id

    @property
    def record(self) -> RunRecord:
        """What becomes ``run.json``."""
        return self.folder.record

    @property
    def bundle(self) -> Path:
        """The folder of the trained model."""
        return self.path / "bundle"

    @property
    def figures(self) -> Path:
        """The folder of plots."""
        return self.path / "figures"

    @contextmanager
    def step(self, name: str) -> Iterator[Bar]:
        """Time a step into the record.

        Parameters
        ----------
        name : str
            What the record and the progress bar call it.

        Yields
        ------
        callable
            Reports progress as (done, total); a bar opens with the first call.
        """
        with self.folder.step(name), ExitStack() as stack:
            bar: Bar | None = None

            def progress(done: int, total: int) -> None:
                nonlocal bar
                bar = bar or stack.enter_context(self.bars(name))
                bar(done, total)

            yield progress

    def learn_from(
        self,
        digests: Mapping[str, str],
        name: str,
        roles: pd.DataFrame,
        columns: Sequence[str] = (),
    ) -> None:
        """Record what is learnt from: digests, and the rows of each role.

        Parameters
        ----------
        digests : mapping
            Of data, card and split; the ``data`` of the record.
        name : str
            Of the data set.
        roles : DataFrame
            One row an image or patient, with column ``role``.
        columns : sequence of str
            Those of `roles` that are digested; all by default.
        """
        self.record.data = dict(digests)
        self.tracker.tags(digests)
        for role, rows in roles.groupby("role"):
            part = rows[list(columns)] if columns else rows
            self.tracker.dataset(part, name, table_digest(part), str(role))

    def use(self, recipe: Config) -> None:
        """Let MLflow show this `recipe` alone of those that the configuration has of its kind."""
        used = recipe.model_dump(mode="json")
        for name, part in self.record.config.items():
            if isinstance(part, dict) and part.keys() == used.keys() and part != used:
                self.tracker.drop(f"{name}.")

    def checkpoints(self, recipe: Config, seed: int, rows: pd.DataFrame, *depends: str) -> Path:
        """The folder of a training's checkpoints, removed when the run has finished.

        It is the same for the same data, roles, recipe and code, so that a training that was
        interrupted is taken up again.

        Parameters
        ----------
        recipe, seed
            Of the training.
        rows : DataFrame
            image_id and role.
        depends
            Digests of what else the training starts from.
        """
        same = {
            "recipe": recipe.model_dump(mode="json"),
            "seed": seed,
            "code": git_commit(),
            "roles": table_digest(rows[["image_id", "role"]]),
            "depends": depends,
            **self.record.data,
        }
        folder = self.work / "training" / sha256_json(same)[:16]
        self.checkpointed.append(folder)
        return folder

    def write_predictions(self, predictions: pd.DataFrame, metrics: Metrics) -> None:
        """Write the `predictions` of a classifier, and the `metrics` of its test rows."""
        write_table(predictions, self.path / "predictions.parquet", PREDICTIONS)
        write_json(self.path / "metrics.json", metrics.to_json())
        write_json(self.path / "confusion.json", metrics.confusion_json())

    def write_estimates(self, estimates: Mapping[str, Estimate]) -> None:
        """Write the `estimates` of a model that classifies nothing as ``metrics.json``."""
        write_json(self.path / "metrics.json", {k: v.to_json() for k, v in estimates.items()})

    def finish(
        self,
        bundle_sha256: str,
        estimates: Mapping[str, Estimate],
        warnings: list[str],
        summary: list[str],
        *,
        artifacts: Sequence[str] = (),
        metrics: Metrics | None = None,
        model: Callable[[Tracker], None] | None = None,
    ) -> TrainedRun:
        """Record the bundle and the figures, and what MLflow is to show of them.

        Parameters
        ----------
        bundle_sha256 : str
            Digest of the bundle.
        estimates, warnings, summary
            As in `TrainedRun`.
        artifacts : sequence of str
            Files and folders of the run that MLflow keeps, besides figures, report and metrics.
        metrics : Metrics, optional
            Of a classifier; its figures lead the summary.
        model : callable, optional
            Logs the bundle as a model that MLflow can serve.
        """
        record, tracker = self.record, self.tracker
        record.bundle_sha256 = bundle_sha256
        record_training(self.bundle, warnings)
        tracker.tags({"bundle_sha256": bundle_sha256, "run_folder": self.run_id})
        tracker.tags({k: getattr(record, k) for k in ("git_commit", "lock_sha256")})
        show_run(tracker, record, self.path, estimates, warnings, metrics)
        tracker.artifacts(["figures", "report.html", "metrics.json", LIMITS, *artifacts])
        if model is not None:
            model(tracker)
        summary = [*(() if metrics is None else metrics_lines(metrics)), *summary]
        return TrainedRun(self.path, estimates, warnings, summary, metrics)


def metrics_lines(metrics: Metrics) -> list[str]:
    """The headline figures of a classifier's `metrics`, and its threshold."""
    lines = [f"{metrics.positive} against the rest, {metrics.n} test {metrics.level}s"]
    lines += estimate_lines({name: metrics[name] for name in HEADLINE}, width=12)
    if metrics.point is not None:
        lines.append(f"  threshold    {metrics.point.threshold:.3f}, {metrics.point.text}")
    return lines

"""A run's folder, read as it lies there: nothing is believed yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from covidx.bundles import BundleFile, parse_bundle
from covidx.errors import InvalidInputError
from covidx.files import read_json
from covidx.kinds import ModelKind, estimates_of, kind_of_pipeline, resolve, trainings
from covidx.runs import RunRecord, read_record
from covidx.tables import CLINICAL, MANIFEST, PREDICTIONS, SPLITS, read_table

COMMON = ("metrics.json", "report.html", "bundle/bundle.json")


@dataclass(frozen=True, eq=False)
class AnyRun:
    """What a run of any pipeline that trains left behind.

    Parameters
    ----------
    folder : Path
        ``runs/<pipeline>/<id>``, resolved.
    record : RunRecord
        ``run.json``.
    known : ModelKind
        Its kind: what its pipeline leaves behind.
    manifest : DataFrame, optional
        None for a clinical run.
    splits : DataFrame, optional
        None for a run of severity, which leaves each patient out in turn.
    metrics : dict
        ``metrics.json``; has the headline figure of the kind.
    bundle : BundleFile
        ``bundle.json``, checked for form; its hashes are not checked here.
    """

    folder: Path
    record: RunRecord
    known: ModelKind
    manifest: pd.DataFrame | None
    splits: pd.DataFrame | None
    metrics: dict[str, Any]
    bundle: BundleFile

    @property
    def kind(self) -> str:
        """Of its bundle."""
        return self.known.name

    @property
    def simulated(self) -> bool:
        """Whether the patients are simulated."""
        return self.bundle.trained_on.domain == "simulated"

    @property
    def headline(self) -> str:
        """The name of the figure that it claims first."""
        name = self.known.headline_of(self.metrics)
        assert name is not None  # `need_run` saw to it
        return name

    def figure(self, name: str) -> dict[str, Any]:
        """The estimate `name` as ``metrics.json`` has it; without a value if it is not there."""
        none = {"value": None, "low": None, "high": None, "reason": "not in metrics.json"}
        return estimates_of(self.metrics).get(name, none)


@dataclass(frozen=True, eq=False)
class RunParts(AnyRun):
    """What a run of a classifier left behind.

    Parameters
    ----------
    predictions, splits : DataFrame
        As `tables.PREDICTIONS` and `tables.SPLITS`; neither is missing.
    clinical : DataFrame, optional
        Clinical values by patient; None where the run has none.
    confusion : dict
        ``confusion.json``.
    """

    splits: pd.DataFrame
    predictions: pd.DataFrame
    clinical: pd.DataFrame | None
    confusion: dict[str, Any]

    @property
    def arm(self) -> str:
        """The arm that the metrics are of."""
        assert self.known.arm is not None
        return self.known.arm

    @property
    def positive(self) -> str:
        """The positive class."""
        assert self.bundle.positive is not None  # a classifier has one
        return self.bundle.positive

    @property
    def main(self) -> pd.DataFrame:
        """Its rows of the predictions table."""
        return self.predictions[self.predictions["arm"] == self.arm]

    @property
    def threshold(self) -> tuple[float, str, str]:
        """Value, rule and origin, by the bundle."""
        at = self.bundle.threshold
        assert at is not None  # a classifier has one
        return at.value, at.rule, at.origin


def need_run(folder: Path) -> RunRecord:
    """The record of the finished run in `folder`.

    Raises
    ------
    InvalidInputError
        ``RUN_MISSING``: no run lies there; ``RUN_KIND``: a run of a pipeline that trains nothing;
        ``RUN_UNFINISHED``: it failed, or goes on; ``RUN_INCOMPLETE``, naming every part that is
        not there.
    """
    record = read_record(folder)
    kind = kind_of_pipeline(record.pipeline)
    if kind is None:
        raise InvalidInputError(
            "RUN_KIND",
            "This run is not of a pipeline that trains a model.",
            path=folder,
            expected=", ".join(training.pipeline for _, training in trainings()),
            actual=record.pipeline,
            hint="Name a run of covidx train.",
        )
    if record.state != "finished":
        raise InvalidInputError(
            "RUN_UNFINISHED",
            "The run did not finish.",
            path=folder,
            expected="state finished",
            actual=f"state {record.state}",
            hint="Train it again.",
        )
    named = (*COMMON, *kind.files, *kind.tables)
    missing = [name for name in named if not (folder / name).is_file()]
    missing += [f"run.json: {name}" for name in ("config", "data") if not getattr(record, name)]
    if "metrics.json" not in missing and not kind.headline_of(read_json(folder / "metrics.json")):
        missing.append(f"metrics.json: {kind.headline[0]}")
    if missing:
        raise InvalidInputError(
            "RUN_INCOMPLETE",
            "The run lacks parts.",
            path=folder,
            expected="the folder as the pipeline left it",
            actual=f"missing: {', '.join(missing)}",
            hint="Copy the whole folder again, or train again.",
        )
    return record


def read_run(folder: Path) -> AnyRun:
    """Read a run's folder.

    Parameters
    ----------
    folder : Path
        ``runs/<pipeline>/<id>`` or ``latest``.

    Returns
    -------
    AnyRun
        `RunParts` of a classifier.

    Raises
    ------
    InvalidInputError
        As `need_run`.
    InvalidTableError
        A table that is not one of covidx's, by file.
    BundleError
        As `parse_bundle`.
    """
    folder = folder.resolve()
    record = need_run(folder)
    kind = kind_of_pipeline(record.pipeline)
    assert kind is not None  # `need_run` saw to it
    bundle: BundleFile = parse_bundle(folder / "bundle", resolve(kind.bundle))
    manifest, splits = (
        read_table(folder / f"{schema.name}.parquet", schema)
        if f"{schema.name}.parquet" in kind.files
        else None
        for schema in (MANIFEST, SPLITS)
    )
    metrics = read_json(folder / "metrics.json")
    if kind.arm is None:
        return AnyRun(folder, record, kind, manifest, splits, metrics, bundle)
    assert splits is not None
    clinical = folder / "clinical.parquet"
    return RunParts(
        folder,
        record,
        kind,
        manifest,
        splits,
        metrics,
        bundle,
        read_table(folder / "predictions.parquet", PREDICTIONS),
        read_table(clinical, CLINICAL) if clinical.is_file() else None,
        read_json(folder / "confusion.json"),
    )

"""MLflow: the only file that knows it, save the script that a logged model is served from."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import mlflow
import mlflow.data.pandas_dataset
import mlflow.pyfunc
import pandas as pd
from mlflow.entities import RunStatus
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

from covidx import __version__
from covidx.constants import RESEARCH_NOTICE
from covidx.evaluate import Estimate
from covidx.files import is_alive, make_folder

URI_VARIABLE = "MLFLOW_TRACKING_URI"
BARS_VARIABLE = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"
HINTS = ("contains integer column", "An input example was not")
"""Of MLflow to who writes models; they tell a user of covidx nothing."""
TALKERS = ("mlflow.store.db.utils", "alembic")
"""Loggers that tell each step of making the database."""


def tracking_uri(runs: Path) -> str:
    """The server of ``MLFLOW_TRACKING_URI``, else an SQLite file in the folder `runs`."""
    return os.environ.get(URI_VARIABLE) or f"sqlite:///{runs.resolve() / 'mlflow.db'}"


@dataclass(frozen=True)
class Tracker:
    """An open MLflow run."""

    run_id: str

    def config(self, values: Mapping[str, Any]) -> None:
        """Log a nested configuration, `values`, as parameters with dotted names."""
        mlflow.log_params(dict(_flat(values)))

    def tags(self, values: Mapping[str, str]) -> None:
        """Log `values`, facts such as the git commit and data digests, as tags."""
        mlflow.set_tags(dict(values))

    def dataset(self, table: pd.DataFrame, name: str, digest: str, role: str) -> None:
        """Log which data a role used, without its rows.

        Parameters
        ----------
        table : DataFrame
            Its columns and number of rows are logged.
        name : str
            Of the data set.
        digest : str
            Of the table; the first 36 characters are logged, which is all that MLflow takes.
        role : str
            train, validation or test.
        """
        with _quiet():
            data = mlflow.data.pandas_dataset.from_pandas(table, name=name, digest=digest[:36])
            mlflow.log_input(data, context=role)

    def curves(self, curves: pd.DataFrame) -> None:
        """Log `curves`, one figure a row and column; the column ``epoch`` is the step."""
        for row in curves.to_dict("records"):
            step = int(row.pop("epoch"))
            values = {str(k): float(v) for k, v in row.items() if pd.notna(v)}
            mlflow.log_metrics(values, step=step)

    def estimates(self, estimates: Mapping[str, Estimate]) -> None:
        """Log each of `estimates` with the ends of its interval and its n; NaN is left out."""
        values: dict[str, float] = {}
        for name, found in estimates.items():
            ends = {"": found.value, ".low": found.low, ".high": found.high, ".n": found.n}
            values |= {f"{name}{end}": float(v) for end, v in ends.items() if pd.notna(v)}
        mlflow.log_metrics(values)

    def figures(self, values: Mapping[str, float]) -> None:
        """Log `values`, plain numbers by name that have no interval."""
        mlflow.log_metrics(dict(values))

    def files(self, folder: Path, place: str) -> None:
        """Log the files of a `folder` below `place`."""
        with _quiet():
            mlflow.log_artifacts(str(folder), place)

    def file(self, path: Path, place: str | None = None) -> None:
        """Log the file at `path` below `place`, by default at the top."""
        mlflow.log_artifact(str(path), place)

    def model(
        self,
        bundle: Path,
        script: Path,
        classes: list[str],
        columns: Mapping[str, Literal["double", "string"]] | None = None,
        columns_of_text: Sequence[str] = (),
    ) -> None:
        """Log a bundle as a pyfunc: code around the bundle's files, no pickle.

        It takes a table and gives the probability of each class, decision and problem.

        Parameters
        ----------
        bundle : Path
            Folder of the bundle.
        script : Path
            The Python file that serves it.
        classes : list of str
            Names, in the order of the probabilities.
        columns : mapping, optional
            Columns of the table that it takes: name -> ``double`` or ``string``; by default
            ``path`` alone, which is returned, too.
        columns_of_text : sequence of str
            Further columns of text in its answer.
        """
        inputs: list[ColSpec | TensorSpec] = [
            ColSpec(kind, name) for name, kind in (columns or {"path": "string"}).items()
        ]
        outputs: list[ColSpec | TensorSpec] = [ColSpec("double", f"prob_{n}") for n in classes]
        outputs += [ColSpec("string", "path")] if columns is None else []
        outputs += [ColSpec("string", name) for name in ("decision", "problem", *columns_of_text)]
        with _quiet():
            mlflow.pyfunc.log_model(
                name="model",
                python_model=str(script),
                artifacts={"bundle": str(bundle)},
                signature=ModelSignature(Schema(inputs), Schema(outputs)),
                pip_requirements=[f"covidx=={__version__}"],
                metadata={"notice": RESEARCH_NOTICE},
            )


@contextmanager
def tracked(experiment: str, name: str, runs: Path) -> Iterator[Tracker]:
    """Open an MLflow run that ends as FINISHED, or as FAILED however it fails.

    A process that is killed outright cannot say so; the next run of the same machine marks what
    such a one left open.

    Parameters
    ----------
    experiment : str
        Name of the experiment, which is made where it is not there: the pipeline.
    name : str
        Of the run.
    runs : Path
        Folder of runs; holds the database and artifacts unless there is a server.

    Yields
    ------
    Tracker
        Of the open run.
    """
    make_folder(runs)
    with _connected(runs) as artifacts:
        with _quiet():
            if mlflow.get_experiment_by_name(experiment) is None:
                mlflow.create_experiment(experiment, artifact_location=artifacts)
            _close_abandoned(mlflow.set_experiment(experiment).experiment_id)
        owner = {"covidx.host": socket.gethostname(), "covidx.pid": str(os.getpid())}
        with _ended_by_sigterm(), mlflow.start_run(run_name=name, tags=owner) as run:
            yield Tracker(run.info.run_id)


def delete_run(run_id: str, runs: Path) -> None:
    """Mark a run as deleted, where MLflow knows it.

    Parameters
    ----------
    run_id : str
        MLflow's own.
    runs : Path
        The folder of runs that it was logged from.
    """
    with _connected(runs), _quiet():
        try:
            mlflow.MlflowClient().delete_run(run_id)
        except mlflow.MlflowException as error:
            logging.getLogger(__name__).warning("MLflow keeps run %s: %s", run_id, error)


@contextmanager
def _connected(runs: Path) -> Iterator[str | None]:
    """Point MLflow to its server or to `runs`; gives the place of artifacts, None for a server's.

    MLflow writes what it is told into the variable, where the next run would take it for the
    user's own word: it is put back as it was.
    """
    named = os.environ.get(URI_VARIABLE)
    mlflow.set_tracking_uri(tracking_uri(runs))
    try:
        yield None if named else (runs / "mlartifacts").resolve().as_uri()
    finally:
        if named is None:
            os.environ.pop(URI_VARIABLE, None)


def _close_abandoned(experiment_id: str) -> None:
    client = mlflow.MlflowClient()
    here = f"tags.`covidx.host` = '{socket.gethostname()}' and attributes.status = 'RUNNING'"
    for run in client.search_runs([experiment_id], here):
        pid = int(run.data.tags["covidx.pid"])
        # In a container every run may have this process's id; it has no run open yet.
        if pid == os.getpid() or not is_alive(pid):
            client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.FAILED))


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back MLflow's hints, bars and database steps."""
    before = os.environ.get(BARS_VARIABLE)
    levels = {name: logging.getLogger(name).level for name in TALKERS}
    os.environ[BARS_VARIABLE] = "false"
    for name in TALKERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for hint in HINTS:
                warnings.filterwarnings("ignore", message=f".*{hint}")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if before is None:
            del os.environ[BARS_VARIABLE]
        else:
            os.environ[BARS_VARIABLE] = before


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that the run is closed on the way out."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

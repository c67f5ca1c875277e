"""A run's record to MLflow: once, or again, with the same outcome."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import mlflow.pyfunc
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

from covidx import __version__
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import StoreError
from covidx.tracking.connect import AGAIN, URI_VARIABLE, artifact_place, connected
from covidx.tracking.one_file import single_page
from covidx.tracking.record import ARTIFACT, COLUMNS, ESTIMATES, PACKAGE, Part, TrackingRecord

RUN_TAG = "covidx.run_id"
PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
KIND_TAG = {"mlflow.experimentKind": "custom_model_development"}
"""Of an experiment, as MLflow has it: runs that train models, no traces of language models."""
BATCH = 100
"""Parameters or tags that MLflow takes at once."""
MOST = {"parameter": 6000, "tag": 8000}
"""Characters of a value that MLflow takes."""

T = TypeVar("T")


def send_folder(folder: Path, runs: Path) -> str:
    """Log a run that has ended to MLflow; what is there already is not logged twice.

    Parameters
    ----------
    folder : Path
        Of the run, with ``mlflow.json``.
    runs : Path
        Folder of runs, which holds the database unless there is a server.

    Returns
    -------
    str
        MLflow's id of the run.

    Raises
    ------
    StoreError
        What MLflow refuses, by code and remedy: see ``docs/mlflow.md``.
    InvalidInputError
        ``NOT_RECORDED``.
    """
    record = TrackingRecord.read(folder)
    with connected(runs) as client:
        experiment = _experiment(client, record.experiment, artifact_place(runs))
        run = _run(client, experiment, record.run_id, record)
        _numbers(client, run, record)
        _datasets(client, run, record)
        for name in record.artifacts:
            path = folder / name
            if path.is_dir():
                client.log_artifacts(run.info.run_id, str(path), name)
            elif path.suffix == ".html" and path.is_file():
                client.log_text(run.info.run_id, single_page(path), name)
            elif path.is_file():
                client.log_artifact(run.info.run_id, str(path), str(Path(name).parent).strip("."))
        _estimates(client, run, record)
        if record.model is not None and not _has_model(run):
            _model(client, run, folder, record)
        for part in record.parts:
            _part(client, experiment, run, record, part)
        _end(client, run, record)
        return str(run.info.run_id)


def delete_run(run_id: str, runs: Path) -> None:
    """Mark a run as deleted.

    Parameters
    ----------
    run_id : str
        MLflow's own.
    runs : Path
        The folder of runs that it was logged from.

    Raises
    ------
    StoreError
        As `send_folder`.
    """
    with connected(runs) as client:
        client.delete_run(run_id)


def experiment_numbers(runs: Path) -> dict[str, str]:
    """Name -> MLflow's number of each experiment of `runs` that covidx made, the newest first."""
    with connected(runs) as client:
        (kind,) = KIND_TAG.items()
        made = client.search_experiments(order_by=["last_update_time DESC"])
        return {e.name: e.experiment_id for e in made if kind in e.tags.items()}


def _experiment(client: MlflowClient, name: str, place: str | None) -> Experiment:
    """The experiment of this name, which is made where it is not there."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        experiment = client.get_experiment(client.create_experiment(name, place))
    if experiment.lifecycle_stage != "active":
        command = f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
        raise StoreError(
            "MLFLOW_EXPERIMENT_DELETED",
            f"The experiment {name} was deleted in MLflow.",
            path=experiment.artifact_location,
            hint=f"Run {command} with {URI_VARIABLE} set to its address; {AGAIN}.",
        )
    for key, value in KIND_TAG.items():
        if experiment.tags.get(key) != value:
            client.set_experiment_tag(experiment.experiment_id, key, value)
    return experiment


def _run(client: MlflowClient, experiment: Experiment, run_id: str, record: TrackingRecord) -> Run:
    """The run that was logged of this folder before, or a new one."""
    sought = f"tags.`{RUN_TAG}` = '{run_id}'"
    known = client.search_runs([experiment.experiment_id], sought, max_results=1)
    if known:
        return known[0]
    return client.create_run(
        experiment.experiment_id, _milliseconds(record.started), {RUN_TAG: run_id}, record.name
    )


def _numbers(client: MlflowClient, run: Run, record: TrackingRecord) -> None:
    """Parameters, tags and metrics; a parameter that is there already cannot change."""
    tags = dict(record.tags)
    if record.description and NOTE_TAG not in run.data.tags:  # the user may have written there
        tags[NOTE_TAG] = _linked(record.description, run)
    if record.estimates:
        tags["mlflow.loggedArtifacts"] = json.dumps([{"path": ESTIMATES, "type": "table"}])
    new = {k: v for k, v in record.parameters.items() if k not in run.data.params}
    ended = _milliseconds(record.ended)
    metrics = [Metric(p.name, p.value, ended, p.step) for p in record.points]
    _log(client, run, metrics, new, tags)


def _log(
    client: MlflowClient,
    run: Run,
    metrics: Sequence[Metric],
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
) -> None:
    name = run.info.run_id
    for some in _batches(metrics):
        client.log_batch(name, metrics=some, synchronous=True)
    for some in _batches([Param(k, _cut(v, "parameter")) for k, v in parameters.items()]):
        client.log_batch(name, params=some, synchronous=True)
    for some in _batches([RunTag(k, _cut(v, "tag")) for k, v in tags.items()]):
        client.log_batch(name, tags=some, synchronous=True)


def _datasets(client: MlflowClient, run: Run, record: TrackingRecord) -> None:
    inputs = []
    for data in record.datasets:
        schema = Schema([ColSpec(kind, name) for name, kind in data.columns.items()])
        entity = Dataset(
            data.name,
            data.digest,
            source_type="local",
            source=json.dumps({"uri": data.name}),
            schema=json.dumps({"mlflow_colspec": schema.to_dict()}),
            profile=json.dumps({"num_rows": data.rows}),
        )
        inputs.append(DatasetInput(entity, [InputTag("mlflow.data.context", data.role)]))
    if inputs:
        client.log_inputs(run.info.run_id, inputs)


def _estimates(client: MlflowClient, run: Run, record: TrackingRecord) -> None:
    """The table of all estimates, as by ``log_table``, which would append a second time."""
    if record.estimates:
        rows = [[row.get(column) for column in COLUMNS] for row in record.estimates]
        client.log_dict(run.info.run_id, {"columns": list(COLUMNS), "data": rows}, ESTIMATES)


def _has_model(run: Run) -> bool:
    return run.outputs is not None and bool(run.outputs.model_outputs)


def _model(client: MlflowClient, run: Run, folder: Path, record: TrackingRecord) -> None:
    """Save the bundle as a pyfunc, upload it, and only then link it to the run's kept epoch."""
    spec = record.model
    assert spec is not None
    inputs, outputs = (
        Schema([ColSpec(kind, name) for name, kind in columns.items()])
        for columns in (spec.inputs, spec.outputs)
    )
    logged = client.create_logged_model(
        run.info.experiment_id, "model", run.info.run_id, model_type="covidx bundle"
    )
    with TemporaryDirectory() as place:
        path = Path(place) / "model"
        mlflow.pyfunc.save_model(
            str(path),
            python_model=str(PACKAGE / spec.script),
            artifacts={"bundle": str(folder / spec.bundle)},
            signature=ModelSignature(inputs, outputs),
            pip_requirements=[f"covidx=={__version__}"],
            metadata={"notice": RESEARCH_NOTICE},
            mlflow_model=Model(
                artifact_path=logged.artifact_location,
                run_id=run.info.run_id,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
                metadata={"notice": RESEARCH_NOTICE},
            ),
        )
        for cache in path.rglob("__pycache__"):
            shutil.rmtree(cache, ignore_errors=True)
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    output = LoggedModelOutput(logged.model_id, step=record.kept_epoch)
    client.log_outputs(run.info.run_id, [output])


def _part(
    client: MlflowClient, experiment: Experiment, run: Run, record: TrackingRecord, part: Part
) -> None:
    """A fold or seed, below the run."""
    named = record.model_copy(update={"name": part.name})
    child = _run(client, experiment, f"{record.run_id}/{part.name}", named)
    ended = _milliseconds(record.ended)
    metrics = [Metric(name, value, ended, 0) for name, value in part.metrics.items()]
    new = {k: v for k, v in part.parameters.items() if k not in child.data.params}
    _log(client, child, metrics, new, {PARENT_TAG: run.info.run_id})
    _end(client, child, record)


def _end(client: MlflowClient, run: Run, record: TrackingRecord) -> None:
    client.set_terminated(run.info.run_id, record.state, _milliseconds(record.ended))


def _milliseconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def _linked(text: str, run: Run) -> str:
    """A description whose artifacts have the addresses that MLflow's page gives them."""
    place = f"experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts"
    picture = rf"![\1](get-artifact?run_uuid={run.info.run_id}&path=\2)"
    text = re.sub(rf"!\[([^\]]*)\]\({ARTIFACT}([^)]*)\)", picture, text)
    return text.replace(f"]({ARTIFACT}", f"](#/{place}/")


def _cut(value: str, what: str) -> str:
    most = MOST[what]
    return value if len(value) <= most else f"{value[: most - 1]}…"


def _batches(values: Sequence[T]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]

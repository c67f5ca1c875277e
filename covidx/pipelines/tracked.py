"""A run's folder, of which MLflow gets a copy once the run has ended on disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from covidx.errors import CovidxError, InvalidInputError, StoreError
from covidx.files import make_folder, replacing, write_json
from covidx.runs import RunFolder, read_record
from covidx.tracking import RECORD, Tracker, TrackingRecord, clean_name, single_page

UNSENT = "%s\nMLflow was not sent this run, which is whole in its folder: covidx sync %s"


@contextmanager
def tracked(pipeline: str, runs: Path) -> Iterator[tuple[RunFolder, Tracker]]:
    """Open a run that ends as finished, or as failed however it fails, and then is sent to MLflow.

    What MLflow refuses costs the run nothing: a warning says why, and what to do.

    Parameters
    ----------
    pipeline : str
        The name of its folder of runs, and of MLflow's experiment.
    runs : Path
        Folder of all runs, with MLflow's database unless there is a server.

    Yields
    ------
    (RunFolder, Tracker)
        The open folder; what MLflow is to show.
    """
    folder = RunFolder(pipeline, runs)
    tracker = Tracker(pipeline, folder.run_id, folder.record.started)
    try:
        with folder.closing():
            yield folder, tracker
            tracker.save(folder.path)
    except BaseException as error:
        with suppress(CovidxError, OSError):
            tracker.save(folder.path, error)
            _try_to_send(folder.path)
        raise
    _try_to_send(folder.path)


def send_run(folder: Path) -> str:
    """Send a run that has ended to MLflow, or send it again; its record gets MLflow's id.

    Parameters
    ----------
    folder : Path
        ``runs/<pipeline>/<id>``.

    Returns
    -------
    str
        MLflow's id of the run.

    Raises
    ------
    StoreError
        What MLflow refuses, by code and remedy.
    InvalidInputError
        ``RUN_MISSING``, ``RUN_GOES_ON`` or ``NOT_RECORDED``.
    """
    folder = folder.resolve()
    record = read_record(folder)
    if record.state == "running":
        raise InvalidInputError(
            "RUN_GOES_ON",
            "The run is still going on, or was killed: MLflow gets runs that have ended.",
            path=folder,
            hint="Wait until it has ended, or train it again.",
        )
    try:
        from covidx.tracking import send_folder
    except ImportError as error:
        raise StoreError(
            "MLFLOW_MISSING",
            "MLflow cannot be loaded.",
            actual=error,
            hint="Install mlflow as requirements.lock has it; then run covidx sync on the run.",
        ) from error
    record.mlflow_run_id = send_folder(folder, folder.parents[1])
    write_json(folder / "run.json", record.model_dump(mode="json"))
    return record.mlflow_run_id


def annotate_run(
    folder: Path,
    tags: Mapping[str, str] | None = None,
    pages: Mapping[str, Path] | None = None,
) -> None:
    """Keep what was learnt of a run after it had ended in its folder, and show it in MLflow.

    Parameters
    ----------
    folder : Path
        ``runs/<pipeline>/<id>``; a run of an earlier version, without ``mlflow.json``, is left.
    tags : mapping, optional
        Such as the verdict of an audit, by name.
    pages : mapping, optional
        Name in the run's folder -> a page, which is kept there as one file.
    """
    folder = folder.resolve()
    if not (folder / RECORD).is_file():
        return
    record = TrackingRecord.read(folder)
    for name, page in (pages or {}).items():
        make_folder((folder / name).parent)
        with replacing(folder / name) as temporary:
            temporary.write_text(single_page(page), encoding="utf-8")
    record.tags |= {clean_name(name): value for name, value in (tags or {}).items()}
    record.artifacts = list(dict.fromkeys([*record.artifacts, *(pages or {})]))
    write_json(folder / RECORD, record.model_dump(mode="json"))
    _try_to_send(folder)


def _try_to_send(folder: Path) -> None:
    """Send a run; where MLflow does not take it, or the user will not wait, say what to do."""
    log = logging.getLogger(__name__)
    try:
        send_run(folder)
    except KeyboardInterrupt:
        log.warning(UNSENT, "Interrupted.", folder)
    except (CovidxError, OSError) as error:
        log.warning(
            "%s\nNot sent to MLflow; the run itself is whole: covidx sync %s", error, folder
        )

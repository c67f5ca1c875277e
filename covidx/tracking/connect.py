"""Where MLflow keeps runs, how it is reached, and what to do where it cannot take them."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import mlflow

from covidx.errors import CovidxError, StoreError
from covidx.files import locked, remove_unfinished, replacing

URI_VARIABLE = "MLFLOW_TRACKING_URI"
DATABASE = "mlflow.db"
COPIES = "mlartifacts"
"""Folder of artifacts beside the database."""
WAIT_SECONDS = 120
"""For another process of covidx that writes into the same database."""
BUSY_SECONDS = 10
"""For another program, such as MLflow's page, that writes into the same database."""
SETTINGS = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
"""Of MLflow, where the user set none: its own take five minutes to notice a dead server."""
TALKERS = ("mlflow", "alembic", "urllib3")
"""Loggers that tell each step and each try."""
AGAIN = "then run covidx sync on the run's folder"
FRESH = "move the database away (every run is still in its folder) and run covidx sync on the runs"
CAUSES = (
    (
        r"Connection|Max retries|timed out|Timeout|Name or service|No route",
        "MLFLOW_UNREACHABLE",
        "The MLflow server does not answer.",
        f"Start it, or correct {URI_VARIABLE}; {AGAIN}.",
    ),
    (
        r"maintenance mode|FILE_STORE",
        "MLFLOW_FILE_STORE",
        "MLflow no longer keeps runs as files.",
        f"Unset {URI_VARIABLE}, or name a database (sqlite:///path) or a server; {AGAIN}.",
    ),
    (
        r"is locked",
        "MLFLOW_LOCKED",
        "Another program holds MLflow's database.",
        f"End that program, or wait for it; {AGAIN}.",
    ),
    (
        r"out-of-date database schema|locate revision",
        "MLFLOW_SCHEMA",
        "MLflow's database was made by another version of MLflow.",
        "If by a newer one, install that; if by an older one, run mlflow db upgrade on it; "
        f"{AGAIN}. Or {FRESH}.",
    ),
    (
        r"not a database|malformed|no such table|already exists|no such column|duplicate column",
        "MLFLOW_DATABASE",
        "MLflow's database is damaged or was never finished.",
        f"Make a copy of it; {FRESH}.",
    ),
    (
        r"readonly|unable to open|Permission denied|Read-only",
        "MLFLOW_UNWRITABLE",
        "MLflow's database or its artifacts cannot be written.",
        f"Check that you may write there; {AGAIN}.",
    ),
    (
        r"error code 40[13]|Unauthorized|PERMISSION_DENIED|UNAUTHENTICATED",
        "MLFLOW_FORBIDDEN",
        "The MLflow server refuses this user.",
        f"Set MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN; {AGAIN}.",
    ),
)
"""What MLflow's error says -> code, message and remedy; the first that fits."""
REFUSED = ["MLFLOW_REFUSED", "MLflow did not take the run.", f"Correct what it names; {AGAIN}."]


def tracking_uri(runs: Path) -> str:
    """The server of ``MLFLOW_TRACKING_URI``, else an SQLite file in the folder `runs`."""
    return os.environ.get(URI_VARIABLE) or f"sqlite:///{runs.resolve() / DATABASE}"


@contextmanager
def connected(runs: Path) -> Iterator[mlflow.MlflowClient]:
    """A client of the server, or of the database in `runs`, which is made where it is not there.

    Neither MLflow's global state nor its variables are changed: a run that the caller has open in
    MLflow stays as it is.

    Parameters
    ----------
    runs : Path
        Folder of runs.

    Raises
    ------
    StoreError
        Whatever MLflow raises, within the block too, by a code of `CAUSES` or ``MLFLOW_REFUSED``.
    """
    uri = tracking_uri(runs)
    database = _database(uri)
    with _explained(uri), _quiet(), ExitStack() as stack:
        if database is not None:
            stack.enter_context(locked(database.parent, WAIT_SECONDS))
            _make_database(database)
            _check_database(database)
        yield mlflow.MlflowClient(tracking_uri=uri)


def open_database(runs: Path) -> str:
    """Make the database in `runs` where it is not there; the address of server or database."""
    with connected(runs):
        return tracking_uri(runs)


def artifact_place(runs: Path) -> str | None:
    """Where artifacts of `runs` lie beside an SQLite database; None: the server knows."""
    database = _database(tracking_uri(runs))
    return None if database is None else (database.parent / COPIES).as_uri()


def _database(uri: str) -> Path | None:
    """The SQLite file of an address, or None."""
    match = re.fullmatch(r"sqlite:///([^?]+)", uri)
    return Path(match[1]).resolve() if match else None


def _make_database(path: Path) -> None:
    """Make the database aside and give it its name when it is whole; the lock is held."""
    remove_unfinished(path.parent, f"{path.name}*")
    if not path.exists():
        with replacing(path) as temporary:
            client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{temporary}")
            client.search_experiments(max_results=1)


def _check_database(path: Path) -> None:
    """Try to write into the file; MLflow would try again for minutes where it cannot."""
    with closing(sqlite3.connect(path, BUSY_SECONDS, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("SELECT count(*) FROM sqlite_master")
        database.execute("ROLLBACK")


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turn whatever MLflow raises into an error that says what to do."""
    try:
        yield
    except CovidxError:
        raise
    except Exception as error:
        # MLflow, SQLAlchemy, Alembic, requests and stores of artifacts have no base in common.
        text = f"{type(error).__name__}: {error}"
        fits = (cause for pattern, *cause in CAUSES if re.search(pattern, text))
        code, message, hint = next(fits, REFUSED)
        place, first = _without_password(uri), _without_password(text.partition("\n")[0])[:300]
        raise StoreError(code, message, path=place, actual=first, hint=hint) from error


def _without_password(uri: str) -> str:
    """An address, or a text with one, as it may be shown.

    >>> _without_password("https://me:secret@host/x")
    'https://host/x'
    """
    return re.sub(r"//[^/@\s]*@", "//", uri)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back MLflow's steps, bars and tries, and let it try for seconds, not minutes."""
    missing = {name: value for name, value in SETTINGS.items() if name not in os.environ}
    levels = {name: logging.getLogger(name).level for name in TALKERS}
    os.environ.update(missing)
    for name in TALKERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for name in missing:
            os.environ.pop(name, None)

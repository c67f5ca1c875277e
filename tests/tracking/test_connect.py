"""What keeps MLflow from taking a run: each ends as one error that says what to do, in seconds."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import mlflow
import pytest

from covidx.errors import StoreError
from covidx.tracking import Tracker, connect, open_database, send_folder, tracking_uri
from tests.tracking.conftest import free_port

ROOT = Path(__file__).parents[2]
SECONDS = 60
"""In which each of these is over on a busy machine; MLflow alone takes 276 for a dead server."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database, to be copied: making one takes seconds."""
    runs = tmp_path_factory.mktemp("whole")
    open_database(runs)
    return runs / "mlflow.db"


@pytest.fixture
def runs(tmp_path: Path, whole: Path) -> Path:
    (tmp_path / "runs").mkdir()
    shutil.copy(whole, tmp_path / "runs" / "mlflow.db")
    return tmp_path / "runs"


def refused(runs: Path) -> StoreError:
    """The error of sending a run."""
    folder = runs / "train" / "run"
    folder.mkdir(parents=True, exist_ok=True)
    Tracker("train", "run", "2026-01-02T03:04:05+00:00").save(folder)
    start = time.monotonic()
    with pytest.raises(StoreError) as error:
        send_folder(folder, runs)
    assert time.monotonic() - start < SECONDS
    assert error.value.hint and "covidx sync" in error.value.hint
    assert "Traceback" not in str(error.value)
    return error.value


def test_nobody_listens(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{free_port()}")
    error = refused(runs)
    assert error.code == "MLFLOW_UNREACHABLE" and "secret" not in str(error)


def test_somebody_listens_and_never_answers(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that hangs; MLflow's variables hold where the user sets them."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert refused(runs).code == "MLFLOW_UNREACHABLE"


def test_the_experiment_was_deleted(runs: Path) -> None:
    client = mlflow.MlflowClient(tracking_uri(runs))
    number = client.create_experiment("train")
    client.delete_experiment(number)
    error = refused(runs)
    assert error.code == "MLFLOW_EXPERIMENT_DELETED"
    assert f"restore --experiment-id {number}" in str(error.hint)


def test_the_database_is_of_another_version(runs: Path) -> None:
    with closing(sqlite3.connect(runs / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    assert refused(runs).code == "MLFLOW_SCHEMA"


def test_the_database_is_locked(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "BUSY_SECONDS", 0.2)
    with closing(sqlite3.connect(runs / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert refused(runs).code == "MLFLOW_LOCKED"


def test_the_database_is_no_database(runs: Path) -> None:
    (runs / "mlflow.db").write_text("hello, this is a letter\n" * 100)
    assert refused(runs).code == "MLFLOW_DATABASE"


def test_the_database_was_left_half_made(runs: Path) -> None:
    """As Ctrl-C leaves one in MLflow's own page or an earlier version of covidx."""
    with closing(sqlite3.connect(runs / "mlflow.db")) as database, database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        assert ("logged_models",) in tables
        database.execute("DROP TABLE logged_models")
        database.execute("DELETE FROM alembic_version")
    error = refused(runs)
    assert error.code == "MLFLOW_DATABASE" and "move the database away" in str(error.hint)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_the_database_may_not_be_written(runs: Path) -> None:
    (runs / "mlflow.db").chmod(0o400)
    assert refused(runs).code == "MLFLOW_UNWRITABLE"


def test_the_database_is_a_folder(runs: Path) -> None:
    (runs / "mlflow.db").unlink()
    (runs / "mlflow.db").mkdir()
    assert refused(runs).code == "MLFLOW_UNWRITABLE"


def test_a_store_of_files(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (runs / "mlruns").as_uri())
    assert refused(runs).code == "MLFLOW_FILE_STORE"


def test_an_address_of_no_known_kind(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "gopher://127.0.0.1/")
    assert refused(runs).code == "MLFLOW_REFUSED"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("API request to endpoint /api failed with error code 403 != 200", "MLFLOW_FORBIDDEN"),
        ("[Errno 13] Permission denied: '/mlartifacts'", "MLFLOW_UNWRITABLE"),
        ("(sqlite3.OperationalError) database is locked", "MLFLOW_LOCKED"),
        ("(sqlite3.OperationalError) table experiments already exists", "MLFLOW_DATABASE"),
        ("Can't locate revision identified by 'ffff'", "MLFLOW_SCHEMA"),
        ("HTTPConnectionPool: Read timed out. (read timeout=30)", "MLFLOW_UNREACHABLE"),
        ("something new", "MLFLOW_REFUSED"),
    ],
)
def test_causes(runs: Path, text: str, code: str) -> None:
    with pytest.raises(StoreError) as error, connect.connected(runs):
        raise RuntimeError(text)
    assert error.value.code == code and error.value.hint


OPENER = """
    import signal
    import sys
    from pathlib import Path
    from covidx.tracking import open_database
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    print("go", flush=True)
    open_database(Path(sys.argv[1]))
"""


def opening(runs: Path) -> subprocess.Popen[str]:
    """A process that makes the database in `runs`, which it is about to do."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OPENER), str(runs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None and process.stdout.readline() == "go\n"
    return process


def is_whole(database: Path) -> bool:
    with closing(sqlite3.connect(database)) as opened:
        names = {row[0] for row in opened.execute("SELECT name FROM sqlite_master")}
    return names >= {"experiments", "runs", "logged_models", "alembic_version"}


def test_two_first_runs_at_once(tmp_path: Path) -> None:
    both = [opening(tmp_path), opening(tmp_path)]
    for process in both:
        assert process.communicate()[1] == ""
    assert [process.returncode for process in both] == [0, 0]
    assert is_whole(tmp_path / "mlflow.db")
    assert {p.name for p in tmp_path.iterdir()} == {"mlflow.db", ".lock"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ended_while_the_database_is_made(tmp_path: Path, number: signal.Signals) -> None:
    """By Ctrl-C or outright: the name is taken by a whole database or by none."""
    process = opening(tmp_path)
    while not list(tmp_path.glob(".*.tmp.mlflow.db")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate()
    assert process.returncode != 0
    assert not (tmp_path / "mlflow.db").exists()
    open_database(tmp_path)
    assert is_whole(tmp_path / "mlflow.db")
    assert {p.name for p in tmp_path.iterdir()} == {"mlflow.db", ".lock"}

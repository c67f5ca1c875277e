"""The run folder: its record, its end, and `latest`."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from covidx import __version__, runs
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import StoreError
from covidx.files import read_json
from covidx.runs import RunFolder, git_commit, lock_digest, versions


def run_at(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run of a process with this id: folders of one second differ by it."""
    monkeypatch.setattr("os.getpid", lambda: number)
    return RunFolder("train", tmp_path)


def test_a_new_run_says_what_it_is(tmp_path: Path) -> None:
    run = RunFolder("train", tmp_path)
    record = read_json(run.path / "run.json")
    assert run.path.parent == tmp_path / "train" and record["run_id"] == run.path.name
    assert record["state"] == "running" and record["notice"] == RESEARCH_NOTICE
    assert record["versions"]["python"] == platform.python_version()
    assert not (tmp_path / "train" / "latest").exists()


def test_a_finished_run_is_the_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (run_at(tmp_path, number, monkeypatch) for number in (1, 2))
    latest = tmp_path / "train" / "latest"
    for run in (first, second):
        with run.closing(), run.step("work"):
            run.record.details["path"] = str(tmp_path)
        assert latest.resolve() == run.path
        record = read_json(latest / "run.json")
        assert record["state"] == "finished" and record["details"] == {"path": str(tmp_path)}
        assert record["seconds"]["work"] >= 0
    assert latest.readlink() == Path(second.run_id)  # the folder of runs may be moved


@pytest.mark.parametrize("error", [ValueError("no data"), KeyboardInterrupt(), SystemExit(143)])
def test_a_failed_run_says_so_and_is_not_the_latest(tmp_path: Path, error: BaseException) -> None:
    run = RunFolder("train", tmp_path)
    with pytest.raises(type(error)), run.closing():
        raise error
    record = read_json(run.path / "run.json")
    assert record["state"] == "failed" and record["error"].startswith(type(error).__name__)
    assert not (tmp_path / "train" / "latest").exists()


def test_two_runs_never_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime(2020, 4, 1, tzinfo=UTC)
    monkeypatch.setattr(runs, "datetime", SimpleNamespace(now=lambda _: moment))
    assert RunFolder("train", tmp_path).run_id.startswith("20200401T000000-")
    with pytest.raises(StoreError, match="IN_USE"):
        RunFolder("train", tmp_path)


def test_versions_name_what_shapes_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "PACKAGES", ("numpy", "no-such-package"))
    found = versions()
    assert found["covidx"] == __version__ and found["no-such-package"] == "missing"
    assert found["numpy"][0].isdigit()


def checkout(folder: Path) -> str:
    """A repository with one commit; its digest."""
    folder.mkdir()
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    (folder / "file").write_text("a")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return head.stdout.strip()


def test_commit_of_a_clean_and_of_a_changed_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = checkout(tmp_path / "repo")
    monkeypatch.setattr(runs, "ROOT", tmp_path / "repo")
    assert git_commit() == commit
    (tmp_path / "repo" / "file").write_text("b")
    assert git_commit() == f"{commit}+changes"


def test_a_wheel_inside_another_repository_has_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout(tmp_path / "repo")
    site = tmp_path / "repo" / "venv" / "site-packages"
    site.mkdir(parents=True)
    monkeypatch.setattr(runs, "ROOT", site)
    assert git_commit() is None


def test_lock_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LOCK", tmp_path / "requirements.lock")
    assert lock_digest() is None
    (tmp_path / "requirements.lock").write_bytes(b"abc")
    assert str(lock_digest()).startswith("ba7816bf")

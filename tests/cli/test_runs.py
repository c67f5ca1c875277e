"""``covidx runs``: what is here, what it takes on disk, and what is left when some are removed."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from covidx.cli import app
from covidx.errors import StoreError
from covidx.files import write_json
from covidx.runs import RunFolder

DEAD = 2**22 - 1
"""A process id that no process has: the largest that Linux gives is below it."""


def made(runs: Path, pid: int, monkeypatch: pytest.MonkeyPatch, *, finished: bool = True) -> Path:
    monkeypatch.setattr("os.getpid", lambda: pid)
    run = RunFolder("train_ct", runs)
    if finished:
        with run.closing(), run.step("train"):
            estimate = {"value": 0.9, "low": 0.8, "high": 0.95}
            write_json(run.path / "metrics.json", {"auroc": estimate})
            (run.path / "bundle").mkdir()
            (run.path / "bundle" / "weights").write_bytes(bytes(3_000_000))
    return run.path


def invoke(*words: object) -> Result:
    return CliRunner().invoke(app, ["runs", *map(str, words)])


def test_each_run_has_a_line_with_its_state_figure_and_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = made(tmp_path, 1, monkeypatch)
    killed = made(tmp_path, DEAD, monkeypatch, finished=False)
    result = invoke("list", "--runs", tmp_path)
    assert result.exit_code == 0
    lines = {
        line.split()[0]: line for line in result.output.splitlines() if line.startswith("train")
    }
    line = lines[f"train_ct/{done.name}"]
    assert "finished" in line and "auroc 0.90 (0.80 to 0.95)" in line and "3 MB" in line
    assert "killed" in lines[f"train_ct/{killed.name}"]
    assert len(lines) == 2  # `latest` is no run of its own


def test_show_names_steps_and_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, 1, monkeypatch)
    result = invoke("show", tmp_path / "train_ct" / "latest")
    assert result.exit_code == 0
    assert "auroc 0.90" in result.output and "train " in result.output
    (bundle,) = [
        line for line in result.output.splitlines() if line.startswith("bundle  ") and "MB" in line
    ]
    assert "3 MB" in bundle


def test_a_removed_run_leaves_nothing_and_latest_names_the_newest_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (made(tmp_path, pid, monkeypatch) for pid in (1, 2))
    other = made(tmp_path, DEAD, monkeypatch, finished=False)
    sources = tmp_path / "work" / "sources"
    sources.mkdir(parents=True)
    (sources / f"{second.name}.json").write_text("{}")
    result = invoke("rm", second, "--yes", "--work", tmp_path / "work")
    assert result.exit_code == 0, result.output
    assert not second.exists() and first.exists() and other.exists()
    assert not list(sources.iterdir())
    assert (tmp_path / "train_ct" / "latest").resolve() == first.resolve()


def test_nothing_is_removed_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = made(tmp_path, 1, monkeypatch)
    assert CliRunner().invoke(app, ["runs", "rm", str(done)], input="n\n").exit_code == 1
    assert done.exists()
    (tmp_path / "elsewhere").mkdir()
    refused = invoke("rm", tmp_path / "elsewhere", "--yes")
    assert "RUN_MISSING" in str(refused.exception) and (tmp_path / "elsewhere").exists()


def test_a_run_that_goes_on_is_refused(tmp_path: Path) -> None:
    run = RunFolder("train_ct", tmp_path).path  # of this very process
    refused = invoke("rm", run, "--yes")
    assert "RUN_GOES_ON" in str(refused.exception) and run.exists()


def test_mlflows_page_needs_a_free_port(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = invoke("mlflow", "--runs", tmp_path, "--port", port)
    assert isinstance(result.exception, StoreError) and result.exception.code == "PORT_TAKEN"
    assert not list(tmp_path.iterdir())


def test_of_a_server_the_addresses_of_its_tables_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9/")
    monkeypatch.setattr("covidx.tracking.experiment_numbers", lambda _: {"train_ct": "4"})
    result = invoke("mlflow", "--runs", tmp_path)
    assert result.output.split() == [
        "train_ct",
        "http://127.0.0.1:9/#/experiments/4/runs?workflowType=machine_learning",
    ]

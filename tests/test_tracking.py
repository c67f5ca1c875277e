"""MLflow: what is logged, how runs end, SQLite and a real server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run

from covidx.evaluate import Estimate
from covidx.tracking import tracked, tracking_uri

ROOT = Path(__file__).parents[1]
NAN = float("nan")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One database for all tests: making it takes seconds. Each test has its own experiment."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = mlflow.get_tracking_uri()
    yield
    mlflow.set_tracking_uri(before)


def found(runs: Path, experiment: str) -> list[Run]:
    client = mlflow.MlflowClient(tracking_uri(runs))
    there = client.get_experiment_by_name(experiment)
    return [] if there is None else client.search_runs([there.experiment_id])


def test_what_is_logged(runs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "roc.png").write_bytes(b"png")
    estimates = {
        "auroc": Estimate(0.9, 0.8, 0.95, 40, "delong"),
        "ppv": Estimate(NAN, NAN, NAN, 0, "wilson", reason="nobody was called positive"),
    }
    with warnings.catch_warnings(record=True) as caught, tracked("all", "run-1", runs) as tracker:
        warnings.simplefilter("always")
        tracker.config({"seed": 3, "learning": {"rate": 0.1, "augment": {"flip": True}}})
        tracker.tags({"git_commit": "abc"})
        tracker.dataset(pd.DataFrame({"a": [1, 2]}), "phantom", "f" * 64, "train")
        tracker.curves(
            pd.DataFrame({"epoch": [0, 1], "loss": [1.5, np.nan], "validation_auroc": [0.5, 0.6]})
        )
        tracker.estimates(estimates)
        tracker.files(tmp_path / "figures", "figures")
        tracker.file(tmp_path / "figures" / "roc.png")
    (run,) = found(runs, "all")
    assert run.info.status == "FINISHED" and run.info.run_name == "run-1"
    assert run.info.run_id == tracker.run_id
    assert run.data.params == {"seed": "3", "learning.rate": "0.1", "learning.augment.flip": "True"}
    assert run.data.tags["git_commit"] == "abc"
    want = {"auroc": 0.9, "auroc.low": 0.8, "auroc.high": 0.95, "auroc.n": 40.0, "ppv.n": 0.0}
    assert run.data.metrics == want | {"loss": 1.5, "validation_auroc": 0.6}
    client = mlflow.MlflowClient(tracking_uri(runs))
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(0, 1.5)]
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("phantom", "f" * 36)
    assert [t.value for t in data.tags] == ["train"]
    names = {f.path for f in client.list_artifacts(run.info.run_id)}
    assert names == {"figures", "roc.png"}
    assert "Hint" not in "".join(str(w.message) for w in caught)
    assert "Downloading" not in capfd.readouterr().err
    assert "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR" not in os.environ


def test_files_lie_beside_the_runs(runs: Path) -> None:
    with tracked("place", "run", runs) as tracker:
        tracker.file(Path(__file__))
    assert list((runs / "mlartifacts").rglob("test_tracking.py"))
    assert (runs / "mlflow.db").is_file()


@pytest.mark.parametrize("error", [ValueError("no data"), KeyboardInterrupt(), SystemExit(1)])
def test_a_run_that_raises_has_failed(runs: Path, error: BaseException) -> None:
    experiment = type(error).__name__
    with pytest.raises(type(error)), tracked(experiment, "run", runs):
        raise error
    assert [run.info.status for run in found(runs, experiment)] == ["FAILED"]


SLEEPER = """
    import sys, time
    from pathlib import Path
    from covidx.tracking import tracked
    with tracked(sys.argv[2], "run", Path(sys.argv[1])):
        print("open", flush=True)
        time.sleep(60)
"""


def start(runs: Path, experiment: str) -> subprocess.Popen[str]:
    """A process with an open run."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SLEEPER), runs, experiment],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None and process.stdout.readline() == "open\n"
    return process


def test_how_other_processes_end(runs: Path) -> None:
    """By SIGTERM: failed. By SIGKILL: left running, until the next run. Alive: left alone."""
    with start(runs, "ended") as stopped, start(runs, "ended") as killed:
        with tracked("ended", "while both live", runs):
            assert [r.info.status for r in found(runs, "ended")] == ["RUNNING"] * 3
        stopped.send_signal(signal.SIGTERM)
        assert stopped.wait(30) == 128 + signal.SIGTERM
        killed.kill()
        killed.wait(30)
    states = [r.info.status for r in found(runs, "ended")]
    assert sorted(states) == ["FAILED", "FINISHED", "RUNNING"]
    with tracked("ended", "next", runs):
        pass
    states = [r.info.status for r in found(runs, "ended")]
    assert sorted(states) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]


def test_a_dead_run_with_this_processs_id_is_closed(runs: Path) -> None:
    """As in a container, where each run may have the same id."""
    with tracked("reused", "first", runs):
        pass
    client = mlflow.MlflowClient(tracking_uri(runs))
    client.update_run(found(runs, "reused")[0].info.run_id, status="RUNNING")
    with tracked("reused", "second", runs):
        pass
    states = {r.info.run_name: r.info.status for r in found(runs, "reused")}
    assert states == {"first": "FAILED", "second": "FINISHED"}


def test_another_machines_run_is_left_alone(runs: Path) -> None:
    with tracked("machines", "theirs", runs) as tracker:
        tracker.tags({"covidx.host": "elsewhere"})
    client = mlflow.MlflowClient(tracking_uri(runs))
    client.update_run(tracker.run_id, status="RUNNING")
    with tracked("machines", "ours", runs):
        pass
    states = {r.info.run_name: r.info.status for r in found(runs, "machines")}
    assert states == {"theirs": "RUNNING", "ours": "FINISHED"}


def test_sigterms_handler_is_put_back(runs: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with tracked("handler", "run", runs):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real MLflow server on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}", "--workers", "1"]
    command += ["--artifacts-destination", str(tmp_path / "artifacts")]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True
        )
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"{url}/health", timeout=2).close()
                    break
                except OSError:
                    if process.poll() is not None:
                        break
                    time.sleep(0.5)
            else:
                pytest.skip("the MLflow server did not answer in a minute")
            if process.poll() is not None:
                pytest.skip(f"no MLflow server: {(tmp_path / 'log').read_text()[-500:]}")
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)


@pytest.mark.slow
def test_a_server_takes_the_same(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert tracking_uri(tmp_path) == server
    (tmp_path / "metrics.json").write_text("{}")
    with tracked("train", "remote", tmp_path / "runs") as tracker:
        tracker.config({"seed": 1})
        tracker.estimates({"auroc": Estimate(0.9, 0.8, 0.95, 40, "delong")})
        tracker.file(tmp_path / "metrics.json")
    (run,) = found(tmp_path, "train")
    assert run.info.status == "FINISHED" and run.data.metrics["auroc.low"] == 0.8
    client = mlflow.MlflowClient(server)
    copy = client.download_artifacts(run.info.run_id, "metrics.json", str(tmp_path / "runs"))
    assert Path(copy).read_text() == "{}"
    assert not (tmp_path / "runs" / "mlflow.db").exists()
    with pytest.raises(ValueError, match="broken"), tracked("train", "broken", tmp_path / "runs"):
        raise ValueError("broken")
    assert sorted(r.info.status for r in found(tmp_path, "train")) == ["FAILED", "FINISHED"]

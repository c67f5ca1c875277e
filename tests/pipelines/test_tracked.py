"""A run is over on disk before MLflow hears of it, and stays so whatever MLflow does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import mlflow
import pytest
from typer.testing import CliRunner

from covidx.cli import app
from covidx.errors import InvalidInputError
from covidx.pipelines import tracked as module
from covidx.pipelines.tracked import annotate_run, send_run, tracked
from covidx.runs import read_record
from covidx.tracking import tracking_uri
from tests.tracking.conftest import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One database for all tests: making it takes seconds. Each test has its own pipeline."""
    return tmp_path_factory.mktemp("runs")


def one_run(pipeline: str, runs: Path) -> Path:
    """A finished run with one file and one figure."""
    with tracked(pipeline, runs) as (folder, tracker):
        (folder.path / "report.html").write_text("report")
        tracker.figures({"auroc": 0.9})
        tracker.artifacts(["report.html"])
    return folder.path


def test_it_is_finished_before_it_is_sent(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def send(folder: Path) -> str:
        seen.append((read_record(folder).state, (folder.parent / "latest").resolve() == folder))
        return ""

    monkeypatch.setattr(module, "send_run", send)
    one_run("order", runs)
    assert seen == [("finished", True)]


def test_mlflows_id_is_kept(runs: Path) -> None:
    folder = one_run("kept", runs)
    number = read_record(folder).mlflow_run_id
    run = mlflow.MlflowClient(tracking_uri(runs)).get_run(number)
    assert run.info.status == "FINISHED" and run.data.metrics == {"auroc": 0.9}
    assert send_run(folder) == number


def test_a_dead_server_costs_a_warning_and_sync_makes_up_for_it(
    runs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
        folder = one_run("dead", runs)
        refused = CliRunner().invoke(app, ["sync", str(folder)])
    assert read_record(folder).state == "finished"
    assert (folder.parent / "latest").resolve() == folder
    (warning,) = caplog.records
    assert "MLFLOW_UNREACHABLE" in warning.getMessage()
    assert f"covidx sync {folder}" in warning.getMessage()
    assert refused.exit_code == 1 and "MLFLOW_UNREACHABLE" in refused.output
    assert read_record(folder).mlflow_run_id is None
    sent = CliRunner().invoke(app, ["sync", str(folder.parent / "latest")])
    assert sent.exit_code == 0, sent.output
    number = read_record(folder).mlflow_run_id
    assert number is not None and number in sent.output
    assert mlflow.MlflowClient(tracking_uri(runs)).get_run(number).data.metrics["auroc"] == 0.9


def test_one_run_that_cannot_be_sent_does_not_keep_the_next(runs: Path, tmp_path: Path) -> None:
    folder = one_run("batch", runs)
    sent = CliRunner().invoke(app, ["sync", str(tmp_path), str(folder)])
    assert sent.exit_code == 1
    assert "RUN_MISSING" in sent.output and "sent " in sent.output


def test_without_mlflow_a_run_is_finished(
    runs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [n for n in sys.modules if n.startswith(("covidx.tracking.", "mlflow."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.delattr("covidx.tracking.send_folder", raising=False)
    folder = one_run("without", runs)
    assert read_record(folder).state == "finished"
    assert "MLFLOW_MISSING" in caplog.text


def test_ctrl_c_while_it_is_sent(
    runs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted(_: Path) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "send_run", interrupted)
    folder = one_run("interrupted", runs)
    assert read_record(folder).state == "finished"
    assert "covidx sync" in caplog.text


@pytest.mark.parametrize("error", [ValueError("no data"), KeyboardInterrupt(), SystemExit(1)])
def test_a_run_that_raises_has_failed(runs: Path, error: BaseException) -> None:
    pipeline = type(error).__name__
    with pytest.raises(type(error)), tracked(pipeline, runs) as (folder, _):
        raise error
    record = read_record(folder.path)
    assert record.state == "failed" and not (folder.path.parent / "latest").exists()
    run = mlflow.MlflowClient(tracking_uri(runs)).get_run(record.mlflow_run_id)
    assert run.info.status == "FAILED"


def test_a_run_that_fails_while_the_server_is_dead_raises_its_own_error(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ValueError, match="no data"), tracked("both", runs):
        raise ValueError("no data")


SLEEPER = """
    import sys, time
    from pathlib import Path
    from covidx.pipelines.tracked import tracked
    with tracked(sys.argv[2], Path(sys.argv[1])) as (folder, _):
        print(folder.path, flush=True)
        time.sleep(60)
"""


def start(runs: Path, pipeline: str) -> tuple[subprocess.Popen[str], Path]:
    """A process with an open run, and its folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SLEEPER), runs, pipeline],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_how_other_processes_end(runs: Path) -> None:
    """By SIGTERM: failed, here and in MLflow. By SIGKILL: MLflow never hears of it."""
    (stopped, ended), (killed, left) = start(runs, "ended"), start(runs, "ended")
    stopped.send_signal(signal.SIGTERM)
    killed.kill()
    assert stopped.wait(60) == 128 + signal.SIGTERM
    killed.wait(30)
    record = read_record(ended)
    assert record.state == "failed" and record.mlflow_run_id is not None
    client = mlflow.MlflowClient(tracking_uri(runs))
    (run,) = client.search_runs([client.get_experiment_by_name("ended").experiment_id])
    assert (run.info.run_id, run.info.status) == (record.mlflow_run_id, "FAILED")
    with pytest.raises(InvalidInputError, match="RUN_GOES_ON"):
        send_run(left)


def test_sigterms_handler_is_put_back(runs: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with tracked("handler", runs):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_nothing_of_mlflow_stays_in_the_environment(runs: Path) -> None:
    before = dict(os.environ)
    one_run("environment", runs)
    assert dict(os.environ) == before


def test_what_is_learnt_of_a_run_later_is_kept_with_it_and_shown(
    runs: Path, tmp_path: Path
) -> None:
    """The verdict of an audit, twice, with its page."""
    folder = one_run("audited", runs)
    page = tmp_path / "audit.html"
    for verdict in ("fail", "pass"):
        page.write_text(f"<body><p>{verdict}</p></body>")
        annotate_run(folder, {"audit_run": verdict}, {"audits/run.html": page})
    assert "<p>pass</p>" in (folder / "audits" / "run.html").read_text()
    client = mlflow.MlflowClient(tracking_uri(runs))
    number = read_record(folder).mlflow_run_id
    run = client.get_run(number)
    assert run.data.tags["audit_run"] == "pass" and run.data.metrics == {"auroc": 0.9}
    assert [one.path for one in client.list_artifacts(number, "audits")] == ["audits/run.html"]
    assert len(client.get_metric_history(number, "auroc")) == 1


def test_a_run_of_an_earlier_version_is_left_as_it_is(runs: Path, tmp_path: Path) -> None:
    folder = one_run("earlier", runs)
    (folder / "mlflow.json").unlink()
    annotate_run(folder, {"audit_run": "pass"}, {"audits/run.html": tmp_path / "none.html"})
    assert not (folder / "audits").exists()


def test_the_record_holds_what_mlflow_shows(runs: Path) -> None:
    folder = one_run("record", runs)
    record = json.loads((folder / "mlflow.json").read_text())
    assert record["artifacts"] == ["report.html"]
    assert record["points"] == [{"name": "auroc", "value": 0.9, "step": 0}]

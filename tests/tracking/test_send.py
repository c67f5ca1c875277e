"""A run's record to MLflow: what is shown, on an SQLite database and on a server."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run

from covidx.errors import InvalidInputError
from covidx.evaluate import Estimate
from covidx.tracking import Tracker, experiment_numbers, send_folder, tracking_uri

NAN = float("nan")
STARTED = "2026-01-02T03:04:05+00:00"


def found(runs: Path, experiment: str) -> list[Run]:
    client = mlflow.MlflowClient(tracking_uri(runs))
    there = client.get_experiment_by_name(experiment)
    return [] if there is None else client.search_runs([there.experiment_id])


def recorded(folder: Path, experiment: str) -> Tracker:
    """A tracker with something of everything but a model, for the run in `folder`."""
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "roc.png").write_bytes(b"png")
    (folder / "report.html").write_text("<p>report")
    tracker = Tracker(experiment, folder.name, STARTED)
    tracker.config({"seed": 3, "learning": {"rate": 0.1, "augment": {"flip": True}}})
    tracker.tags({"git_commit": "abc", "absent": None})
    tracker.dataset(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), "phantom", "f" * 64, "train")
    curves = {"epoch": [0, 1], "loss": [1.5, np.nan], "validation_auroc": [0.5, 0.6]}
    tracker.curves(pd.DataFrame(curves), kept=0)
    estimates = {
        "auroc": Estimate(0.9, 0.8, 0.95, 40, "delong"),
        "ppv": Estimate(NAN, NAN, NAN, 0, "wilson", reason="nobody was called positive"),
        "auroc_pneumonia (viral)": Estimate(0.7, 0.6, 0.8, 40, "delong"),
    }
    tracker.estimates(estimates, headline=("auroc", "ppv", "sensitivity"))
    tracker.part("fold 0", {"auroc": 0.85, "ppv": NAN}, {"fold": 0})
    tracker.name("phantom · AUROC 0.90", "**Research use only**")
    tracker.artifacts(["figures", "report.html", "never-written.csv"])
    tracker.save(folder)
    return tracker


def test_what_mlflow_shows(
    runs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    recorded(tmp_path / "one", "all")
    before = dict(os.environ), mlflow.get_tracking_uri()
    number = send_folder(tmp_path / "one", runs)
    assert capfd.readouterr() == ("", "") and not caplog.records
    part, run = sorted(found(runs, "all"), key=lambda run: run.info.run_id == number)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "phantom · AUROC 0.90")
    assert run.info.start_time == 1767323045000  # 2026-01-02 03:04:05 UTC, in milliseconds
    assert run.info.end_time > run.info.start_time
    assert run.data.params == {"seed": "3", "learning.rate": "0.1", "learning.augment.flip": "True"}
    assert run.data.tags["git_commit"] == "abc" and "absent" not in run.data.tags
    assert run.data.tags["mlflow.note.content"] == "**Research use only**"
    best = {"best_epoch": 0, "best_epoch_loss": 1.5, "best_epoch_validation_auroc": 0.5}
    assert run.data.metrics == {"auroc": 0.9, "loss": 1.5, "validation_auroc": 0.6} | best
    client = mlflow.MlflowClient(tracking_uri(runs))
    history = client.get_metric_history(number, "validation_auroc")
    assert [(m.step, m.value) for m in history] == [(0, 0.5), (1, 0.6)]
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("phantom", "f" * 36)
    assert [t.value for t in data.tags] == ["train"]
    assert '"num_rows": 2' in data.dataset.profile and '"name": "b"' in data.dataset.schema
    names = {f.path for f in client.list_artifacts(number)}
    assert names == {"figures", "report.html", "estimates.json"}
    table = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/estimates.json")
    assert table["columns"][:4] == ["metric", "value", "low", "high"]
    assert table["data"][2][:4] == ["auroc_pneumonia (viral)", 0.7, 0.6, 0.8]
    assert table["data"][1][1] is None and table["data"][1][-1] == "nobody was called positive"
    assert part.data.tags["mlflow.parentRunId"] == number
    assert (part.info.run_name, part.data.metrics) == ("fold 0", {"auroc": 0.85})
    assert (dict(os.environ), mlflow.get_tracking_uri()) == before


def test_sent_again_it_is_the_same_run(runs: Path, tmp_path: Path) -> None:
    tracker = recorded(tmp_path / "again", "again")
    first = send_folder(tmp_path / "again", runs)
    before = found(runs, "again")
    tracker.tags({"audit": "pass"})
    tracker.config({"seed": 4})
    tracker.save(tmp_path / "again")
    assert send_folder(tmp_path / "again", runs) == first
    after = found(runs, "again")
    assert {r.info.run_id for r in after} == {r.info.run_id for r in before} and len(after) == 2
    run = next(r for r in after if r.info.run_id == first)
    assert run.data.tags["audit"] == "pass"
    assert run.data.params["seed"] == "3", "MLflow lets no parameter change"
    assert len(run.inputs.dataset_inputs) == 1
    client = mlflow.MlflowClient(tracking_uri(runs))
    assert len(client.get_metric_history(first, "validation_auroc")) == 2


def test_a_run_that_mlflow_took_in_part_is_completed(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path / "part", "part")
    with monkeypatch.context() as patch:
        patch.setattr(mlflow.MlflowClient, "log_artifact", lambda *_: 1 / 0)
        with pytest.raises(OSError, match="MLFLOW_REFUSED"):
            send_folder(tmp_path / "part", runs)
    assert [r.info.status for r in found(runs, "part")] == ["RUNNING"]
    number = send_folder(tmp_path / "part", runs)
    states = {r.info.run_id: r.info.status for r in found(runs, "part")}
    assert states[number] == "FINISHED" and len(states) == 2


NAMES = (
    "pneumonia (viral)",
    "a+b",
    "50 %",
    "x, y",
    "a//../b",
    "/",
    "",
    ".",
    "é",
    "n" * 400,
    "<b>&",
)


def test_names_are_cleaned_and_values_cut(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    tracker = Tracker("names", "names", STARTED)
    tracker.config(dict.fromkeys(NAMES, "v" * 10000))
    tracker.tags(dict.fromkeys(NAMES, "v" * 10000))
    tracker.figures(dict.fromkeys(NAMES, 0.5) | {"endless": float("inf"), "none": NAN})
    tracker.estimates({name: Estimate(0.9, 0.8, 0.95, 40, "delong") for name in NAMES})
    tracker.save(folder)
    send_folder(folder, runs)
    (run,) = found(runs, "names")
    assert run.data.metrics.keys() >= {"pneumonia_viral", "a_b", "50", "x_y", "unnamed", "é", "b"}
    assert not run.data.metrics.keys() & {"endless", "none"}
    assert len(run.data.params["a_b"]) == 6000 and len(run.data.tags["a_b"]) == 8000
    table = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/estimates.json")
    assert [row[0] for row in table["data"]] == list(NAMES)


def test_many_parameters_and_metrics(runs: Path, tmp_path: Path) -> None:
    """More than MLflow takes in one request: 100 parameters or tags, 1,000 metrics."""
    tracker = Tracker("many", "many", STARTED)
    tracker.config({f"p{k}": k for k in range(250)})
    tracker.tags({f"t{k}": "x" * 8000 for k in range(250)})
    tracker.curves(pd.DataFrame({"epoch": range(1100), "loss": 1.0}))
    tracker.save(tmp_path)
    send_folder(tmp_path, runs)
    (run,) = found(runs, "many")
    assert len(run.data.params) == 250 and run.data.tags.keys() >= {f"t{k}" for k in range(250)}
    client = mlflow.MlflowClient(tracking_uri(runs))
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 1100


def test_members_of_an_ensemble_stand_below_the_run() -> None:
    curves = [pd.DataFrame({"epoch": [0, 1], "train_loss": [1.0, loss]}) for loss in (0.5, 0.4)]
    tracker = Tracker("members", "members", STARTED)
    tracker.members(curves[:1], kept=1)
    assert not tracker.record.parts
    tracker.members(curves, kept=1)
    parts = [(part.name, part.metrics, part.parameters) for part in tracker.record.parts]
    assert parts == [
        ("member 0", {"train_loss": 0.5}, {"fold_left_out": "0"}),
        ("member 1", {"train_loss": 0.4}, {"fold_left_out": "1"}),
    ]


def test_a_run_that_failed(runs: Path, tmp_path: Path) -> None:
    tracker = Tracker("failed", "failed", STARTED)
    tracker.save(tmp_path, ValueError("no data"))
    send_folder(tmp_path, runs)
    (run,) = found(runs, "failed")
    assert run.info.status == "FAILED"
    # The text of an error may name a patient.
    assert run.data.tags["mlflow.note.content"] == "Failed: ValueError"


def test_files_lie_beside_the_database(runs: Path, tmp_path: Path) -> None:
    recorded(tmp_path / "place", "place")
    send_folder(tmp_path / "place", runs)
    assert list((runs / "mlartifacts").rglob("roc.png"))
    assert {p.name for p in runs.iterdir()} == {"mlflow.db", "mlartifacts", ".lock"}


def test_experiments_by_number_without_mlflows_own(runs: Path, tmp_path: Path) -> None:
    recorded(tmp_path / "kind", "kind")
    send_folder(tmp_path / "kind", runs)
    client = mlflow.MlflowClient(tracking_uri(runs))
    experiment = client.get_experiment_by_name("kind")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    numbers = experiment_numbers(runs)
    assert next(iter(numbers.items())) == ("kind", experiment.experiment_id)
    assert "Default" not in numbers


def test_a_callers_own_run_and_variables_are_left_alone(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path / "mine", "mine")
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_LOGGING", "true")
    level = logging.getLogger("mlflow").level
    send_folder(tmp_path / "mine", runs)
    assert len(found(runs, "mine")) == 2
    assert os.environ["MLFLOW_RUN_ID"] == "0" * 32
    assert logging.getLogger("mlflow").level == level


def test_a_folder_without_a_record_is_refused(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="NOT_RECORDED") as refused:
        send_folder(tmp_path, runs)
    assert refused.value.hint
    (tmp_path / "mlflow.json").write_text("{")
    with pytest.raises(InvalidInputError, match="NOT_RECORDED"):
        send_folder(tmp_path, runs)


@pytest.mark.slow
def test_a_server_takes_the_same(
    server: tuple[str, subprocess.Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _ = server
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    assert tracking_uri(tmp_path) == url
    recorded(tmp_path / "remote", "train")
    number = send_folder(tmp_path / "remote", tmp_path / "runs")
    assert send_folder(tmp_path / "remote", tmp_path / "runs") == number
    assert len(found(tmp_path, "train")) == 2
    client = mlflow.MlflowClient(url)
    assert client.get_run(number).data.metrics["auroc"] == 0.9
    copy = client.download_artifacts(number, "report.html", str(tmp_path))
    assert Path(copy).read_text() == '<a id="top"></a><p>report'
    assert not (tmp_path / "runs").exists()

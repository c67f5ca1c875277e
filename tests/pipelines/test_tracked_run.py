"""What MLflow knows of a finished run, and of a failed one."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pytest

from covidx.config import load_config
from covidx.errors import InvalidInputError
from covidx.pipelines.image.config import TRAIN_CT, TrainCT
from covidx.pipelines.image.train import train_image
from covidx.pipelines.source import Source
from covidx.tracking import tracking_uri
from tests.conftest import Run


@pytest.fixture(scope="module")
def client(trained: Run) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(tracking_uri(trained.runs))


@pytest.fixture(scope="module")
def run_id(trained: Run) -> str:
    return json.loads((trained.folder / "run.json").read_text())["mlflow_run_id"]


def test_params_tags_and_state(client: mlflow.MlflowClient, run_id: str) -> None:
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["volume.learning.epochs"] == "1"
    assert run.data.params["seed"] == "0"
    assert run.data.tags.keys() >= {"git_commit", "bundle_sha256", "split_sha256", "card_sha256"}
    assert {i.tags[0].value for i in run.inputs.dataset_inputs} == {"train", "validation", "test"}


def test_curves_headline_and_table_of_all_estimates(
    client: mlflow.MlflowClient, run_id: str, trained: Run
) -> None:
    run = client.get_run(run_id)
    assert [m.step for m in client.get_metric_history(run_id, "train_loss")] == [0]
    assert run.data.metrics["best_epoch"] == 0
    assert run.data.metrics["best_epoch_validation_loss"] == run.data.metrics["validation_loss"]
    written = json.loads((trained.folder / "metrics.json").read_text())
    for name in ("auroc", "sensitivity", "specificity", "ppv", "npv", "brier"):
        assert run.data.metrics.get(name) == pytest.approx(written[name]["value"])
    assert run.data.metrics["threshold"] == written["sensitivity"]["threshold"]
    assert not [name for name in run.data.metrics if name.endswith((".low", ".high", ".n"))]
    table = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/estimates.json")
    assert [row[0] for row in table["data"]] == list(written)
    for row, entry in zip(table["data"], written.values(), strict=True):
        assert row[1:5] == [entry[name] for name in ("value", "low", "high", "n")]


def test_artifacts_lie_below_the_runs_folder(
    client: mlflow.MlflowClient, run_id: str, trained: Run
) -> None:
    names = {item.path for item in client.list_artifacts(run_id)}
    assert {"figures", "report.html", "metrics.json", "predictions.parquet"} <= names
    assert "cases" not in names  # every slice of every patient: what MLflow shows is in the page
    place = client.get_run(run_id).info.artifact_uri
    assert place.startswith((trained.runs / "mlartifacts").resolve().as_uri())


def test_the_model_is_logged_with_a_signature_and_no_pickle(trained: Run) -> None:
    model = next((trained.runs / "mlartifacts").rglob("MLmodel"))
    text = model.read_text()
    assert "signature" in text
    assert "prob_covid-19" in text
    assert not [p for p in model.parent.rglob("*") if p.suffix in (".pkl", ".pickle", ".pt")]
    assert list(model.parent.rglob("weights.safetensors"))


def test_a_failed_run_says_so(tmp_path: Path) -> None:
    config = load_config(TRAIN_CT, TrainCT)
    data, labels, runs = tmp_path / "data", tmp_path / "labels.csv", tmp_path / "runs"
    data.mkdir()
    (data / "letter.txt").write_text("no image")
    rows = [f"p{k},{label}" for k, label in enumerate(["covid-19", "normal"] * 5)]
    labels.write_text("\n".join(["patient_id,label", *rows]))
    with pytest.raises(InvalidInputError, match="NO_IMAGES"):
        train_image(config, Source(data, labels, None), work=tmp_path / "work", runs=runs)
    (record,) = (json.loads(p.read_text()) for p in runs.glob("train_ct/*/run.json"))
    assert record["state"] == "failed"
    assert "NO_IMAGES" in record["error"]
    assert not (runs / "train_ct" / "latest").exists()
    run = mlflow.MlflowClient(tracking_uri(runs)).get_run(record["mlflow_run_id"])
    assert run.info.status == "FAILED"

"""What a researcher sees of a trained run in MLflow, without opening it and on its page."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run

from covidx.files import read_json
from covidx.pipelines.mlflow_page import _model
from covidx.runs import read_record
from covidx.tracking import TrackingRecord, tracking_uri
from tests.pipelines.made_runs import make_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs"), 1)


@pytest.fixture(scope="module")
def logged(folder: Path) -> Run:
    client = mlflow.MlflowClient(tracking_uri(folder.parents[1]))
    return client.get_run(read_record(folder).mlflow_run_id)


def test_the_name_says_data_model_and_result(logged: Run, folder: Path) -> None:
    auroc = read_json(folder / "metrics.json")["auroc"]
    result = f"AUROC {auroc['value']:.2f} [{auroc['low']:.2f}, {auroc['high']:.2f}]"
    assert logged.info.run_name == f"phantom-60 · l2 · {result}"


def test_about_a_dozen_figures_that_compare(logged: Run, folder: Path) -> None:
    written = read_json(folder / "metrics.json")
    names = {"auroc", "sensitivity", "specificity", "ppv", "npv", "brier"}
    assert logged.data.metrics.keys() == names | {"threshold"}
    assert logged.data.metrics["threshold"] == 0.5
    for name in names:
        assert logged.data.metrics[name] == pytest.approx(written[name]["value"])
    table = mlflow.artifacts.load_dict(f"{logged.info.artifact_uri}/estimates.json")
    assert [row[0] for row in table["data"]] == list(written)


def test_tags(logged: Run) -> None:
    tags = logged.data.tags
    assert (tags["kind"], tags["arm"], tags["positive"]) == ("clinical", "p2", "covid-19")
    assert tags["domain"] == "simulated"
    assert (tags["data"], tags["split"], len(tags["code"])) == ("7ab1e000", "00000000", 8)


def test_the_description(logged: Run, folder: Path) -> None:
    text = logged.data.tags["mlflow.note.content"]
    lines = text.splitlines()
    assert lines[0].startswith("**Research use only")
    assert "- The patients of this cohort are simulated." in lines
    assert "| Data set | phantom, simulated, 60 patients |" in lines
    auroc = read_json(folder / "metrics.json")["auroc"]
    row = f"| AUROC | {auroc['value']:.3f} | {auroc['low']:.3f} to {auroc['high']:.3f} | 20 |"
    assert row in lines
    number, experiment = logged.info.run_id, logged.info.experiment_id
    assert f"![ROC curve](get-artifact?run_uuid={number}&path=figures/roc.png)" in lines
    report = f"#/experiments/{experiment}/runs/{number}/artifacts/report.html"
    assert f"[Report]({report})" in text and "artifact:" not in text


def test_the_record_fits_mlflows_limit(folder: Path) -> None:
    assert len(TrackingRecord.read(folder).description) < 8000


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        ({"architecture": {"backbone": "tf_efficientnet_lite0"}}, "effnet-lite0"),
        ({"network": {"kind": "unet"}, "patch": [1]}, "unet"),
        ({"network": {"backbone": "resnet18"}}, "resnet18"),
        ({"name": "l2", "kind": "logistic"}, "l2"),
        ({"steepness": 0.1}, "model"),
    ],
)
def test_what_a_model_is_called(recipe: dict[str, object], name: str) -> None:
    assert _model(recipe) == name

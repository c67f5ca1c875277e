"""One small run, from nothing to a report: what it leaves behind, and that the parts agree."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pydicom
import pytest
from sklearn.metrics import roc_auc_score

from covidx.constants import RESEARCH_NOTICE
from covidx.evaluate import evaluate
from covidx.inference import PARITY_TOLERANCE, ImagePredictor
from covidx.ingest import Identities
from covidx.pipelines.image.config import TRAIN_CT
from covidx.tables import MANIFEST, MASKS, PREDICTIONS, SPLITS, read_table
from tests.conftest import Run

CLASSES = ("normal", "other-pneumonia", "covid-19")
REQUIRED = {"value", "low", "high", "n", "method"}


@pytest.fixture(scope="module")
def predictions(trained: Run) -> pd.DataFrame:
    return read_table(trained.folder / "predictions.parquet", PREDICTIONS)


@pytest.fixture(scope="module")
def metrics(trained: Run) -> dict[str, Any]:
    return json.loads((trained.folder / "metrics.json").read_text(), parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def record(trained: Run) -> dict[str, Any]:
    return json.loads((trained.folder / "run.json").read_text())


def test_everything_promised_is_there(trained: Run) -> None:
    names = (
        "metrics.json",
        "confusion.json",
        "predictions.parquet",
        "manifest.parquet",
        "splits.parquet",
        "masks.parquet",
        "clinical.parquet",
        "quarantine.parquet",
        "run.json",
        "report.html",
        "bundle/bundle.json",
        "bundle/weights.safetensors",
        "bundle/parity.safetensors",
        "bundle/MODEL_CARD.md",
        "figures/roc.png",
        "figures/reliability.png",
    )
    assert [name for name in names if not (trained.folder / name).is_file()] == []
    assert (trained.folder.parent / "latest" / "report.html").is_file()
    half_written = [p for p in trained.runs.rglob("*") if ".tmp." in p.name]
    assert half_written == []


def test_no_checkpoint_is_left(trained: Run) -> None:
    assert list(trained.work.rglob("*.ckpt")) == []


def test_every_test_patient_has_a_page_with_heatmaps(
    trained: Run, predictions: pd.DataFrame
) -> None:
    test = predictions[predictions["role"] == "test"]
    pages = sorted((trained.folder / "cases").glob("*/index.html"))
    assert len(pages) == len(test) == 6
    report = (trained.folder / "report.html").read_text()
    for page, patient in zip(pages, sorted(test["patient_id"]), strict=True):
        assert f'href="cases/{page.parent.name}/index.html"' in report
        assert patient in report
        assert len(list(page.parent.glob("slice-*.png"))) == 1  # of the highest score


def test_metrics_have_value_interval_n_and_method(metrics: dict[str, Any]) -> None:
    assert {"auroc", "sensitivity", "specificity", "ppv", "npv", "brier"} <= metrics.keys()
    for name, entry in metrics.items():
        assert entry.keys() >= REQUIRED, name
        if entry["value"] is None:
            assert entry["reason"], name
        elif entry["low"] is not None:
            assert entry["low"] <= entry["value"] <= entry["high"], name
    assert metrics["sensitivity"]["threshold"] == metrics["specificity"]["threshold"]
    assert "validation" in metrics["sensitivity"]["threshold_origin"]


def test_metrics_follow_from_the_predictions(
    trained: Run, predictions: pd.DataFrame, metrics: dict[str, Any]
) -> None:
    bundle = ImagePredictor.load(trained.bundle).bundle
    test = predictions[predictions["role"] == "test"]
    again = evaluate(test, bundle.positive, bundle.threshold.operating_point).to_json()
    assert json.loads(json.dumps(again)) == metrics


def test_metrics_agree_with_a_plain_count(
    trained: Run, predictions: pd.DataFrame, metrics: dict[str, Any]
) -> None:
    test = predictions[predictions["role"] == "test"]
    truth, score = test["label"] == "covid-19", test["prob_covid-19"]
    assert metrics["auroc"]["value"] == pytest.approx(roc_auc_score(truth, score))
    called = score >= metrics["sensitivity"]["threshold"]
    assert metrics["sensitivity"]["value"] == pytest.approx((called & truth).sum() / truth.sum())
    assert metrics["sensitivity"]["n"] == truth.sum()
    assert metrics["specificity"]["value"] == pytest.approx(
        (~called & ~truth).sum() / (~truth).sum()
    )


def test_predictions_are_one_row_a_patient(trained: Run, predictions: pd.DataFrame) -> None:
    assert len(predictions) == 30
    assert predictions["unit_id"].is_unique
    assert set(predictions["level"]) == {"patient"}
    shares = predictions[[f"prob_{name}" for name in CLASSES]].sum(axis=1)
    assert np.allclose(shares, 1, atol=1e-9)
    bundle = json.loads((trained.bundle / "bundle.json").read_text())
    assert set(predictions["bundle_sha256"]) == {bundle["sha256"]}


def test_no_group_stands_in_two_roles(trained: Run, predictions: pd.DataFrame) -> None:
    splits = read_table(trained.folder / "splits.parquet", SPLITS)
    assert splits.groupby("group_id")["role"].nunique().max() == 1
    roles = predictions.set_index("patient_id")["role"]
    assert (splits.set_index("patient_id")["role"] == roles.loc[splits["patient_id"]]).all()
    assert set(roles) == {"train", "validation", "test"}


def test_prediction_from_dicom_equals_evaluation(trained: Run, predictions: pd.DataFrame) -> None:
    """Parity: what evaluation scored from its cache, ``covidx predict`` scores from the files."""
    predictor = ImagePredictor.load(trained.bundle)
    test = predictions[predictions["role"] == "test"].set_index("patient_id")
    studies = {}
    for folder in sorted((trained.phantom / "dicom").iterdir()):
        header = pydicom.dcmread(next(folder.iterdir()), stop_before_pixels=True)
        studies[header.PatientID] = folder
    for patient, row in test.iterrows():
        (found,) = predictor.stream(studies[patient], identities=Identities.public())
        assert found.problem is None
        assert found.outside == ()
        for name, value in found.probabilities.items():
            assert value == pytest.approx(row[f"prob_{name}"], abs=PARITY_TOLERANCE)


def test_true_masks_are_listed(trained: Run) -> None:
    manifest = read_table(trained.folder / "manifest.parquet", MANIFEST)
    masks = read_table(trained.folder / "masks.parquet", MASKS)
    assert set(masks["image_id"]) == set(manifest["image_id"])
    assert set(masks["kind"]) == {"lung", "lesion"}
    assert all((trained.phantom / "masks" / path).is_file() for path in masks["path"])


def test_run_json_says_what_is_needed_to_run_it_again(record: dict[str, Any]) -> None:
    assert record["state"] == "finished"
    assert record["notice"] == RESEARCH_NOTICE
    assert record["config"]["phantom"] == {"patients": 30, "seed": 2020}
    assert record["config"].keys() >= {"seed", "parts", "volume", "slice"}
    for digest in ("card_sha256", "manifest_sha256", "split_sha256"):
        assert len(record["data"][digest]) == 64
    assert len(record["bundle_sha256"]) == 64
    assert record["seconds"].keys() >= {"cohort", "ingest", "prepare", "train", "explain"}
    assert {"torch", "timm", "numpy"} <= record["versions"].keys()


def test_the_report_warns_that_the_cohort_is_simulated(trained: Run) -> None:
    report = (trained.folder / "report.html").read_text()
    assert RESEARCH_NOTICE in report
    assert "patients of this cohort are simulated" in report
    assert "Fewer than 100 test patients" in report
    card = (trained.bundle / "MODEL_CARD.md").read_text()
    assert RESEARCH_NOTICE in card
    assert "simulated" in card


def test_the_shipped_configuration_lies_in_the_package() -> None:
    assert TRAIN_CT.is_file()

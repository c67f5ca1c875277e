from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn import metrics as sk

from covidx.errors import InvalidTableError
from covidx.evaluate import OperatingPoint, auroc_estimate, evaluate, wilson
from covidx.evaluate.decisions import DECISION_METRICS
from covidx.evaluate.proportions import clopper_pearson
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions, three_classes

POINT = OperatingPoint(0.5, "youden", "validation, n = 30 (10 positive)")


def test_values_as_scikit_learn() -> None:
    found = evaluate(predictions(ref.SCORES_A, ref.TRUTH), "covid-19", POINT, resamples=200)
    truth, called = ref.TRUTH, ref.SCORES_A >= 0.5
    expected = {
        "auroc": sk.roc_auc_score(truth, ref.SCORES_A),
        "average_precision": sk.average_precision_score(truth, ref.SCORES_A),
        "sensitivity": sk.recall_score(truth, called),
        "specificity": sk.recall_score(~truth, ~called),
        "ppv": sk.precision_score(truth, called),
        "npv": sk.precision_score(~truth, ~called),
        "accuracy": sk.accuracy_score(truth, called),
        "f1": sk.f1_score(truth, called),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, called),
        "mcc": sk.matthews_corrcoef(truth, called),
        "brier": sk.brier_score_loss(truth, ref.SCORES_A),
        "log_loss": sk.log_loss(truth, np.clip(ref.SCORES_A, 1e-6, 1 - 1e-6)),
    }
    ratios = sk.class_likelihood_ratios(truth, called)
    expected |= {"lr_positive": ratios[0], "lr_negative": ratios[1]}
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value), name
    assert set(found.estimates) - set(expected) == {
        "ece",
        "calibration_intercept",
        "calibration_slope",
    }


def test_methods_and_counts_of_independent_rows() -> None:
    found = evaluate(predictions(ref.SCORES_A, ref.TRUTH), "covid-19", POINT, resamples=200)
    assert found["auroc"] == auroc_estimate(ref.SCORES_A, ref.TRUTH)
    hits = int((ref.SCORES_A[ref.TRUTH] >= 0.5).sum())
    sensitivity = found["sensitivity"]
    assert (sensitivity.low, sensitivity.high) == wilson(hits, 20)
    assert (sensitivity.n, found["specificity"].n, found["accuracy"].n) == (20, 40, 60)
    assert (sensitivity.threshold, sensitivity.threshold_origin) == (0.5, POINT.text)
    assert "prevalence of 0.333" in found["ppv"].method
    # no longer a BCa bootstrap, which covered 0.87 to 0.95 here (docs/evaluation.md)
    assert "jackknife over 60 independent rows, t with 38 degrees" in found["f1"].method
    assert "6 equal-mass bins" in found["ece"].method


def test_clusters_replace_delong_and_wilson() -> None:
    table = predictions(ref.SCORES_A, ref.TRUTH, groups=ref.GROUPS)
    found = evaluate(table, "covid-19", POINT, resamples=200)
    for name in ("auroc", "sensitivity", "specificity", "ppv", "npv", "accuracy", "f1", "brier"):
        assert "cluster jackknife over 15 groups" in found[name].method, name
    assert found.n_groups == 15
    again = evaluate(table, "covid-19", POINT, resamples=200)
    assert again.to_json() == found.to_json()


def test_every_entry_has_the_same_shape() -> None:
    record = evaluate(three_classes(), "covid-19", POINT, resamples=100).to_json()
    json.dumps(record, allow_nan=False)
    needed = {"value", "low", "high", "n", "method"}
    for name, entry in record.items():
        assert needed <= set(entry) <= needed | {"threshold", "threshold_origin", "reason"}, name
        if name == "ece":  # chance alone moves it up: no interval holds a calibrated system's 0
            assert entry["low"] is None and entry["reason"]
            continue
        assert entry["low"] <= entry["value"] <= entry["high"], name
    with_threshold = {name for name, entry in record.items() if "threshold" in entry}
    assert with_threshold == set(DECISION_METRICS)


@pytest.mark.parametrize("per_group", [1, 3])
def test_each_class_against_the_rest_and_their_means(per_group: int) -> None:
    table = three_classes(per_group=per_group)
    found = evaluate(table, "covid-19", POINT, resamples=100)
    classes = list(found.classes)
    shares = table[[f"prob_{c}" for c in classes]].to_numpy()
    guess = np.array(classes)[shares.argmax(axis=1)]
    for name in ("other-pneumonia", "normal"):
        truth, called = table["label"] == name, guess == name
        assert found[f"sensitivity_{name}"].value == pytest.approx(sk.recall_score(truth, called))
        assert found[f"ppv_{name}"].value == pytest.approx(sk.precision_score(truth, called))
        assert found[f"mcc_{name}"].value == pytest.approx(sk.matthews_corrcoef(truth, called))
        assert "most probable of 3 classes" in found[f"f1_{name}"].method
    macro = {"average": "macro", "labels": classes}
    target = np.eye(3)[[classes.index(label) for label in table["label"]]]
    expected = {
        "sensitivity_macro": sk.recall_score(table["label"], guess, **macro),
        "ppv_macro": sk.precision_score(table["label"], guess, **macro),
        "f1_macro": sk.f1_score(table["label"], guess, **macro),
        "average_precision_macro": sk.average_precision_score(target, shares, average="macro"),
        "brier_multiclass": ((shares - target) ** 2).sum(axis=1).mean(),
        "log_loss_multiclass": sk.log_loss(target, shares),
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value), name
        assert found[name].low < value < found[name].high, name


def test_without_a_threshold_decisions_are_undefined_and_ranks_are_not() -> None:
    found = evaluate(predictions(ref.SCORES_A, ref.TRUTH), "covid-19", None, resamples=50)
    for name in DECISION_METRICS:
        assert math.isnan(found[name].value)
        assert "no threshold" in str(found[name].reason)
    assert found["auroc"].value == pytest.approx(ref.PROC_A[0])
    assert (found.n, found.prevalence) == (60, pytest.approx(1 / 3))
    assert "at_threshold" not in found.confusion_json()


def test_exact_intervals_on_request() -> None:
    table = predictions(ref.SCORES_A, ref.TRUTH)
    found = evaluate(table, "covid-19", POINT, resamples=50, exact=True)["sensitivity"]
    hits = int((ref.SCORES_A[ref.TRUTH] >= 0.5).sum())
    assert (found.low, found.high) == clopper_pearson(hits, 20)
    assert "Clopper-Pearson" in found.method


@pytest.mark.parametrize("per_group", [1, 3])
def test_three_classes(per_group: int) -> None:
    table = three_classes(per_group=per_group)
    found = evaluate(table, "covid-19", POINT, resamples=100)
    areas = []
    for name in ("covid-19", "other-pneumonia", "normal"):
        areas.append(sk.roc_auc_score(table["label"] == name, table[f"prob_{name}"]))
        assert found[f"auroc_{name}"].value == pytest.approx(areas[-1])
    assert found["auroc"].value == found["auroc_covid-19"].value
    assert found["auroc_macro"].value == pytest.approx(np.mean(areas))
    assert found["auroc_macro"].low < np.mean(areas) < found["auroc_macro"].high
    classes = list(found.classes)
    guess = [classes[i] for i in table[[f"prob_{c}" for c in classes]].to_numpy().argmax(axis=1)]
    expected = sk.confusion_matrix(table["label"], guess, labels=classes)
    assert np.array_equal(found.confusion, expected)
    assert found["accuracy_argmax"].value == pytest.approx(np.trace(expected) / 90)


def test_confusion_json() -> None:
    truth = np.array([1, 1, 1, 0, 0], dtype=bool)
    table = predictions(np.array([0.9, 0.5, 0.4, 0.6, 0.1]), truth)
    counts = evaluate(table, "covid-19", POINT, resamples=50).confusion_json()
    assert counts["at_threshold"] == {"tp": 2, "fp": 1, "fn": 1, "tn": 1}
    assert counts["classes"] == ["covid-19", "rest"]
    assert counts["argmax"] == [[2, 1], [1, 1]]  # 0.5 is level: the first class wins
    assert (counts["prevalence"], counts["n"], counts["groups"]) == (0.6, 5, 5)
    json.dumps(counts)


@pytest.mark.parametrize("groups", [None, np.arange(6) // 2])
@pytest.mark.parametrize(
    ("positives", "absent"),
    [
        (6, ["auroc", "average_precision", "specificity", "balanced_accuracy"]),
        (0, ["auroc", "average_precision", "sensitivity", "balanced_accuracy"]),
    ],
)
def test_one_class_is_undefined_with_a_reason(
    positives: int, absent: list[str], groups: np.ndarray | None
) -> None:
    table = predictions(np.linspace(0.1, 0.9, 6), np.arange(6) < positives, groups=groups)
    found = evaluate(table, "covid-19", POINT, resamples=50)
    for name in absent:
        assert math.isnan(found[name].value), name
        assert found[name].to_json()["reason"]
    assert not math.isnan(found["accuracy"].value)
    assert not math.isnan(found["brier"].value)


def test_perfect_scores_still_have_intervals() -> None:
    truth = np.arange(12) < 6
    table = predictions(np.where(truth, 0.9, 0.1), truth, groups=np.arange(12) // 2)
    found = evaluate(table, "covid-19", POINT, resamples=50)
    for name in ("auroc", "sensitivity", "specificity", "accuracy", "f1", "average_precision"):
        assert found[name].value == 1.0, name
        assert found[name].low < 0.75, name
        assert "conservative" in found[name].method, name


def test_nobody_called_positive_has_no_ppv() -> None:
    table = predictions(np.array([0.1, 0.2, 0.3]), np.array([True, False, False]))
    found = evaluate(table, "covid-19", POINT, resamples=50)
    assert found["ppv"].reason == "no row is called positive"
    assert found["sensitivity"].value == 0.0


@pytest.mark.parametrize("role", ["train", "validation"])
def test_only_test_rows_are_reported(role: str) -> None:
    with pytest.raises(InvalidTableError) as caught:
        evaluate(predictions(ref.SCORES_A, ref.TRUTH, role=role), "covid-19", POINT)
    assert caught.value.code == "ROLE_NOT_TEST"

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from covidx.errors import InvalidTableError
from covidx.evaluate import (
    OperatingPoint,
    evaluate_folds,
    mean_of_folds_auroc,
    paired_difference,
)
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions

FOLDS = ref.GROUPS % 3
POINTS = {
    fold: OperatingPoint(0.4 + fold / 20, "youden", "validation, n = 20 (7 positive)")
    for fold in range(3)
}


def test_mean_of_folds_is_the_mean() -> None:
    found = mean_of_folds_auroc(ref.SCORES_A, ref.TRUTH, ref.GROUPS, FOLDS, resamples=300)
    areas = [roc_auc_score(ref.TRUTH[f == FOLDS], ref.SCORES_A[f == FOLDS]) for f in range(3)]
    assert found.value == pytest.approx(np.mean(areas))
    assert found.low < found.value < found.high
    assert "15 groups" in found.method
    assert "mean of 3 folds" in found.method
    assert found.n == 60


def test_a_fold_of_one_class_is_undefined() -> None:
    folds = np.where(np.arange(60) % 3 == 0, 0, 1)  # fold 0 is all positive
    found = mean_of_folds_auroc(ref.SCORES_A, ref.TRUTH, np.arange(60), folds, resamples=50)
    assert math.isnan(found.value)
    assert found.reason == "a fold holds one class only"


def test_folds_at_their_own_thresholds() -> None:
    table = predictions(ref.SCORES_A, ref.TRUTH, groups=ref.GROUPS, folds=FOLDS)
    found = evaluate_folds(table, "covid-19", POINTS, resamples=200)
    accuracy, f1 = [], []
    for fold, point in POINTS.items():
        truth, scores = ref.TRUTH[fold == FOLDS], ref.SCORES_A[fold == FOLDS]
        accuracy.append(accuracy_score(truth, scores >= point.threshold))
        f1.append(f1_score(truth, scores >= point.threshold))
    assert found["accuracy"].value == pytest.approx(np.mean(accuracy))
    assert found["f1"].value == pytest.approx(np.mean(f1))
    assert found["auroc_pooled"].value == pytest.approx(ref.PROC_A[0])
    assert found["sensitivity"].n == 20
    expected = mean_of_folds_auroc(ref.SCORES_A, ref.TRUTH, ref.GROUPS, FOLDS, resamples=200)
    assert found["auroc"].value == pytest.approx(expected.value)


def test_a_fold_without_threshold_is_refused() -> None:
    table = predictions(ref.SCORES_A, ref.TRUTH, groups=ref.GROUPS, folds=FOLDS)
    with pytest.raises(InvalidTableError, match="2") as caught:
        evaluate_folds(table, "covid-19", {0: POINTS[0], 1: POINTS[1]})
    assert caught.value.code == "FOLD_WITHOUT_THRESHOLD"


def test_accuracy_of_three_classes_is_a_mean_of_folds() -> None:
    table = ref.three_classes().assign(fold=np.arange(90) % 2)
    found = evaluate_folds(table, "covid-19", POINTS, resamples=200)["accuracy_argmax"]
    names = [name for name in table.columns if name.startswith("prob_")]
    right = table[names].idxmax(axis=1).str.removeprefix("prob_") == table["label"]
    assert found.value == pytest.approx(right.groupby(table["fold"]).mean().mean())
    assert found.low < found.value < found.high and found.n == 90


def test_difference_as_paired_delong() -> None:
    """Rows independent: the bootstrap's width is near that of pROC's paired DeLong test."""
    found = paired_difference(ref.SCORES_A, ref.SCORES_B, ref.TRUTH, np.arange(60))
    assert found.value == pytest.approx(ref.PROC_A[0] - ref.PROC_B[0])
    error = math.sqrt(ref.PROC_A[1] + ref.PROC_B[1] - 2 * ref.PROC_COVARIANCE)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(error, rel=0.12)


def test_difference_of_fold_means() -> None:
    found = paired_difference(
        ref.SCORES_A, ref.SCORES_B, ref.TRUTH, ref.GROUPS, folds=FOLDS, resamples=100
    )
    one, two = (
        mean_of_folds_auroc(scores, ref.TRUTH, ref.GROUPS, FOLDS, resamples=10).value
        for scores in (ref.SCORES_A, ref.SCORES_B)
    )
    assert found.value == pytest.approx(one - two)


def test_a_score_against_itself_has_no_spread() -> None:
    found = paired_difference(ref.SCORES_A, ref.SCORES_A, ref.TRUTH, ref.GROUPS, resamples=50)
    assert found.value == 0.0
    assert found.reason is not None


def test_unequal_rows_are_refused() -> None:
    with pytest.raises(InvalidTableError) as caught:
        paired_difference(ref.SCORES_A, ref.SCORES_B[:-1], ref.TRUTH, ref.GROUPS)
    assert caught.value.code == "UNEQUAL_ROWS"


def test_folds_are_reported_on_test_rows_only() -> None:
    table = predictions(ref.SCORES_A, ref.TRUTH, groups=ref.GROUPS, folds=FOLDS, role="validation")
    with pytest.raises(InvalidTableError) as caught:
        evaluate_folds(table, "covid-19", POINTS)
    assert caught.value.code == "ROLE_NOT_TEST"

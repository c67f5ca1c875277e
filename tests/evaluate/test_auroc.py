from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from covidx.evaluate import auroc_estimate, delong, wilson
from tests.evaluate import reference as ref


def test_as_proc() -> None:
    values, covariance = delong(np.stack([ref.SCORES_A, ref.SCORES_B]), ref.TRUTH)
    assert values == pytest.approx([ref.PROC_A[0], ref.PROC_B[0]], abs=1e-12)
    assert np.diag(covariance) == pytest.approx([ref.PROC_A[1], ref.PROC_B[1]], abs=1e-12)
    assert covariance[0, 1] == pytest.approx(ref.PROC_COVARIANCE, abs=1e-12)


def test_as_hanley_and_mcneil() -> None:
    ratings = np.repeat(np.tile(np.arange(5.0), 2), ref.HANLEY_NORMAL + ref.HANLEY_ABNORMAL)
    values, covariance = delong(ratings[None], np.arange(109) >= 58)
    assert values[0] == pytest.approx(ref.HANLEY_AREA, abs=5e-4)
    assert (values[0], math.sqrt(covariance[0, 0])) == pytest.approx(ref.HANLEY_DELONG, abs=1e-9)


def test_by_hand() -> None:
    # Positives 0.8, 0.4; negatives 0.6, 0.4, 0.1. Pairs won: 3 of 3, and 1 + 1/2 of 3.
    # V10 = 1, 1/2: variance 1/8. V01 = 1/2, 3/4, 1: variance 1/16. Sum 1/8/2 + 1/16/3 = 1/12.
    scores, truth = np.array([[0.8, 0.4, 0.6, 0.4, 0.1]]), np.array([1, 1, 0, 0, 0], dtype=bool)
    values, covariance = delong(scores, truth)
    assert values[0] == pytest.approx(4.5 / 6)
    assert covariance[0, 0] == pytest.approx(1 / 12)


@pytest.mark.parametrize("seed", range(5))
def test_as_scikit_learn_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, scores = rng.random(200) < 0.3, rng.integers(0, 15, 200) / 15
    assert delong(scores[None], truth)[0][0] == pytest.approx(roc_auc_score(truth, scores))


def test_interval_on_the_logit_scale() -> None:
    value, variance = ref.PROC_A
    half = 1.959963984540054 * math.sqrt(variance) / (value * (1 - value))
    odds = math.log(value / (1 - value))
    expected = [1 / (1 + math.exp(-(odds + side * half))) for side in (-1, 1)]
    estimate = auroc_estimate(ref.SCORES_A, ref.TRUTH)
    assert [estimate.low, estimate.high] == pytest.approx(expected)
    assert "DeLong" in estimate.method


def test_one_class_is_undefined() -> None:
    estimate = auroc_estimate(np.array([0.1, 0.9]), np.array([True, True]))
    assert math.isnan(estimate.value)
    assert estimate.reason == "the rows hold one class only"


@pytest.mark.parametrize(
    ("scores", "value"), [([0.9, 0.8, 0.2, 0.1, 0.3], 1.0), ([0.1, 0.2, 0.8, 0.9, 0.7], 0.0)]
)
def test_perfect_separation_still_has_an_interval(scores: list[float], value: float) -> None:
    estimate = auroc_estimate(np.array(scores), np.array([1, 1, 0, 0, 0], dtype=bool))
    assert estimate.value == value
    assert (estimate.low, estimate.high) == wilson(2 * value, 2)
    assert "n = 2" in estimate.method


def test_a_single_positive_has_a_wide_interval() -> None:
    estimate = auroc_estimate(np.array([0.5, 0.4, 0.6]), np.array([True, False, False]))
    assert estimate.value == 0.5
    assert estimate.high - estimate.low > 0.8


def test_few_rows_have_newcombes_interval() -> None:
    """Its bounds lie z standard errors away, by Hanley and McNeil's Q1 and Q2 at the bound."""
    rng = np.random.default_rng(0)
    truth = np.arange(60) < 5
    one = auroc_estimate(rng.normal(size=60) + 1.5 * truth, truth)
    assert "Newcombe" in one.method
    for a in (one.low, one.high):
        q1, q2, more = a / (2 - a), 2 * a**2 / (1 + a), 60 / 2 - 1
        variance = (a * (1 - a) + more * (q1 - a**2) + more * (q2 - a**2)) / (5 * 55)
        assert abs(one.value - a) == pytest.approx(1.959963984540054 * math.sqrt(variance))


def test_five_positives_are_covered() -> None:
    """DeLong's interval on the logit scale covers 0.86 here."""
    rng, truth = np.random.default_rng(1), np.arange(100) < 5
    area, held = stats.norm.cdf(1.5 / math.sqrt(2)), 0
    for _ in range(400):
        one = auroc_estimate(rng.normal(size=100) + 1.5 * truth, truth)
        held += one.low <= area <= one.high
    assert held >= 366

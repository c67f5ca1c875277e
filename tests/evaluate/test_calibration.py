from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from covidx.evaluate import Clusters, reliability, wilson
from covidx.evaluate.calibration import (
    bin_count,
    calibration_error,
    calibration_line,
    calibration_test,
    ece_statistic,
    equal_mass_bins,
    logistic_line,
)
from tests.evaluate import reference as ref


def test_bins_hold_about_as_many_rows_each() -> None:
    codes = equal_mass_bins(np.random.default_rng(0).random(1000), 10)
    assert np.bincount(codes).tolist() == pytest.approx([100] * 10, abs=1)


def test_equal_scores_share_a_bin() -> None:
    assert equal_mass_bins(np.array([0.2] * 9 + [0.7]), 5).tolist() == [0] * 9 + [1]
    assert equal_mass_bins(np.full(6, 0.3), 3).tolist() == [0] * 6


@pytest.mark.parametrize(("n", "bins"), [(5, 2), (40, 4), (1000, 10)])
def test_bin_count(n: int, bins: int) -> None:
    assert bin_count(n) == bins


def test_ece_by_hand() -> None:
    # Two bins of two: |0.15 - 0.5| and |0.85 - 1.0|, each with half of the rows.
    scores, truth = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 1, 1, 1], dtype=bool)
    clusters = Clusters.of(range(4))
    statistic = ece_statistic(scores, truth, clusters, 2)
    assert statistic(np.ones((4, 1)))[0] == pytest.approx((0.35 + 0.15) / 2)
    # The first row drawn twice, the last not: |0.4 - 1|/4 and |0.8 - 1|/4.
    assert statistic(np.array([[2.0], [1], [1], [0]]))[0] == pytest.approx((0.6 + 0.2) / 4)


def test_reliability_has_wilson_intervals() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.8, 0.9, 1.0])
    truth = np.array([0, 0, 1, 1, 1, 1], dtype=bool)
    low, high = reliability(scores, truth, Clusters.of(range(6)))
    assert (low.n, low.mean_score) == (3, pytest.approx(0.2))
    assert (low.observed.low, low.observed.high) == wilson(1, 3)
    assert high.observed.value == 1.0


def test_reliability_of_clusters_takes_groups_into_account() -> None:
    bins = reliability(ref.SCORES_A, ref.TRUTH, Clusters.of(ref.GROUPS), resamples=200)
    assert sum(b.n for b in bins) == 60
    assert all("groups" in b.observed.method for b in bins)


def test_line_as_statsmodels() -> None:
    """The errors were statsmodels' sandwich (CR1), which covers 0.91 with 40 groups; now a
    jackknife (CR3), wider by up to a fifth with 15 groups, and t with 14 degrees (2.1448)."""
    intercept, slope = calibration_line(ref.SCORES_A, ref.TRUTH, Clusters.of(ref.GROUPS))
    for found, (value, error) in (
        (intercept, ref.STATSMODELS_INTERCEPT),
        (slope, ref.STATSMODELS_SLOPE),
    ):
        assert found.value == pytest.approx(value, abs=1e-7)
        assert error < (found.high - found.low) / 2 / 2.1448 < 1.2 * error


def test_the_slopes_error_is_near_that_of_refitting_without_each_group() -> None:
    _, slope = calibration_line(ref.SCORES_A, ref.TRUTH, Clusters.of(ref.GROUPS))
    lines = [
        logistic_line(ref.SCORES_A[g != ref.GROUPS], ref.TRUTH[g != ref.GROUPS]) for g in range(15)
    ]
    slopes = np.array([line[0] for line in lines if line is not None])
    error = math.sqrt(14 / 15 * ((slopes - slopes.mean()) ** 2).sum())
    assert (slope.high - slope.low) / 2 / 2.1448 == pytest.approx(error, rel=0.05)


@pytest.mark.parametrize(
    ("low", "high", "share"), [(0.985, 0.995, 0.05), (0.88, 0.92, 0.05), (0.005, 0.015, 0.5)]
)
def test_scores_far_off_have_an_intercept(low: float, high: float, share: float) -> None:
    """Plain Newton steps diverge there; the sum of expit(a + logit) and of the truth must agree."""
    rng = np.random.default_rng(0)
    scores, truth = rng.uniform(low, high, 200), np.arange(200) < 200 * share
    intercept, slope = calibration_line(scores, truth, Clusters.of(range(200)))
    odds = np.exp(intercept.value) * scores / (1 - scores)
    assert (odds / (1 + odds)).sum() == pytest.approx(truth.sum())
    assert intercept.low < intercept.value < intercept.high
    assert not math.isnan(slope.value)


def test_a_slope_of_extreme_scores_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    scores = np.where(rng.random(300) < 0.5, 1e-6, 0.999)
    truth = rng.random(300) < np.where(scores < 0.5, 0.2, 0.7)
    x = np.log(scores / (1 - scores))[:, None]
    expected = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(x, truth)
    found = logistic_line(scores, truth)
    assert found is not None
    assert found[0] == pytest.approx(expected.coef_[0, 0], rel=1e-4)


def test_the_calibration_error_has_no_interval_and_says_what_chance_gives() -> None:
    rng = np.random.default_rng(4)
    scores = rng.random(200)
    one = calibration_error(scores, rng.random(200) < scores, Clusters.of(range(200)))
    assert math.isnan(one.low) and one.reason is not None
    # Ten bins of 20: the sum of root(2/pi * 20 p(1-p)) over the bins, by 200; by hand 0.07.
    assert "has about 0.07 by chance" in one.method
    assert "score test of calibration" in one.method


def test_one_score_for_all_tests_the_share_of_positives() -> None:
    """By hand: (15 - 10)^2 / (20 * 0.5 * 0.5) = 5, chi-squared with 1 degree of freedom."""
    test = calibration_test(np.full(20, 0.5), np.arange(20) < 15, Clusters.of(range(20)))
    assert test.p == pytest.approx(stats.chi2.sf(5, 1))


@pytest.mark.parametrize("per_group", [1, 4])
def test_calibrated_systems_are_blamed_once_in_twenty(per_group: int) -> None:
    rng, blamed = np.random.default_rng(7), 0
    clusters = Clusters.of(np.repeat(np.arange(30), per_group))
    for _ in range(400):
        scores = rng.random(30 * per_group)
        blamed += calibration_test(scores, rng.random(30 * per_group) < scores, clusters).p < 0.05
    assert 8 <= blamed <= 36  # 20, and the binomial's 99.9 % range


def test_miscalibration_is_found_in_clusters_too() -> None:
    rng = np.random.default_rng(3)
    scores, clusters = rng.random(300), Clusters.of(np.arange(300) // 3)
    assert calibration_test(scores, rng.random(300) < scores**2, clusters).p < 0.001


@pytest.mark.parametrize("truth", [np.arange(20) > 9, np.ones(20, dtype=bool)])
def test_separation_has_no_slope(truth: np.ndarray) -> None:
    _, slope = calibration_line(np.linspace(0.05, 0.95, 20), truth, Clusters.of(range(20)))
    assert math.isnan(slope.value)
    assert slope.reason is not None


def test_calibrated_scores_lie_on_the_line() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random(4000)
    intercept, slope = calibration_line(scores, rng.random(4000) < scores, Clusters.of(range(4000)))
    # Standard errors are about 0.04 and 0.03.
    assert intercept.value == pytest.approx(0, abs=0.15)
    assert slope.value == pytest.approx(1, abs=0.15)
    assert intercept.high - intercept.low < 0.2


def test_a_single_group_has_no_line() -> None:
    intercept, _ = calibration_line(ref.SCORES_A, ref.TRUTH, Clusters.of(np.zeros(60)))
    assert math.isnan(intercept.value)

from __future__ import annotations

import math

import numpy as np
import pytest

from covidx.evaluate import Clusters, reliability, wilson
from covidx.evaluate.calibration import (
    bin_count,
    calibration_line,
    ece_statistic,
    equal_mass_bins,
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


def test_reliability_of_clusters_is_bootstrapped() -> None:
    bins = reliability(ref.SCORES_A, ref.TRUTH, Clusters.of(ref.GROUPS), resamples=200)
    assert sum(b.n for b in bins) == 60
    assert all("groups" in b.observed.method for b in bins)


def test_line_as_statsmodels() -> None:
    intercept, slope = calibration_line(ref.SCORES_A, ref.TRUTH, Clusters.of(ref.GROUPS))
    for found, (value, error) in (
        (intercept, ref.STATSMODELS_INTERCEPT),
        (slope, ref.STATSMODELS_SLOPE),
    ):
        assert found.value == pytest.approx(value, abs=1e-7)
        assert (found.high - found.low) / 2 / 1.959963984540054 == pytest.approx(error, abs=1e-7)


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

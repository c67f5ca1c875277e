"""Standard errors and intervals without a bootstrap, against formulas and simulated studies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from covidx.evaluate import Clusters
from covidx.evaluate.intervals import interval
from covidx.evaluate.jackknife import LeftOut, degrees, jackknife, jackknife_estimate
from covidx.evaluate.weighted import ratio_statistic
from tests.evaluate import reference as ref


def test_the_error_of_a_mean_is_its_standard_error() -> None:
    clusters = Clusters.of(range(60))
    found = jackknife({"x": ratio_statistic(ref.SCORES_A, np.ones(60), clusters)}, clusters)["x"]
    assert (found.value, found.error) == pytest.approx(
        (ref.SCORES_A.mean(), stats.sem(ref.SCORES_A))
    )
    one = jackknife_estimate(found, clusters, 60, bound_n=0, empty="-")
    low, high = stats.t.interval(0.95, 59, ref.SCORES_A.mean(), stats.sem(ref.SCORES_A))
    assert (one.low, one.high) == pytest.approx((low, high))


def test_copies_of_a_row_add_nothing() -> None:
    errors = []
    for copies in (1, 5):
        scores, clusters = (
            np.repeat(ref.SCORES_A, copies),
            Clusters.of(np.arange(60 * copies) // copies),
        )
        statistic = ratio_statistic(scores, np.ones(len(scores)), clusters)
        errors.append(jackknife({"x": statistic}, clusters)["x"].error)
    assert errors[0] == pytest.approx(errors[1])


def test_more_groups_than_parts_are_divided_by_the_seed() -> None:
    clusters = Clusters.of(range(60))
    statistic = {"x": ratio_statistic(ref.SCORES_A, np.ones(60), clusters)}
    one, again, other = (
        jackknife(statistic, clusters, seed=seed, parts=20)["x"] for seed in (1, 1, 2)
    )
    assert one == again and one.error != other.error
    assert one.parts == 20
    assert one.error == pytest.approx(stats.sem(ref.SCORES_A), rel=0.4)


def test_a_share_has_wilsons_form_with_an_effective_n_and_t() -> None:
    """30 of 40 rows, by hand: the variance is p(1-p)/39, so that they are worth 39."""
    error = math.sqrt(0.75 * 0.25 / 39)
    t = stats.t.ppf(0.975, 39)
    low, high = interval(0.75, error, 39, "share")
    for bound in (low, high):  # Wilson's bounds p solve |p_hat - p| = t * root of p(1-p)/n
        assert abs(0.75 - bound) == pytest.approx(t * math.sqrt(bound * (1 - bound) / 39))


def test_ratios_and_correlations_are_symmetric_on_their_scale() -> None:
    low, high = interval(4.0, 1.0, 20, "ratio")
    assert low * high == pytest.approx(16)
    low, high = interval(0.6, 0.1, 20, "correlation")
    assert math.atanh(low) + math.atanh(high) == pytest.approx(2 * math.atanh(0.6))
    assert all(math.isnan(bound) for bound in interval(1.0, 0.1, 20, "correlation"))


def test_degrees_of_freedom_are_those_of_the_rarer_class_where_it_is_rare() -> None:
    clusters = Clusters.of(range(1000))
    assert degrees(clusters, np.arange(1000) < 5) == pytest.approx(4, abs=0.1)
    assert degrees(clusters, np.arange(1000) < 500) == pytest.approx(998)
    assert degrees(clusters, np.arange(1000) < 1) == 0


@pytest.mark.parametrize("error", [0.0, math.nan])
def test_without_spread_there_is_wilsons_interval_or_none(error: float) -> None:
    clusters, found = Clusters.of([0, 0, 1, 1, 2, 2]), LeftOut(1.0, error, 3)
    one = jackknife_estimate(found, clusters, 6, bound_n=3, empty="-")
    assert one.low == pytest.approx(3 / (3 + 1.959963984540054**2)) and "conservative" in one.method
    none = jackknife_estimate(found, clusters, 6, bound_n=0, empty="-")
    assert math.isnan(none.low) and none.reason


def test_twelve_groups_are_covered() -> None:
    """Mean of 12 groups of one to nine rows: percentiles of a bootstrap cover about 0.88."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        group = np.repeat(np.arange(12), rng.integers(1, 10, 12))
        values = rng.normal(size=12)[group] + rng.normal(size=len(group))
        clusters = Clusters.of(group)
        statistic = {"x": ratio_statistic(values, np.ones(len(group)), clusters)}
        one = jackknife_estimate(
            jackknife(statistic, clusters)["x"], clusters, len(group), bound_n=0, empty="-"
        )
        held += one.low <= 0 <= one.high
    assert held >= 364  # 0.91; the binomial's 0.1 % quantile at 0.95 is 0.915

from __future__ import annotations

import math

import pytest

from covidx.evaluate import wilson, wilson_estimate
from covidx.evaluate.proportions import clopper_pearson, newcombe_paired
from tests.evaluate.reference import NEWCOMBE_WILSON, R_CLOPPER_PEARSON, STATSMODELS_WILSON


@pytest.mark.parametrize(("k", "n", "low", "high"), STATSMODELS_WILSON)
def test_as_statsmodels(k: int, n: int, low: float, high: float) -> None:
    assert wilson(k, n) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(("k", "n", "low", "high"), NEWCOMBE_WILSON)
def test_as_published(k: int, n: int, low: float, high: float) -> None:
    assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)


def test_bounds_are_exact_at_the_ends() -> None:
    assert wilson(0, 7)[0] == 0.0
    assert wilson(7, 7)[1] == 1.0


@pytest.mark.parametrize(("k", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_refuses_impossible_counts(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="Wilson"):
        wilson(k, n)


def test_an_empty_denominator_is_undefined_not_zero() -> None:
    estimate = wilson_estimate(0, 0, "no positive rows")
    assert math.isnan(estimate.value)
    assert estimate.reason == "no positive rows"


@pytest.mark.parametrize(("k", "n", "low", "high"), R_CLOPPER_PEARSON)
def test_exact_as_r(k: int, n: int, low: float, high: float) -> None:
    assert clopper_pearson(k, n) == pytest.approx((low, high), abs=1e-10)
    estimate = wilson_estimate(k, n, "none", exact=True)
    assert (estimate.low, estimate.high) == clopper_pearson(k, n)
    assert "exact" in estimate.method


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [((36, 12, 2, 0), 0.0569, 0.3404), ((54, 0, 0, 0), -0.0664, 0.0664)],
)
def test_paired_differences_as_newcombe(
    cells: tuple[int, int, int, int], low: float, high: float
) -> None:
    """Newcombe, Stat Med 1998;17:2635-2650, table II, method 10."""
    assert newcombe_paired(cells) == pytest.approx((low, high), abs=6e-5)


def test_three_discordant_pairs_of_24_do_not_exclude_0() -> None:
    """The exact McNemar p is 0.25; a BCa bootstrap of the pairs gave 0.04 to 0.30."""
    low, high = newcombe_paired((18, 3, 0, 3))
    assert low < 0 < 3 / 24 < high < 0.31
    flipped = newcombe_paired((18, 0, 3, 3))
    assert flipped == pytest.approx((-high, -low))


def test_rows_worth_less_widen_a_paired_difference() -> None:
    low, high = newcombe_paired((18, 3, 0, 3), rows=8)
    assert low < newcombe_paired((18, 3, 0, 3))[0] and high > newcombe_paired((18, 3, 0, 3))[1]

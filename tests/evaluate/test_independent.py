from __future__ import annotations

import math

import numpy as np
import pytest

from covidx.evaluate import Estimate, wilson, wilson_estimate
from covidx.evaluate.clusters import Clusters
from covidx.evaluate.folds import fold_means
from covidx.evaluate.independent import combined

# Newcombe, Stat Med 1998;17:873-890, table II, method 10: k of n, k of n, the interval.
NEWCOMBE = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
]


@pytest.mark.parametrize(("k1", "n1", "k2", "n2", "low", "high"), NEWCOMBE)
def test_differences_of_proportions_as_newcombe(
    k1: int, n1: int, k2: int, n2: int, low: float, high: float
) -> None:
    one = combined([wilson_estimate(k1, n1, "-"), wilson_estimate(k2, n2, "-")], (1, -1), "x")
    assert (one.low, one.high) == pytest.approx((low, high), abs=6e-5)
    assert one.n == n1 + n2


def test_a_mean_of_folds_is_as_wide_as_its_parts_allow() -> None:
    parts = [Estimate(value, value - 0.1, value + 0.2, 20, "m") for value in (0.5, 0.6, 0.7, 0.8)]
    folds = np.arange(80) // 20
    (mean,) = fold_means([{"x": p} for p in parts], Clusters.of(range(80)), folds).values()
    assert isinstance(mean, Estimate)
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.65, 0.6, 0.75))  # by root 4
    assert "mean of 4 folds" in mean.method and mean.n == 80


def test_what_a_part_lacks_the_whole_lacks() -> None:
    known = wilson_estimate(3, 9, "-")
    empty = wilson_estimate(0, 0, "no such rows")
    bare = Estimate(0.5, math.nan, math.nan, 4, "m", reason="why")
    assert combined([known, empty], (1, -1), "x").reason == "no such rows"
    one = combined([known, bare], (1, -1), "x")
    assert one.value == pytest.approx(3 / 9 - 0.5) and one.reason == "why"


def test_tiny_folds_leave_no_interval() -> None:
    part = {"x": Estimate(0.5, *wilson(2, 4), 4, "m")}
    mean = fold_means([part, part], Clusters.of(range(8)), np.arange(8) // 4)["x"]
    assert isinstance(mean, Estimate)
    assert mean.value == 0.5 and np.isnan(mean.low) and "fewer than 8" in str(mean.reason)

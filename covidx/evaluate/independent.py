"""Sums and differences of estimates on different patients, from their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from covidx.evaluate.estimate import FEW, Estimate, undefined

__all__ = ["combined", "fold_means"]

FEWEST_IN_FOLD = FEW // 5
"""Groups of a fold below which the mean of folds has no interval: with 6 that of a sensitivity
covers 0.885."""


def combined(estimates: Sequence[Estimate], weights: Sequence[float], method: str) -> Estimate:
    """A weighted sum of estimates on patients that are independent of each other.

    Each bound is as far from the sum as the root of the summed squares of the distances from value
    to bound that pull that way: the method of variance estimates recovery (Zou and Donner, Stat
    Med 2008;27:1693-1702), which is Newcombe's method 10 for two proportions (Stat Med
    1998;17:873-890).

    Parameters
    ----------
    estimates : sequence of Estimate
        At least one.
    weights : sequence of float
        One an estimate: 1 and -1 for a difference.
    method : str
        How the sum came about; the first estimate's own method is added.

    Returns
    -------
    Estimate
        n is the sum of all n; NaN with a reason where a part is NaN.

    Examples
    --------
    >>> parts = [Estimate(k / n, *wilson(k, n), n, "Wilson") for k, n in ((56, 70), (48, 80))]
    >>> print(combined(parts, (1, -1), "difference"))  # Newcombe's table II, example (a)
    0.20 (0.05 to 0.33)
    """
    n, method = sum(one.n for one in estimates), f"{method}; each: {estimates[0].method}"
    lacking = next((one for one in estimates if math.isnan(one.value)), None)
    if lacking is not None:
        return undefined(n, method, str(lacking.reason))
    value = sum(w * one.value for w, one in zip(weights, estimates, strict=True))
    lacking = next((one for one in estimates if math.isnan(one.low)), None)
    if lacking is not None:
        return Estimate(value, math.nan, math.nan, n, method, reason=lacking.reason)
    reach = []
    for down in (True, False):
        apart = [
            w * (one.value - (one.low if (w > 0) == down else one.high))
            for w, one in zip(weights, estimates, strict=True)
        ]
        reach.append(math.hypot(*apart))
    return Estimate(value, value - reach[0], value + reach[1], n, method)


def fold_means(parts: Sequence[Mapping[str, Estimate]], fewest: int) -> dict[str, Estimate]:
    """Means over folds of every metric that all folds have; each patient is in one fold.

    Parameters
    ----------
    parts : sequence of mapping
        Metric's name -> estimate, one mapping a fold.
    fewest : int
        Independent groups in the smallest fold; too few leave no interval.
    """
    k, method = len(parts), f"mean of {len(parts)} folds"
    means = {
        name: combined([part[name] for part in parts], [1 / k] * k, method)
        for name in parts[0]
        if all(name in part for part in parts)
    }
    if fewest >= FEWEST_IN_FOLD:
        return means
    why = f"a fold has {fewest} patients or groups, fewer than {FEWEST_IN_FOLD}"
    return {
        name: one if math.isnan(one.low) else replace(one, low=math.nan, high=math.nan, reason=why)
        for name, one in means.items()
    }

"""Sums and differences of estimates on different patients, from their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from covidx.evaluate.estimate import Estimate, undefined


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
    >>> from covidx.evaluate.proportions import wilson
    >>> parts = [Estimate(k / n, *wilson(k, n), n, "Wilson") for k, n in ((56, 70), (48, 80))]
    >>> print(combined(parts, (1, -1), "difference"))  # Newcombe's table II, example (a)
    0.20 (0.05 to 0.33)
    """
    n, method = sum(part.n for part in estimates), f"{method}; each: {estimates[0].method}"
    lacking = next((part for part in estimates if math.isnan(part.value)), None)
    if lacking is not None:
        return undefined(n, method, str(lacking.reason))
    value = sum(w * part.value for w, part in zip(weights, estimates, strict=True))
    lacking = next((part for part in estimates if math.isnan(part.low)), None)
    if lacking is not None:
        return Estimate(value, math.nan, math.nan, n, method, reason=lacking.reason)
    reach = []
    for down in (True, False):
        apart = [
            w * (part.value - (part.low if (w > 0) == down else part.high))
            for w, part in zip(weights, estimates, strict=True)
        ]
        reach.append(math.hypot(*apart))
    return Estimate(value, value - reach[0], value + reach[1], n, method)

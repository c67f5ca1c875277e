"""The cluster bootstrap: whole groups are drawn, since rows of one group are not independent.

For figures that leaving one group out says little of, such as a quantile; all others have the
`jackknife`, which covers more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from covidx.evaluate.blocks import Block, FloatArray, Statistic
from covidx.evaluate.clusters import Clusters, in_threads
from covidx.evaluate.estimate import CONFIDENCE, Estimate, few, undefined
from covidx.evaluate.intervals import NO_SPREAD, interval
from covidx.evaluate.proportions import wilson


@dataclass(frozen=True)
class Replicates:
    """A statistic on the sample, on each resample, and with each block of groups left out."""

    value: float
    draws: FloatArray
    jackknife: FloatArray


def bootstrap(
    statistics: Mapping[str, Statistic], clusters: Clusters, *, seed: int, resamples: int
) -> dict[str, Replicates]:
    """Replicate several statistics on the same resamples.

    The same `seed` gives the same resamples, so that differences between statistics on the same
    rows may be read as paired.

    Parameters
    ----------
    statistics : mapping
        Name -> statistic.
    clusters : Clusters
        Groups of the rows, which are drawn.
    seed : int
        Of the draws.
    resamples : int
        Number of draws.
    """
    once = np.ones((clusters.n_groups, 1))
    draws: dict[str, list[FloatArray]] = {name: [] for name in statistics}
    jackknife: dict[str, list[FloatArray]] = {name: [] for name in statistics}

    def replicate(counts: FloatArray) -> dict[str, FloatArray]:
        block = Block(counts)
        return {name: block.of(statistic) for name, statistic in statistics.items()}

    for into, blocks in (
        (draws, clusters.draws(seed, resamples)),
        (jackknife, clusters.without()),
    ):
        for results in in_threads(replicate, blocks):
            for name, values in results.items():
                into[name].append(values)
    return {
        name: Replicates(
            float(statistic(once)[0]), np.concatenate(draws[name]), np.concatenate(jackknife[name])
        )
        for name, statistic in statistics.items()
    }


def bca_interval(replicates: Replicates, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Bias-corrected and accelerated interval (Efron, J Am Stat Assoc 1987;82:171-185).

    Resamples in which the statistic is undefined (one class only) are left out; infinite ones
    (a likelihood ratio without a false alarm) count, and leave no interval where they reach a
    bound. The acceleration comes from a jackknife over groups, in at most 200 blocks. The
    interval is widened to hold the value where the bias correction would miss it, as it can for
    a statistic that only grows with noise (the calibration error).

    Parameters
    ----------
    replicates : Replicates
        From `bootstrap`.
    confidence : float
        Coverage of the interval, 0 to 1.

    Returns
    -------
    low, high : float
        NaN if fewer than half of the resamples are defined.
    """
    draws = replicates.draws[~np.isnan(replicates.draws)]
    if 2 * len(draws) < len(replicates.draws) or len(draws) < 2:
        return math.nan, math.nan
    # Draws equal to the value but for rounding must count as equal.
    step = 1e-12 * max(1.0, abs(replicates.value))
    below = np.mean(draws < replicates.value - step) + np.mean(draws <= replicates.value + step)
    bias = float(ndtri(np.clip(below / 2, 0.5 / len(draws), 1 - 0.5 / len(draws))))
    kept = replicates.jackknife[np.isfinite(replicates.jackknife)]
    influence = kept.mean() - kept if len(kept) else np.zeros(1)
    spread = float(np.sum(influence**2)) ** 1.5
    acceleration = float(np.sum(influence**3)) / (6 * spread) if spread > 0 else 0.0
    z = bias + ndtri(np.array([0.5 - confidence / 2, 0.5 + confidence / 2]))
    with np.errstate(invalid="ignore"):  # between a number and infinity
        low, high = np.quantile(draws, ndtr(bias + z / (1 - acceleration * z)))
    if not np.isfinite([low, high]).all():
        return math.nan, math.nan
    return min(float(low), replicates.value), max(float(high), replicates.value)


def bootstrap_estimate(
    replicates: Replicates, clusters: Clusters, n: int, *, bound_n: int, empty: str, note: str = ""
) -> Estimate:
    """Turn replicates into an estimate: BCa, or their spread with Student's t for few groups.

    Parameters
    ----------
    replicates, clusters
        From `bootstrap`, and the groups that it drew.
    n : int
        Rows in the metric's denominator.
    bound_n : int
        Independent groups behind the value (for an AUROC those of the rarer class). Where all
        resamples agree, as after perfect separation, or fewer than two groups carry the value,
        resampling says nothing about its spread; then Wilson's interval with this n is given,
        which is conservative for any mean of values between 0 and 1, and by van Dantzig's bound
        (Var <= A(1-A)/min(m, n)) for an AUROC. 0 says that the metric is not bounded by 0 and 1.
    empty : str
        The reason if the value is NaN.
    note : str
        Added to the method.
    """
    groups, value = clusters.n_groups, replicates.value
    unit = f"cluster bootstrap over {groups} groups"
    if not clusters.several_rows:
        unit = f"bootstrap over {groups} independent rows"
    method = f"{unit}, {len(replicates.draws)} resamples, BCa{note}"
    if not math.isfinite(value):
        return undefined(n, method, empty)
    if few(groups, bound_n or groups):
        df = max((bound_n or groups) - 1, 1)
        method = method.replace("BCa", f"their spread and t with {df} degrees of freedom, for few")
        error = _spread(replicates, groups)
        low, high = math.nan, math.nan
        if error > NO_SPREAD:
            low, high = interval(value, error, df, "share" if bound_n else "plain")
            low, high = min(low, value), max(high, value)
    else:
        low, high = bca_interval(replicates)
    if math.isnan(low) or high - low < NO_SPREAD or bound_n == 1:
        if not bound_n:
            reason = "too few groups, no spread between resamples, or infinite ones"
            return Estimate(value, math.nan, math.nan, n, method, reason=reason)
        why = "a bootstrap without spread" if bound_n > 1 else "one group of a kind"
        method = f"Wilson interval with n = {bound_n} groups, conservative, after {why}{note}"
        low, high = wilson(min(max(value, 0.0), 1.0) * bound_n, bound_n)
    return Estimate(value, low, high, n, method)


def _spread(replicates: Replicates, groups: int) -> float:
    """Standard error from the draws; NaN where few of them are numbers.

    Groups drawn with replacement vary by (G-1)/G less than groups of the population do.
    """
    draws = replicates.draws[~np.isnan(replicates.draws)]
    if 2 * len(draws) < len(replicates.draws) or len(draws) < 2 or np.isinf(draws).any():
        return math.nan
    return float(draws.std()) * math.sqrt(groups / max(groups - 1, 1))

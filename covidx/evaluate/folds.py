"""Cross-validation: means of the folds, whose rows different models have scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from covidx.evaluate.bootstrap import Clusters, IntArray
from covidx.evaluate.deferred import Deferred, Estimates
from covidx.evaluate.estimate import FEW, Estimate
from covidx.evaluate.independent import combined
from covidx.evaluate.weighted import mean_statistic

FEWEST_IN_FOLD = FEW // 5
"""Groups of a fold below which the mean of folds has no interval: with 6 that of a sensitivity
covers 0.885."""


def fold_means(
    parts: Sequence[Mapping[str, Estimate | Deferred]], clusters: Clusters, folds: IntArray
) -> Estimates:
    """Means over folds of every metric that all folds have; each patient is in one fold.

    What waits for the jackknife waits for one over the groups of all folds, by which the sum of
    the folds' variances is found; other estimates are combined by their intervals.

    Parameters
    ----------
    parts : sequence of mapping
        Metric's name -> estimate, or what waits for one, one mapping a fold.
    clusters : Clusters
        Groups of the rows of all folds.
    folds : int array, shape (rows,)
        Fold of each row; one with too few groups leaves no interval.
    """
    fewest = min(clusters.count(folds == fold) for fold in np.unique(folds))
    found: Estimates = {}
    for name in [name for name in parts[0] if all(name in part for part in parts)]:
        ones = [part[name] for part in parts]
        waiting = [one for one in ones if isinstance(one, Deferred)]
        known = [one for one in ones if isinstance(one, Estimate)]
        if len(waiting) == len(ones):
            found[name] = _mean(waiting, clusters, fewest)
        elif len(known) == len(ones):
            mean = combined(known, [1 / len(ones)] * len(ones), f"mean of {len(ones)} folds")
            if fewest < FEWEST_IN_FOLD and not math.isnan(mean.low):
                why = f"a fold has {fewest} patients or groups, fewer than {FEWEST_IN_FOLD}"
                mean = replace(mean, low=math.nan, high=math.nan, reason=why)
            found[name] = mean
    return found


def _mean(parts: Sequence[Deferred], clusters: Clusters, fewest: int) -> Deferred:
    """One metric's mean; degrees of freedom are the sum of the folds'."""
    first, groups, enough = parts[0], clusters.n_groups, fewest >= FEWEST_IN_FOLD
    df = sum((one.bound_n or groups) - 1.0 if one.df is None else one.df for one in parts)
    return replace(
        first,
        statistic=mean_statistic([one.statistic for one in parts]),
        n=sum(one.n for one in parts),
        bound_n=min(sum(one.bound_n for one in parts), groups) if enough else 0,
        note=f"{first.note}, mean of {len(parts)} folds",
        df=min(df, groups - 1.0) if enough else 0.0,
    )

"""Cross-validation: means of the folds, whose rows different models have scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from covidx.evaluate.blocks import IntArray
from covidx.evaluate.clusters import Clusters
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

    Deferred metrics are deferred to one jackknife over the groups of all folds, which gives the sum
    of the folds' variances; other estimates are combined by their intervals.

    Parameters
    ----------
    parts : sequence of mapping
        Metric's name -> estimate, or deferred metric; one mapping a fold.
    clusters : Clusters
        Groups of the rows of all folds.
    folds : int array, shape (rows,)
        Fold of each row; one with too few groups leaves no interval.
    """
    fewest = min(clusters.count(folds == fold) for fold in np.unique(folds))
    means: Estimates = {}
    for name in [name for name in parts[0] if all(name in part for part in parts)]:
        each = [part[name] for part in parts]
        deferred = [part for part in each if isinstance(part, Deferred)]
        known = [part for part in each if isinstance(part, Estimate)]
        if len(deferred) == len(each):
            means[name] = _mean(deferred, clusters, fewest)
        elif len(known) == len(each):
            weights = [1 / len(each)] * len(each)
            mean = combined(known, weights, f"mean of {len(each)} folds")
            if fewest < FEWEST_IN_FOLD and not math.isnan(mean.low):
                why = f"a fold has {fewest} patients or groups, fewer than {FEWEST_IN_FOLD}"
                mean = replace(mean, low=math.nan, high=math.nan, reason=why)
            means[name] = mean
    return means


def _mean(parts: Sequence[Deferred], clusters: Clusters, fewest: int) -> Deferred:
    """One metric's mean; degrees of freedom are the sum of the folds'."""
    first, groups, enough = parts[0], clusters.n_groups, fewest >= FEWEST_IN_FOLD
    df = sum((part.bound_n or groups) - 1.0 if part.df is None else part.df for part in parts)
    return replace(
        first,
        statistic=mean_statistic([part.statistic for part in parts]),
        n=sum(part.n for part in parts),
        bound_n=min(sum(part.bound_n for part in parts), groups) if enough else 0,
        note=f"{first.note}, mean of {len(parts)} folds",
        df=min(df, groups - 1.0) if enough else 0.0,
    )

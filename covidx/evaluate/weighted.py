"""Metrics as functions of how often each group was drawn; all resamples in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from covidx.evaluate.bootstrap import Clusters, FloatArray, FromSums, Statistic

__all__ = [
    "auroc_statistic",
    "average_precision_statistic",
    "decision_cells",
    "decision_statistic",
    "difference_statistic",
    "divide",
    "mean_statistic",
    "ratio_statistic",
]

BoolArray = npt.NDArray[np.bool_]


def auroc_statistic(
    scores: FloatArray, truth: BoolArray, clusters: Clusters, rows: BoolArray | None = None
) -> Statistic:
    """AUROC as the Mann-Whitney share of ordered pairs, ties counting one half.

    Parameters
    ----------
    scores : array, shape (rows,)
        Higher means more likely positive.
    truth : bool array, shape (rows,)
        Whether a row is positive.
    clusters : Clusters
        Groups of the rows.
    rows : bool array, shape (rows,), optional
        Only these rows count (a fold, for example).
    """
    used = np.ones(len(scores), dtype=np.bool_) if rows is None else rows
    positive, negative = np.flatnonzero(used & truth), np.flatnonzero(used & ~truth)
    negative = negative[np.argsort(scores[negative], kind="stable")]
    positive_groups, negative_groups = clusters.codes[positive], clusters.codes[negative]
    # Per positive: how many negatives lie strictly below it, and how many below or level.
    below = np.searchsorted(scores[negative], scores[positive], side="left")
    level = np.searchsorted(scores[negative], scores[positive], side="right")

    def statistic(counts: FloatArray) -> FloatArray:
        weights = counts[positive_groups]  # (positives, draws)
        passed = np.zeros((len(negative) + 1, counts.shape[1]))  # (negatives + 1, draws)
        np.cumsum(counts[negative_groups], axis=0, out=passed[1:])
        pairs = np.einsum("pd,pd->d", weights, passed[below] + passed[level]) / 2
        return divide(pairs, weights.sum(axis=0) * passed[-1])

    return statistic


def average_precision_statistic(
    scores: FloatArray, truth: BoolArray, clusters: Clusters
) -> Statistic:
    """Average precision: precision at each positive's score, averaged over the positives.

    The step-wise area under the precision-recall curve, without interpolation, as in
    scikit-learn; rows with equal scores enter together. NaN if a draw holds one class only.
    """
    order = np.argsort(-scores, kind="stable")
    descending = -scores[order]
    groups, positive = clusters.codes[order], np.flatnonzero(truth[order])
    # Per positive: the last row, and the last positive, with a score as high as its own.
    tied = descending[positive]
    last = np.searchsorted(descending, tied, side="right") - 1
    last_positive = np.searchsorted(tied, tied, side="right") - 1

    def statistic(counts: FloatArray) -> FloatArray:
        called = np.cumsum(counts[groups], axis=0)  # (rows, draws)
        weights = counts[groups[positive]]  # (positives, draws)
        found = np.cumsum(weights, axis=0)
        precision = found[last_positive] / np.maximum(called[last], 1.0)
        total = weights.sum(axis=0)
        value = divide(np.einsum("pd,pd->d", weights, precision), total)
        return np.where(total < called[-1], value, np.nan)

    return statistic


def ratio_statistic(
    numerator: npt.ArrayLike, denominator: npt.ArrayLike, clusters: Clusters
) -> Statistic:
    """Sum of one column over sum of another: proportions, F1, means.

    Parameters
    ----------
    numerator, denominator : array, shape (rows,)
        What each row adds. NaN where a draw's denominator is 0.
    """
    sums = _group_sums(np.stack([np.asarray(numerator), np.asarray(denominator)], axis=1), clusters)

    def statistic(counts: FloatArray) -> FloatArray:
        totals = sums.T @ counts  # (2, draws)
        return divide(totals[0], totals[1])

    return statistic


def decision_cells(called: BoolArray, truth: BoolArray, clusters: Clusters) -> FloatArray:
    """Each group's true and false, positive and negative decisions, shape (4, groups).

    In the order tp, fp, fn, tn; what all decision metrics are functions of.
    """
    cells = [called & truth, called & ~truth, ~called & truth, ~called & ~truth]
    return _group_sums(np.stack(cells, axis=1), clusters).T


def decision_statistic(
    cells: FloatArray,
    function: Callable[[FloatArray, FloatArray, FloatArray, FloatArray], FloatArray],
) -> FromSums:
    """Any function of the numbers of decisions.

    Parameters
    ----------
    cells : array, shape (4, groups)
        As `decision_cells` gives them; statistics of the same array share the work.
    function : callable
        (tp, fp, fn, tn), each (draws,) -> values (draws,).
    """

    def finish(totals: FloatArray) -> FloatArray:
        return function(*totals)

    return FromSums(cells, finish)


def mean_statistic(statistics: Sequence[Statistic]) -> Statistic:
    """Plain mean of several statistics; NaN where any of them is."""

    def statistic(counts: FloatArray) -> FloatArray:
        mean: FloatArray = np.mean([part(counts) for part in statistics], axis=0)
        return mean

    return statistic


def difference_statistic(first: Statistic, second: Statistic) -> Statistic:
    """First minus second, on the same draws."""

    def statistic(counts: FloatArray) -> FloatArray:
        change: FloatArray = first(counts) - second(counts)
        return change

    return statistic


def _group_sums(columns: npt.NDArray[np.generic], clusters: Clusters) -> FloatArray:
    """Sum (rows, columns) within groups: (groups, columns)."""
    return np.stack(
        [
            np.bincount(clusters.codes, column.astype(np.float64), clusters.n_groups)
            for column in columns.T
        ],
        axis=1,
    )


def divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Numerator over denominator; NaN where that is 0."""
    out = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out

"""Metrics as functions of how often each group was drawn; all resamples in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from covidx.evaluate.blocks import Combined, FloatArray, Shared, Statistic
from covidx.evaluate.clusters import Clusters

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


class Ranking:
    """Rows in order of score, ready to be weighted: what AUROC and average precision share.

    Parameters
    ----------
    scores : array, shape (rows,)
        Higher means more likely positive.
    truth : bool array, shape (rows,)
        Whether a row is positive.
    clusters : Clusters
        Groups of the rows.
    """

    def __init__(self, scores: FloatArray, truth: BoolArray, clusters: Clusters) -> None:
        order = np.argsort(-scores, kind="stable")
        descending, self._groups = -scores[order], clusters.codes[order]
        self._positive = np.flatnonzero(truth[order])
        # Per positive: how many rows, and how many positives, score higher; higher or level.
        tied = descending[self._positive]
        self._above, self._level = (
            (np.searchsorted(descending, tied, side=side), np.searchsorted(tied, tied, side=side))
            for side in ("left", "right")
        )

    def prepare(self, counts: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Running weights of rows and positives from the top, and each's, by group `counts`."""
        weights = counts[self._groups[self._positive]]  # (positives, draws)
        rows = np.zeros((len(self._groups) + 1, counts.shape[1]))  # (rows + 1, draws)
        np.cumsum(counts[self._groups], axis=0, out=rows[1:])
        positives = np.zeros((len(weights) + 1, counts.shape[1]))  # (positives + 1, draws)
        np.cumsum(weights, axis=0, out=positives[1:])
        return rows, positives, weights

    @cached_property
    def auroc(self) -> Shared:
        """Mann-Whitney's share of ordered pairs, ties counting one half."""

        def finish(prepared: tuple[FloatArray, FloatArray, FloatArray]) -> FloatArray:
            rows, positives_above, weights = prepared
            negatives = rows[-1] - positives_above[-1]
            ahead = np.zeros_like(weights)  # twice the negatives that score higher, ties half
            for row, positive in (self._above, self._level):
                ahead += rows[row]
                ahead -= positives_above[positive]
            misordered = np.einsum("pd,pd->d", weights, ahead) / 2
            return 1 - divide(misordered, positives_above[-1] * negatives)

        return Shared(self.prepare, finish)

    @cached_property
    def average_precision(self) -> Shared:
        """Precision at each positive's score, averaged over the positives.

        The step-wise area under the precision-recall curve, without interpolation, as in
        scikit-learn; rows with equal scores enter together. NaN if a draw holds one class only.
        """

        def finish(prepared: tuple[FloatArray, FloatArray, FloatArray]) -> FloatArray:
            rows, positives_above, weights = prepared
            row, positive = self._level
            precision = positives_above[positive] / np.maximum(rows[row], 1.0)
            value = divide(np.einsum("pd,pd->d", weights, precision), positives_above[-1])
            return np.where(positives_above[-1] < rows[-1], value, np.nan)

        return Shared(self.prepare, finish)


def average_precision_statistic(
    scores: FloatArray, truth: BoolArray, clusters: Clusters
) -> Statistic:
    """Average precision alone, as in `Ranking`.

    Parameters
    ----------
    scores : array, shape (rows,)
        Higher means more likely positive.
    truth : bool array, shape (rows,)
        Whether a row is positive.
    clusters : Clusters
        Groups of the rows.
    """
    return Ranking(scores, truth, clusters).average_precision


def ratio_statistic(
    numerator: npt.ArrayLike, denominator: npt.ArrayLike, clusters: Clusters
) -> Statistic:
    """Sum of one column over sum of another: proportions, F1, means.

    Parameters
    ----------
    numerator, denominator : array, shape (rows,)
        What each row adds. NaN where a draw's denominator is 0.
    clusters : Clusters
        Groups of the rows.
    """
    sums = _group_sums(np.stack([np.asarray(numerator), np.asarray(denominator)], axis=1), clusters)

    def statistic(counts: FloatArray) -> FloatArray:
        totals = sums.T @ counts  # (2, draws)
        return divide(totals[0], totals[1])

    return statistic


def summed(sums: Any) -> Callable[[FloatArray], FloatArray]:
    """A function from draws to totals (columns, draws) of the groups' `sums` (columns, groups)."""

    def totals(counts: FloatArray) -> FloatArray:
        total: FloatArray = sums @ counts
        return total

    return totals


def decision_cells(
    called: BoolArray, truth: BoolArray, clusters: Clusters
) -> Callable[[FloatArray], FloatArray]:
    """True and false, positive and negative decisions drawn: (tp, fp, fn, tn), each (draws,).

    Parameters
    ----------
    called : bool array, shape (rows,)
        Which rows are called positive.
    truth : bool array, shape (rows,)
        Which rows are positive.
    clusters : Clusters
        Groups of the rows.
    """
    cells = [called & truth, called & ~truth, ~called & truth, ~called & ~truth]
    return summed(_group_sums(np.stack(cells, axis=1), clusters).T)


def decision_statistic(
    cells: Callable[[FloatArray], FloatArray],
    function: Callable[[FloatArray, FloatArray, FloatArray, FloatArray], FloatArray],
) -> Shared:
    """Any function of the numbers of decisions.

    Parameters
    ----------
    cells : callable
        From `decision_cells`; statistics of the same share the work.
    function : callable
        (tp, fp, fn, tn), each (draws,) -> values (draws,).
    """

    def finish(totals: FloatArray) -> FloatArray:
        return function(*totals)

    return Shared(cells, finish)


def mean_statistic(statistics: Sequence[Statistic]) -> Statistic:
    """Plain mean of several `statistics`; NaN where any of them is."""

    def combine(values: list[FloatArray]) -> FloatArray:
        mean: FloatArray = np.mean(values, axis=0)
        return mean

    return Combined(statistics, combine)


def difference_statistic(first: Statistic, second: Statistic) -> Statistic:
    """Statistic `first` minus `second`, on the same draws."""
    return Combined((first, second), lambda values: values[0] - values[1])


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
    """The `numerator` over the `denominator`; NaN where that is 0."""
    out = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out

"""Agreement of predicted with readers' scores: error, rank and kappa, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from covidx.errors import InvalidTableError
from covidx.evaluate.blocks import FloatArray, Statistic
from covidx.evaluate.clusters import Clusters
from covidx.evaluate.deferred import Deferred, Estimates, compute
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.intervals import Scale
from covidx.evaluate.weighted import divide, ratio_statistic


def score_estimates(
    truth: npt.ArrayLike,
    predicted: npt.ArrayLike,
    control: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> dict[str, Estimate]:
    """Compare predicted scores with the readers', beside a control's on the same rows.

    Parameters
    ----------
    truth, predicted, control : array, shape (rows,)
        The readers' score, the model's, and that of a control such as the training median.
    groups : array, shape (rows,)
        Whose row it is: whole groups are left out.
    seed, resamples : int
        As in `compute`.

    Returns
    -------
    dict of Estimate
        ``mae``, ``mae_control``, ``mae_minus_control`` (below 0: better than the control), ``bias``
        (predicted minus truth), ``r2`` (1 less the share of the variance that is left),
        ``spearman``, and ``kappa``: Cohen's with quadratic weights, of scores rounded to points.

    Raises
    ------
    InvalidTableError
        ``UNEQUAL_ROWS``, or ``SCORE_MISSING`` where one is not a number.
    """
    columns = [np.asarray(column, float) for column in (truth, predicted, control)]
    names = np.asarray(groups)
    if len({len(names), *map(len, columns)}) > 1 or not len(names):
        raise InvalidTableError(
            "UNEQUAL_ROWS",
            "Each row has a truth, a score, a control and a group, and there is at least one.",
            actual=[len(names), *map(len, columns)],
        )
    if not all(np.isfinite(column).all() for column in columns):
        raise InvalidTableError("SCORE_MISSING", "A score is not a number.")
    y, f, c = columns
    clusters, column = Clusters.of(names), np.ones(len(y))
    statistics: dict[str, Statistic] = {
        "mae": ratio_statistic(abs(f - y), column, clusters),
        "mae_control": ratio_statistic(abs(c - y), column, clusters),
        "mae_minus_control": ratio_statistic(abs(f - y) - abs(c - y), column, clusters),
        "bias": ratio_statistic(f - y, column, clusters),
        "r2": _weighted(_r2, y, f, clusters),
        "spearman": _weighted(_spearman, y, f, clusters),
        "kappa": _weighted(_kappa, np.rint(y), np.rint(f), clusters),
    }
    scales: dict[str, Scale] = {"mae": "ratio", "mae_control": "ratio"}
    scales |= {"spearman": "correlation", "kappa": "correlation"}
    empty = "one of the two never changes"
    metrics: Estimates = {
        name: Deferred(column, len(y), 0, empty, scale=scales.get(name, "plain"))
        for name, column in statistics.items()
    }
    return compute(metrics, clusters, seed=seed, resamples=resamples)


def mean_error(residuals: npt.ArrayLike, groups: npt.ArrayLike, seed: int = 0) -> Estimate:
    """The mean absolute error alone, with its interval.

    Parameters
    ----------
    residuals : array, shape (rows,)
        Predicted minus true scores.
    groups : array, shape (rows,)
        Group of each row.
    seed : int
        Of the parts that are left out.
    """
    sizes, clusters = np.abs(np.asarray(residuals, float)), Clusters.of(groups)
    statistic = ratio_statistic(sizes, np.ones(len(sizes)), clusters)
    metrics: Estimates = {"mae": Deferred(statistic, len(sizes), 0, "", scale="ratio")}
    return compute(metrics, clusters, seed=seed, resamples=2000)["mae"]


def _weighted(
    function: Callable[[FloatArray, FloatArray, FloatArray], FloatArray],
    y: FloatArray,
    f: FloatArray,
    clusters: Clusters,
) -> Statistic:
    """A statistic of two columns (rows, 1) and how often each row counts (rows, draws)."""

    def statistic(counts: FloatArray) -> FloatArray:
        return function(y[:, None], f[:, None], counts[clusters.codes])

    return statistic


def _moments(
    y: FloatArray, f: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Weighted means, variances and covariance, each (draws,)."""
    total = np.maximum(weights.sum(axis=0), 1e-300)
    means = [(weights * column).sum(axis=0) / total for column in (y, f)]
    away, off = y - means[0], f - means[1]
    squares = [(weights * column).sum(axis=0) / total for column in (away**2, off**2, away * off)]
    return means[0], means[1], squares[0], squares[1], squares[2]


def _r2(y: FloatArray, f: FloatArray, weights: FloatArray) -> FloatArray:
    spread = _moments(y, f, weights)[2] * weights.sum(axis=0)
    return 1 - divide((weights * (y - f) ** 2).sum(axis=0), spread)


def _spearman(y: FloatArray, f: FloatArray, weights: FloatArray) -> FloatArray:
    _, _, of_y, of_f, both = _moments(_ranks(y, weights), _ranks(f, weights), weights)
    return divide(both, np.sqrt(of_y * of_f))


def _ranks(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Midranks (rows, draws) of rows that count several times."""
    _, codes = np.unique(values, return_inverse=True)
    level = np.zeros((int(codes.max()) + 1, weights.shape[1]))
    np.add.at(level, codes.ravel(), weights)
    ranks: FloatArray = (np.cumsum(level, axis=0) - level + (level + 1) / 2)[codes.ravel()]
    return ranks


def _kappa(y: FloatArray, f: FloatArray, weights: FloatArray) -> FloatArray:
    """Quadratic weights turn Cohen's kappa into squared differences, paired over unpaired."""
    mean_y, mean_f, of_y, of_f, _ = _moments(y, f, weights)
    paired = (weights * (y - f) ** 2).sum(axis=0)
    return 1 - divide(paired, (of_y + of_f + (mean_y - mean_f) ** 2) * weights.sum(axis=0))


def conformal_half_width(residuals: npt.ArrayLike, coverage: float) -> float:
    """Half the width of an interval that holds a new score with `coverage`, from `residuals`.

    The k-th smallest of n absolute residuals of rows that were not trained on, with k the whole
    number from (n + 1) * coverage on (Vovk, Gammerman, Shafer, Algorithmic Learning in a Random
    World, 2005); the largest where k is above n.

    >>> conformal_half_width([1.0, -2.0, 3.0, 4.0], 0.6)
    3.0
    """
    sizes = np.sort(np.abs(np.asarray(residuals, float)))
    place = math.ceil((len(sizes) + 1) * coverage - 1e-9)
    return float(sizes[min(place, len(sizes)) - 1])


def coverage_without(
    residuals: npt.ArrayLike, groups: npt.ArrayLike, coverage: float, seed: int = 0
) -> Estimate:
    """How often the interval holds, its width each time from the other groups' residuals.

    Parameters
    ----------
    residuals : array, shape (rows,)
        Predicted minus true scores.
    groups : array, shape (rows,)
        Group of each row.
    coverage : float
        That the interval is made for, 0 to 1.
    seed : int
        Of the parts that are left out.
    """
    sizes, names = np.abs(np.asarray(residuals, float)), np.asarray(groups)
    held = np.empty(len(sizes))
    for name in np.unique(names):
        own = names == name
        held[own] = sizes[own] <= conformal_half_width(sizes[~own], coverage)
    clusters = Clusters.of(names)
    statistic = ratio_statistic(held, np.ones(len(held)), clusters)
    metrics: Estimates = {"coverage": Deferred(statistic, len(held), clusters.n_groups, "")}
    return compute(metrics, clusters, seed=seed, resamples=2000)["coverage"]

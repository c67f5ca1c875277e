"""Comparisons on the same rows, and cross-validation's mean of folds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from covidx.errors import InvalidTableError
from covidx.evaluate.auroc import ONE_CLASS
from covidx.evaluate.blocks import FloatArray, IntArray, Statistic
from covidx.evaluate.clusters import Clusters
from covidx.evaluate.deferred import Deferred, Estimates, compute
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.jackknife import degrees
from covidx.evaluate.operating_point import OperatingPoint, decide_by_fold
from covidx.evaluate.rows import Rows
from covidx.evaluate.weighted import (
    BoolArray,
    auroc_statistic,
    difference_statistic,
    mean_statistic,
    ratio_statistic,
)

NO_FOLD = "a fold holds one class only"


def mean_of_folds_auroc(
    scores: FloatArray,
    truth: BoolArray,
    groups: npt.ArrayLike,
    folds: IntArray,
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> Estimate:
    """Mean over folds of the AUROC within each, with a jackknife over groups.

    The mean compares rows with those that the same model scored. The pooled AUROC compares
    scores of different models too, which need not share a scale, and is often lower.

    Parameters
    ----------
    scores, truth, groups, folds : array, shape (rows,)
        Test rows of all folds; a group may have rows in several.
    seed, resamples : int
        As in `compute`. The interval holds the models fixed: the spread of training is not in it.

    Returns
    -------
    Estimate
        NaN with a reason if any fold holds one class only.
    """
    clusters = Clusters.of(groups)
    rarer = clusters.rarer(truth)
    metrics: Estimates = {
        "auroc": Deferred(
            _fold_mean_auroc(scores, truth, clusters, folds),
            len(scores),
            rarer,
            NO_FOLD,
            _fold_note(folds),
            degrees(clusters, truth),
        )
    }
    return compute(metrics, clusters, seed=seed, resamples=resamples)["auroc"]


def paired_difference(
    scores_a: FloatArray,
    scores_b: FloatArray,
    truth: BoolArray,
    groups: npt.ArrayLike,
    *,
    folds: IntArray | None = None,
    seed: int = 0,
    resamples: int = 2000,
) -> Estimate:
    """AUROC of a minus AUROC of b on the same rows, by a paired jackknife over groups.

    Parameters
    ----------
    scores_a, scores_b, truth, groups : array, shape (rows,)
        In the same order of rows.
    folds : array, shape (rows,), optional
        If given, both AUROCs are means of folds.
    seed, resamples : int
        As in `compute`.

    Returns
    -------
    Estimate
        Between -1 and 1; NaN with a reason if one class is absent. The choice of b (the best of
        several controls, say) is taken as fixed.

    Raises
    ------
    InvalidTableError
        ``UNEQUAL_ROWS`` if the arrays differ in length.
    """
    lengths = {len(scores_a), len(scores_b), len(truth), len(np.asarray(groups))}
    if len(lengths) > 1 or (folds is not None and len(folds) not in lengths):
        raise InvalidTableError(
            "UNEQUAL_ROWS", "A paired comparison needs the same rows.", actual=sorted(lengths)
        )
    clusters = Clusters.of(groups)
    fold = np.zeros(len(truth), dtype=np.int64) if folds is None else folds
    a, b = (_fold_mean_auroc(scores, truth, clusters, fold) for scores in (scores_a, scores_b))
    metrics: Estimates = {
        "difference": Deferred(
            difference_statistic(a, b),
            len(truth),
            0,
            ONE_CLASS if folds is None else NO_FOLD,
            ", paired difference of AUROC" + ("" if folds is None else _fold_note(folds)),
            degrees(clusters, truth),
        )
    }
    return compute(metrics, clusters, seed=seed, resamples=resamples)["difference"]


def evaluate_folds(
    predictions: pd.DataFrame,
    positive: str,
    points: Mapping[int, OperatingPoint],
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> dict[str, Estimate]:
    """Cross-validation: metrics as means of folds, each fold at its own threshold.

    Parameters
    ----------
    predictions : DataFrame
        Test rows of all folds, one arm; every unit once.
    positive : str
        The positive class.
    points : mapping
        Fold -> operating point, chosen on that fold's validation rows.
    seed, resamples : int
        As in `compute`.

    Returns
    -------
    dict
        ``auroc``, ``accuracy``, ``f1``, ``sensitivity``, ``specificity`` as means of folds, with
        more than two classes ``accuracy_argmax`` (most probable class), and ``auroc_pooled`` over
        all rows at once.

    Raises
    ------
    InvalidTableError
        ``FOLD_WITHOUT_THRESHOLD``, ``ROLE_NOT_TEST``, or what `Rows.of` refuses.
    """
    rows = Rows.of(predictions, positive).only_test()
    missing = sorted(set(rows.folds.tolist()) - set(points))
    if missing:
        raise InvalidTableError(
            "FOLD_WITHOUT_THRESHOLD", "Folds have no operating point.", actual=missing
        )
    truth, folds, clusters = rows.truth, rows.folds, rows.clusters
    called = decide_by_fold(rows.scores, folds, points)
    rarer = clusters.rarer(truth)
    bounds = {
        "accuracy": clusters.n_groups,
        "accuracy_argmax": clusters.n_groups,
        "sensitivity": clusters.count(truth),
        "specificity": clusters.count(~truth),
    }
    counted = {"sensitivity": int(truth.sum()), "specificity": int((~truth).sum())}
    metrics: Estimates = {
        name: Deferred(
            statistic,
            counted.get(name, len(rows)),
            bounds.get(name, rarer),
            NO_FOLD,
            ", pooled over folds" if name == "auroc_pooled" else _fold_note(folds),
            None if name in bounds else degrees(clusters, truth),
        )
        for name, statistic in _fold_statistics(rows, called, clusters).items()
    }
    return compute(metrics, clusters, seed=seed, resamples=resamples)


def _fold_statistics(rows: Rows, called: BoolArray, clusters: Clusters) -> dict[str, Statistic]:
    truth, folds = rows.truth, rows.folds
    parts: dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = {
        "accuracy": ((called == truth).astype(int), np.ones(len(truth), dtype=int)),
        "f1": (2 * (called & truth).astype(int), called.astype(int) + truth.astype(int)),
        "sensitivity": ((called & truth).astype(int), truth.astype(int)),
        "specificity": ((~called & ~truth).astype(int), (~truth).astype(int)),
    }
    if len(rows.classes) > 2:
        right = rows.probabilities.argmax(axis=1) == rows.labels
        parts["accuracy_argmax"] = (right.astype(int), np.ones(len(truth), dtype=int))
    statistics = {
        "auroc": _fold_mean_auroc(rows.scores, truth, clusters, folds),
        "auroc_pooled": auroc_statistic(rows.scores, truth, clusters),
    }
    for name, (numerator, denominator) in parts.items():
        statistics[name] = mean_statistic(
            [
                ratio_statistic(numerator * (folds == f), denominator * (folds == f), clusters)
                for f in np.unique(folds)
            ]
        )
    return statistics


def _fold_mean_auroc(
    scores: FloatArray, truth: BoolArray, clusters: Clusters, folds: IntArray
) -> Statistic:
    return mean_statistic(
        [auroc_statistic(scores, truth, clusters, folds == fold) for fold in np.unique(folds)]
    )


def _fold_note(folds: IntArray) -> str:
    several = len(np.unique(folds))
    return f", mean of {several} folds" if several > 1 else ""

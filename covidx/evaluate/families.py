"""The families of metrics that `evaluate` puts together: of ranks, of scores, of each class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from covidx.evaluate.auroc import ONE_CLASS, auroc_estimate
from covidx.evaluate.blocks import FloatArray, Statistic
from covidx.evaluate.calibration import CLIP, calibration_error, calibration_line
from covidx.evaluate.clusters import Clusters
from covidx.evaluate.decisions import FUNCTIONS, decision_family, share
from covidx.evaluate.deferred import Deferred, Estimates
from covidx.evaluate.jackknife import degrees
from covidx.evaluate.rows import Rows
from covidx.evaluate.weighted import (
    BoolArray,
    decision_cells,
    decision_statistic,
    mean_statistic,
    ratio_statistic,
)

ABSENT = "a class is absent"
MACRO = ("sensitivity", "specificity", "ppv", "npv", "f1", "balanced_accuracy")
"""Decision metrics whose mean over classes is given; a mean of ratios or of MCCs says little."""


def rank_family(rows: Rows, name: str) -> Estimates:
    """``auroc`` and ``average_precision`` of the class `name` in `rows`."""
    place, ranking, clusters = rows.classes.index(name), rows.rankings[name], rows.clusters
    scores, truth = rows.probabilities[:, place], rows.labels == place
    n, rarer, df = len(truth), clusters.rarer(truth), degrees(clusters, truth)
    auroc: Estimates = {"auroc": auroc_estimate(scores, truth)}
    if clusters.several_rows:
        auroc = {"auroc": Deferred(ranking.auroc, n, rarer, ONE_CLASS, df=df)}
    note = f", at the cohort's prevalence of {truth.mean():.3f}"
    precision = Deferred(ranking.average_precision, n, rarer, ONE_CLASS, note, df)
    return auroc | {"average_precision": precision}


def score_family(scores: FloatArray, truth: BoolArray, clusters: Clusters) -> Estimates:
    """Metrics of the scores as probabilities: Brier, log loss and calibration.

    Parameters
    ----------
    scores : array, shape (rows,)
        Probabilities of the positive class.
    truth : bool array, shape (rows,)
        Whether a row is positive.
    clusters : Clusters
        Groups of the rows.
    """
    n = len(truth)
    ones = np.ones(n)
    likelihood = np.clip(np.where(truth, scores, 1 - scores), CLIP, 1)
    brier = ratio_statistic((scores - truth) ** 2, ones, clusters)
    log_loss = ratio_statistic(-np.log(likelihood), ones, clusters)
    clipped = f", natural logarithm, scores clipped to {CLIP:g}"
    intercept, slope = calibration_line(scores, truth, clusters)
    return {
        "brier": Deferred(brier, n, clusters.n_groups, ONE_CLASS),
        "log_loss": Deferred(log_loss, n, 0, ONE_CLASS, clipped, scale="ratio"),
        "ece": calibration_error(scores, truth, clusters),
        "calibration_intercept": intercept,
        "calibration_slope": slope,
    }


def class_family(rows: Rows, *, exact: bool = False) -> Estimates:
    """With more than two classes: each against the rest, their means, and all at once.

    ``<metric>_<class>`` for each class, ``<metric>_macro`` for the plain mean over classes, and
    ``accuracy_argmax``, ``brier_multiclass`` (the squared distance of all probabilities, 0 to 2;
    Brier, Mon Weather Rev 1950;78:1-3) and ``log_loss_multiclass``. Decisions take the most
    probable class. Those on the positive class are left to its threshold, but for the means.

    Parameters
    ----------
    rows : Rows
        Test rows.
    exact : bool
        Clopper and Pearson's interval in place of Wilson's.
    """
    clusters, guess = rows.clusters, rows.probabilities.argmax(axis=1)
    by_class = f", by the most probable of {len(rows.classes)} classes"
    metrics: Estimates = {}
    parts: dict[str, list[Deferred]] = {}
    for k, name in enumerate(rows.classes):
        truth = rows.labels == k
        of_class = rank_family(rows, name)
        decided = decision_family(guess == k, truth, clusters, note=by_class, exact=exact)
        for metric, estimate in (of_class | decided).items():
            if name != rows.positive or metric == "auroc":
                metrics[f"{metric}_{name}"] = estimate
        for metric, part in _parts(rows, name, guess == k).items():
            parts.setdefault(metric, []).append(part)
    for metric, means in parts.items():
        note = ", mean over classes" + (by_class if metric in MACRO else "")
        bound = min(part.bound_n for part in means)
        df = min(part.df or 0.0 for part in means)
        statistic = mean_statistic([part.statistic for part in means])
        metrics[f"{metric}_macro"] = Deferred(statistic, len(rows), bound, ABSENT, note, df)
    return metrics | _all_classes(rows, guess, by_class, exact)


def _parts(rows: Rows, name: str, called: BoolArray) -> dict[str, Deferred]:
    """What the means over classes are made of, for one class."""
    clusters, ranking = rows.clusters, rows.rankings[name]
    truth = rows.labels == rows.classes.index(name)
    rarer, cells = clusters.rarer(truth), decision_cells(called, truth, clusters)
    statistics: dict[str, Statistic] = {
        "auroc": ranking.auroc,
        "average_precision": ranking.average_precision,
    }
    for metric in MACRO:
        statistics[metric] = decision_statistic(cells, FUNCTIONS[metric])
    df = degrees(clusters, truth)
    return {
        name: Deferred(statistic, len(truth), rarer, ABSENT, df=df)
        for name, statistic in statistics.items()
    }


def _all_classes(rows: Rows, guess: npt.NDArray[np.intp], by_class: str, exact: bool) -> Estimates:
    """Metrics of all classes at once."""
    clusters, ones = rows.clusters, np.ones(len(rows))
    right = share(guess == rows.labels, ones > 0, clusters, "no rows", note=by_class, exact=exact)
    target = np.eye(len(rows.classes))[rows.labels]
    distance = ((rows.probabilities - target) ** 2).sum(axis=1)
    likelihood = np.clip((rows.probabilities * target).sum(axis=1), CLIP, 1)
    brier = ratio_statistic(distance, ones, clusters)
    log_loss = ratio_statistic(-np.log(likelihood), ones, clusters)
    return {
        "accuracy_argmax": right,
        "brier_multiclass": Deferred(
            brier, len(rows), 0, "no rows", ", sum over classes, between 0 and 2"
        ),
        "log_loss_multiclass": Deferred(
            log_loss,
            len(rows),
            0,
            "no rows",
            f", natural logarithm, clipped to {CLIP:g}",
            scale="ratio",
        ),
    }

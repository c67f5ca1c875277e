"""Metrics of yes-or-no decisions on one class against the rest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from covidx.evaluate.auroc import ONE_CLASS
from covidx.evaluate.blocks import FloatArray
from covidx.evaluate.clusters import Clusters
from covidx.evaluate.deferred import Deferred, Estimates
from covidx.evaluate.estimate import Estimate, undefined
from covidx.evaluate.intervals import NO_SPREAD, Scale
from covidx.evaluate.jackknife import degrees, enough, jackknife
from covidx.evaluate.likelihood import Decisions, likelihood_ratios, lr_negative, lr_positive
from covidx.evaluate.proportions import newcombe_paired, wilson_estimate
from covidx.evaluate.weighted import (
    BoolArray,
    decision_cells,
    decision_statistic,
    divide,
    ratio_statistic,
)

DECISION_METRICS = (
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "accuracy",
    "f1",
    "balanced_accuracy",
    "mcc",
    "lr_positive",
    "lr_negative",
)


def share(
    yes: BoolArray,
    among: BoolArray,
    clusters: Clusters,
    empty: str,
    *,
    note: str = "",
    exact: bool = False,
) -> Estimate | Deferred:
    """A share of rows: Wilson, or the jackknife over groups.

    Parameters
    ----------
    yes, among : bool array, shape (rows,)
        The share of rows marked `yes` among those marked `among`.
    clusters : Clusters
        The jackknife is taken where a group has several rows.
    empty : str
        The reason if there are none.
    note : str
        Added to the method.
    exact : bool
        Clopper and Pearson's interval in place of Wilson's.
    """
    n = int(among.sum())
    if not clusters.several_rows:
        return wilson_estimate(int((yes & among).sum()), n, empty, note, exact=exact)
    statistic = ratio_statistic(yes & among, among, clusters)
    return Deferred(statistic, n, clusters.count(among), empty, note)


def share_difference(
    first: BoolArray, second: BoolArray, among: BoolArray, clusters: Clusters, empty: str
) -> Estimate:
    """The share of rows that the first has right minus the second's, on the same rows.

    Newcombe's interval for paired proportions. Where a group has several rows, with the number of
    independent rows that would vary as much as these, or of groups where no pair of decisions
    differs.

    Parameters
    ----------
    first, second : bool array, shape (rows,)
        Whether each decision is right.
    among : bool array, shape (rows,)
        The rows that count.
    clusters : Clusters
        Groups of the rows.
    empty : str
        The reason if no row counts.
    """
    n, method = int(among.sum()), "Newcombe's interval for paired proportions, paired difference"
    if n == 0:
        return undefined(n, method, empty)
    cells = np.array(
        [(left & right & among).sum() for left in (first, ~first) for right in (second, ~second)],
        float,
    )
    value, rows = float(cells[1] - cells[2]) / n, float(n)
    if clusters.several_rows:
        groups = clusters.count(among)
        step = first.astype(np.float64) - second
        statistic = ratio_statistic(step * among, among, clusters)
        error = jackknife({"x": statistic}, clusters)["x"].error
        alone = (cells[1] + cells[2]) / n - value**2  # variance of a row's step
        rows = alone / error**2 if alone > 0 and error > NO_SPREAD else groups
        rows = min(max(rows, 1.0), float(n))
        method += f", {groups} groups worth {rows:.1f} independent rows"
    return Estimate(value, *newcombe_paired(cells.tolist(), rows), n, method)


def decision_family(
    called: BoolArray,
    truth: BoolArray,
    clusters: Clusters,
    *,
    note: str = "",
    exact: bool = False,
) -> Estimates:
    """All of `DECISION_METRICS`.

    Parameters
    ----------
    called, truth : bool array, shape (rows,)
        Whether a row is called positive, and whether it is.
    clusters : Clusters
        Groups of the rows.
    note : str
        Added to every method.
    exact : bool
        Clopper and Pearson's interval for proportions of independent rows.
    """
    n, positives, yes = len(truth), int(truth.sum()), int(called.sum())
    cells = decision_cells(called, truth, clusters)
    at = f", at the cohort's prevalence of {truth.mean():.3f}{note}"
    shares = {  # name: (among, reason if there are none, note)
        "sensitivity": (truth, "no positive rows", note),
        "specificity": (~truth, "no negative rows", note),
        "ppv": (called, "no row is called positive", at),
        "npv": (~called, "no row is called negative", at),
        "accuracy": (np.ones_like(truth), "no rows", note),
    }
    metrics: Estimates = {}
    for name, (among, empty, remark) in shares.items():
        if clusters.several_rows:
            statistic = decision_statistic(cells, FUNCTIONS[name])
            bound = clusters.count(among)
            metrics[name] = Deferred(statistic, int(among.sum()), bound, empty, remark)
        else:
            right = int(((called == truth) & among).sum())
            metrics[name] = wilson_estimate(right, int(among.sum()), empty, remark, exact=exact)
    rarer = clusters.rarer(truth)
    df = degrees(clusters, truth)
    others: tuple[tuple[str, int, str, Scale], ...] = (
        ("f1", rarer, "no row is positive or called so", "share"),
        ("balanced_accuracy", rarer, ONE_CLASS, "share"),
        ("mcc", 0, "one class, or one decision, only", "correlation"),
        ("lr_positive", 0, "one class only, or no false alarm", "ratio"),
        ("lr_negative", 0, "one class only, or no true negative", "ratio"),
    )
    for name, bound, empty, scale in others:
        statistic = decision_statistic(cells, FUNCTIONS[name])
        freedom = enough(df) if scale == "ratio" else df
        metrics[name] = Deferred(statistic, n, bound, empty, note, freedom, scale)
    if not clusters.several_rows:
        hits = int((called & truth).sum())
        counts = Decisions(hits, yes - hits, positives - hits, n - yes - positives + hits)
        metrics |= likelihood_ratios(counts, note)
    return metrics


def undecided(truth: BoolArray, reason: str) -> Estimates:
    """All of `DECISION_METRICS` undefined for rows of `truth`, by `reason`."""
    return {name: undefined(len(truth), "needs a threshold", reason) for name in DECISION_METRICS}


def mcc(tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray) -> FloatArray:
    """Matthews' correlation (Biochim Biophys Acta 1975;405:442-451); NaN if a margin is 0.

    Parameters
    ----------
    tp, fp, fn, tn : array, shape (draws,)
        Numbers of true and false, positive and negative decisions.
    """
    margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return divide(tp * tn - fp * fn, np.sqrt(margins))


FUNCTIONS: dict[str, Callable[[FloatArray, FloatArray, FloatArray, FloatArray], FloatArray]] = {
    "sensitivity": lambda tp, fp, fn, tn: divide(tp, tp + fn),
    "specificity": lambda tp, fp, fn, tn: divide(tn, tn + fp),
    "ppv": lambda tp, fp, fn, tn: divide(tp, tp + fp),
    "npv": lambda tp, fp, fn, tn: divide(tn, tn + fn),
    "accuracy": lambda tp, fp, fn, tn: divide(tp + tn, tp + fp + fn + tn),
    "f1": lambda tp, fp, fn, tn: divide(2 * tp, 2 * tp + fp + fn),
    "balanced_accuracy": lambda tp, fp, fn, tn: (divide(tp, tp + fn) + divide(tn, tn + fp)) / 2,
    "mcc": mcc,
    "lr_positive": lr_positive,
    "lr_negative": lr_negative,
}
"""Metric -> its function of the numbers of decisions."""

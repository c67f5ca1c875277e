"""Metrics of yes-or-no decisions on one class against the rest."""

from __future__ import annotations

import numpy as np

from covidx.evaluate.auroc import ONE_CLASS
from covidx.evaluate.bootstrap import Clusters, FloatArray
from covidx.evaluate.estimate import undefined
from covidx.evaluate.likelihood import Decisions, likelihood_ratios, lr_negative, lr_positive
from covidx.evaluate.pending import Found, Pending
from covidx.evaluate.proportions import wilson_estimate
from covidx.evaluate.weighted import (
    BoolArray,
    decision_statistic,
    mean_statistic,
    ratio_statistic,
)

__all__ = ["DECISION_METRICS", "decision_family", "mcc", "share", "undecided"]

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
) -> Found:
    """A share of rows, under the name ``share``: Wilson, or the cluster bootstrap.

    Parameters
    ----------
    yes, among : bool array, shape (rows,)
        The share of rows marked `yes` among those marked `among`.
    clusters : Clusters
        The bootstrap is taken where a group has several rows.
    empty : str
        The reason if there are none.
    """
    n = int(among.sum())
    if not clusters.several_rows:
        return {"share": wilson_estimate(int((yes & among).sum()), n, empty, note, exact=exact)}
    statistic = ratio_statistic(yes & among, among, clusters)
    return {"share": Pending(statistic, n, clusters.count(among), empty, note)}


def decision_family(
    called: BoolArray,
    truth: BoolArray,
    clusters: Clusters,
    *,
    note: str = "",
    exact: bool = False,
) -> Found:
    """All of `DECISION_METRICS`.

    Parameters
    ----------
    called, truth : bool array, shape (rows,)
        Whether a row is called positive, and whether it is.
    clusters : Clusters
    note : str
        Added to every method.
    exact : bool
        Clopper and Pearson's interval for proportions of independent rows.
    """
    at = f", at the cohort's prevalence of {truth.mean():.3f}{note}"
    shares = {  # name: (successes, among, reason if there are none, note)
        "sensitivity": (called, truth, "no positive rows", note),
        "specificity": (~called, ~truth, "no negative rows", note),
        "ppv": (truth, called, "no row is called positive", at),
        "npv": (~truth, ~called, "no row is called negative", at),
        "accuracy": (called == truth, np.ones_like(truth), "no rows", note),
    }
    found: Found = {}
    for name, (yes, among, empty, told) in shares.items():
        found[name] = share(yes, among, clusters, empty, note=told, exact=exact)["share"]
    n = len(truth)
    rarer = min(clusters.count(truth), clusters.count(~truth))
    f1 = ratio_statistic(2 * (called & truth), called.astype(int) + truth, clusters)
    found["f1"] = Pending(f1, n, rarer, "no row is positive or called so", note)
    halves = [
        ratio_statistic(called & truth, truth, clusters),
        ratio_statistic(~called & ~truth, ~truth, clusters),
    ]
    found["balanced_accuracy"] = Pending(mean_statistic(halves), n, rarer, ONE_CLASS, note)
    phi = decision_statistic(called, truth, clusters, mcc)
    found["mcc"] = Pending(phi, n, 0, "one class, or one decision, only", note)
    return found | _ratios(called, truth, clusters, note)


def undecided(truth: BoolArray, reason: str) -> Found:
    """All of `DECISION_METRICS` undefined, where there is no threshold."""
    return {name: undefined(len(truth), "needs a threshold", reason) for name in DECISION_METRICS}


def mcc(tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray) -> FloatArray:
    """Matthews' correlation (Biochim Biophys Acta 1975;405:442-451); NaN if a margin is 0."""
    margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    out = np.full(len(margins), np.nan)
    np.divide(tp * tn - fp * fn, np.sqrt(margins), out=out, where=margins > 0)
    return out


def _ratios(called: BoolArray, truth: BoolArray, clusters: Clusters, note: str) -> Found:
    if not clusters.several_rows:
        counts = Decisions(
            int((called & truth).sum()),
            int((called & ~truth).sum()),
            int((~called & truth).sum()),
            int((~called & ~truth).sum()),
        )
        return dict(likelihood_ratios(counts, note))
    n = len(truth)
    positive = decision_statistic(called, truth, clusters, lr_positive)
    negative = decision_statistic(called, truth, clusters, lr_negative)
    return {
        "lr_positive": Pending(positive, n, 0, "one class only, or no false alarm", note),
        "lr_negative": Pending(negative, n, 0, "one class only, or no true negative", note),
    }

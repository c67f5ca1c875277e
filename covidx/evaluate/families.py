"""The families of metrics that `evaluate` puts together: of ranks, of decisions, of scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from covidx.evaluate.auroc import ONE_CLASS, auroc_estimate
from covidx.evaluate.bootstrap import Clusters, Replicates, bootstrap, bootstrap_estimate
from covidx.evaluate.calibration import CLIP, bin_count, calibration_line, ece_statistic
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.operating_point import OperatingPoint
from covidx.evaluate.proportions import wilson_estimate
from covidx.evaluate.rows import Rows
from covidx.evaluate.weighted import (
    BoolArray,
    auroc_statistic,
    average_precision_statistic,
    mean_statistic,
    ratio_statistic,
)

__all__ = ["auroc_family", "score_family", "threshold_family"]


def auroc_family(rows: Rows, seed: int, resamples: int) -> dict[str, Estimate]:
    """``auroc``, and with more than two classes ``auroc_<class>`` and ``auroc_macro``."""
    clusters = rows.clusters
    targets = {"auroc": (rows.scores, rows.truth)}
    if len(rows.classes) > 2:
        for k, name in enumerate(rows.classes):
            targets[f"auroc_{name}"] = (rows.probabilities[:, k], rows.labels == k)
    statistics = {name: auroc_statistic(*target, clusters) for name, target in targets.items()}
    per_class = [name for name in targets if name != "auroc"]
    wanted = dict(statistics) if clusters.several_rows else {}
    if per_class:
        wanted["auroc_macro"] = mean_statistic([statistics[name] for name in per_class])
    drawn = bootstrap(wanted, clusters, seed=seed, resamples=resamples)
    found = {}
    for name, (scores, truth) in targets.items():
        if name in drawn:
            found[name] = _drawn(drawn[name], rows, _rarer(clusters, truth), ONE_CLASS)
        else:
            found[name] = auroc_estimate(scores, truth)
    if per_class:
        bound = min(_rarer(clusters, targets[name][1]) for name in per_class)
        found["auroc_macro"] = _drawn(
            drawn["auroc_macro"], rows, bound, "a class is absent", ", mean over classes"
        )
    return found


def _proportions(rows: Rows, called: BoolArray, seed: int, resamples: int) -> dict[str, Estimate]:
    """Shares of rows: Wilson, or the cluster bootstrap where a group has several rows."""
    truth, clusters = rows.truth, rows.clusters
    everyone = np.ones_like(truth)
    at = f", at the cohort's prevalence of {truth.mean():.3f}"
    shares = {  # name: (successes, among, reason if there are none, note)
        "sensitivity": (called, truth, "no positive rows", ""),
        "specificity": (~called, ~truth, "no negative rows", ""),
        "ppv": (truth, called, "no row is called positive", at),
        "npv": (~truth, ~called, "no row is called negative", at),
        "accuracy": (called == truth, everyone, "no rows", ""),
    }
    if len(rows.classes) > 2:
        right = rows.probabilities.argmax(axis=1) == rows.labels
        note = f", most probable of {len(rows.classes)} classes"
        shares["accuracy_argmax"] = (right, everyone, "no rows", note)
    drawn: dict[str, Replicates] = {}
    if clusters.several_rows:
        statistics = {
            name: ratio_statistic(yes & among, among, clusters)
            for name, (yes, among, *_) in shares.items()
        }
        drawn = bootstrap(statistics, clusters, seed=seed, resamples=resamples)
    found = {}
    for name, (yes, among, empty, note) in shares.items():
        n = int(among.sum())
        if name in drawn:
            found[name] = bootstrap_estimate(
                drawn[name], clusters, n, bound_n=clusters.count(among), empty=empty, note=note
            )
        else:
            found[name] = wilson_estimate(int((yes & among).sum()), n, empty, note)
    return found


def threshold_family(
    rows: Rows, called: BoolArray, point: OperatingPoint, seed: int, resamples: int
) -> dict[str, Estimate]:
    """Everything that needs a decision; the most probable class needs no threshold."""
    truth, clusters = rows.truth, rows.clusters
    hits = [ratio_statistic(called & truth, truth, clusters)]
    hits += [ratio_statistic(~called & ~truth, ~truth, clusters)]
    statistics = {
        "f1": ratio_statistic(2 * (called & truth), called.astype(int) + truth, clusters),
        "balanced_accuracy": mean_statistic(hits),
    }
    drawn = bootstrap(statistics, clusters, seed=seed, resamples=resamples)
    rarer = _rarer(clusters, truth)
    found = _proportions(rows, called, seed, resamples)
    argmax = {k: found.pop(k) for k in ("accuracy_argmax",) if k in found}
    found["f1"] = _drawn(drawn["f1"], rows, rarer, "no row is positive or called so")
    found["balanced_accuracy"] = _drawn(drawn["balanced_accuracy"], rows, rarer, ONE_CLASS)
    origin = point.text
    return argmax | {
        name: replace(estimate, threshold=point.threshold, threshold_origin=origin)
        for name, estimate in found.items()
    }


def score_family(rows: Rows, seed: int, resamples: int) -> dict[str, Estimate]:
    """Metrics of the scores themselves: average precision and calibration."""
    scores, truth, clusters = rows.scores, rows.truth, rows.clusters
    bins, ones = bin_count(len(rows)), np.ones(len(rows))
    likelihood = np.clip(np.where(truth, scores, 1 - scores), CLIP, 1)
    statistics = {
        "average_precision": average_precision_statistic(scores, truth, clusters),
        "brier": ratio_statistic((scores - truth) ** 2, ones, clusters),
        "log_loss": ratio_statistic(-np.log(likelihood), ones, clusters),
        "ece": ece_statistic(scores, truth, clusters, bins),
    }
    notes = {
        "average_precision": f", at the cohort's prevalence of {truth.mean():.3f}",
        "log_loss": f", natural logarithm, scores clipped to {CLIP:g}",
        "ece": f", {bins} equal-mass bins, biased upward in small samples",
    }
    bounds = dict.fromkeys(statistics, clusters.n_groups)
    bounds |= {"average_precision": _rarer(clusters, truth), "log_loss": 0}
    drawn = bootstrap(statistics, clusters, seed=seed, resamples=resamples)
    found = {
        name: _drawn(drawn[name], rows, bounds[name], ONE_CLASS, notes.get(name, ""))
        for name in statistics
    }
    intercept, slope = calibration_line(scores, truth, clusters)
    return found | {"calibration_intercept": intercept, "calibration_slope": slope}


def _drawn(
    replicates: Replicates, rows: Rows, bound_n: int, empty: str, note: str = ""
) -> Estimate:
    return bootstrap_estimate(
        replicates, rows.clusters, len(rows), bound_n=bound_n, empty=empty, note=note
    )


def _rarer(clusters: Clusters, truth: BoolArray) -> int:
    """Groups with rows of the class that fewer groups have."""
    return min(clusters.count(truth), clusters.count(~truth))

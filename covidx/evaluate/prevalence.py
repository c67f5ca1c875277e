"""Predictive values at other prevalences than the sample's, by Bayes' theorem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from scipy.special import expit, logit, ndtri

from covidx.evaluate.auroc import ONE_CLASS
from covidx.evaluate.blocks import FloatArray
from covidx.evaluate.deferred import Deferred, Estimates, compute
from covidx.evaluate.estimate import CONFIDENCE, Estimate, undefined
from covidx.evaluate.jackknife import degrees, enough
from covidx.evaluate.likelihood import ADDED, Decisions, log_ratio
from covidx.evaluate.operating_point import OperatingPoint
from covidx.evaluate.rows import Rows
from covidx.evaluate.weighted import decision_cells, decision_statistic, divide

PREVALENCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7)
"""From screening to a ward in a wave of infections."""


@dataclass(frozen=True)
class PredictiveValues:
    """PPV and NPV at one prevalence."""

    prevalence: float
    ppv: Estimate
    npv: Estimate


def predictive_values(
    rows: Rows,
    point: OperatingPoint,
    prevalences: Sequence[float] = PREVALENCES,
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> list[PredictiveValues]:
    """PPV and NPV by prevalence, as sensitivity and specificity would give them.

    It holds sensitivity and specificity fixed while prevalence moves, which is not so where the
    spectrum of disease moves with it. Independent rows: `logit_interval`; else the
    jackknife over groups.

    Parameters
    ----------
    rows : Rows
        Test rows.
    point : OperatingPoint
        Chosen beforehand, on other rows.
    prevalences : sequence of float
        Each between 0 and 1, both excluded.
    seed, resamples : int
        As in `compute`.
    """
    called, truth, clusters = point.decide(rows.scores), rows.truth, rows.clusters
    if clusters.several_rows:
        metrics: Estimates = {}
        df = enough(degrees(clusters, truth))
        rarer = clusters.rarer(truth) if df else 0
        cells = decision_cells(called, truth, clusters)
        for p in prevalences:
            for name, function in (("ppv", _ppv), ("npv", _npv)):
                statistic = decision_statistic(cells, partial(function, p))
                note = f", by Bayes at a prevalence of {p:g}"
                metrics[f"{name} {p}"] = Deferred(
                    statistic, len(rows), rarer, ONE_CLASS, note, df, "share"
                )
        estimates = compute(metrics, clusters, seed=seed, resamples=resamples)
        pairs = [(estimates[f"ppv {p}"], estimates[f"npv {p}"]) for p in prevalences]
        return [PredictiveValues(p, *pair) for p, pair in zip(prevalences, pairs, strict=True)]
    counts = Decisions(
        int((called & truth).sum()),
        int((called & ~truth).sum()),
        int((~called & truth).sum()),
        int((~called & ~truth).sum()),
    )
    return [PredictiveValues(p, *logit_interval(counts, p)) for p in prevalences]


def logit_interval(counts: Decisions, prevalence: float) -> tuple[Estimate, Estimate]:
    """PPV and NPV of independent rows `counts` at `prevalence` with the logit interval.

    logit PPV = logit prevalence + log LR+, logit NPV = -logit prevalence - log LR-; the interval
    is that of the logarithm of the likelihood ratio. Where a count is 0, z²/2 is added to each
    for the interval, which is widened to hold the value.

    References
    ----------
    Mercaldo, Lau and Zhou, Stat Med 2007;26:2170-2183.
    """
    c = counts
    positive = _bayes(c.tp, c.fp, c, logit(prevalence), prevalence, "PPV")
    negative = _bayes(c.tn, c.fn, c, -logit(prevalence), prevalence, "NPV")
    return positive, negative


def _bayes(
    right: float, wrong: float, c: Decisions, odds: float, prevalence: float, name: str
) -> Estimate:
    """Share of `right` among those called so; `odds` is the logit of their class's prevalence."""
    n = int(c.positives + c.negatives)
    method = f"{name} by Bayes at a prevalence of {prevalence:g}, logit interval"
    among, others = (c.positives, c.negatives) if name == "PPV" else (c.negatives, c.positives)
    if not among or not others:
        return undefined(n, method, ONE_CLASS)
    if right + wrong == 0:
        return undefined(n, method, f"no row is called {_sign(name)}")
    ahead, behind = right / among * expit(odds), wrong / others * expit(-odds)
    value = ahead / (ahead + behind)
    k = 0.0
    if min(c.tp, c.fp, c.fn, c.tn) == 0:
        k, method = c.with_added().tp - c.tp, f"{method}, {ADDED}"
    log, error = log_ratio(right + k, among + 2 * k, wrong + k, others + 2 * k)
    half = float(ndtri(0.5 + CONFIDENCE / 2)) * error
    low, high = float(expit(odds + log - half)), float(expit(odds + log + half))
    return Estimate(value, min(low, value), max(high, value), n, method)


def _sign(name: str) -> str:
    return "positive" if name == "PPV" else "negative"


def _ppv(p: float, tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray) -> FloatArray:
    return _share(tp * (fp + tn) * p, fp * (tp + fn) * (1 - p))


def _npv(p: float, tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray) -> FloatArray:
    return _share(tn * (tp + fn) * (1 - p), fn * (fp + tn) * p)


def _share(right: FloatArray, wrong: FloatArray) -> FloatArray:
    """right / (right + wrong); NaN where both are 0."""
    return divide(right, right + wrong)

"""Do scores mean what they say? Reliability bins, expected calibration error, slope, intercept."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import chi2
from scipy.stats import f as f_distribution

from covidx.evaluate.blocks import FloatArray, IntArray, Statistic
from covidx.evaluate.clusters import Clusters
from covidx.evaluate.decisions import share
from covidx.evaluate.deferred import compute
from covidx.evaluate.estimate import Estimate, undefined
from covidx.evaluate.intervals import quantile
from covidx.evaluate.jackknife import degrees
from covidx.evaluate.significance import PValue, no_test
from covidx.evaluate.weighted import BoolArray

MOST_BINS, FEWEST_ROWS = 10, 10
"""At most ten bins, each of about ten rows at least. Modelling choice."""
ROOT_2_PI = math.sqrt(2 / math.pi)
NO_ECE_INTERVAL = "chance alone moves it up, so that no interval would hold 0"
CLIP = 1e-6
"""Scores are clipped to this distance from 0 and 1 before a logarithm is taken."""


@dataclass(frozen=True)
class Bin:
    """Rows of similar score: their mean score, and the share of positives among them."""

    n: int
    mean_score: float
    observed: Estimate


def bin_count(n: int) -> int:
    """Number of bins for `n` rows: one per ten rows, at least 2 and at most 10."""
    return max(2, min(MOST_BINS, n // FEWEST_ROWS))


def equal_mass_bins(scores: FloatArray, bins: int) -> IntArray:
    """Bin of each row, shape (rows,), in order of `scores`, `bins` of about as many rows each.

    Rows of equal score share a bin, so that there may be fewer bins than requested.
    """
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1], method="lower"))
    _, codes = np.unique(np.searchsorted(edges, scores, side="left"), return_inverse=True)
    return codes.astype(np.int64)


def reliability(
    scores: FloatArray,
    truth: BoolArray,
    clusters: Clusters,
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> list[Bin]:
    """Observed share of positives by bin of score, with an interval each.

    Equal-mass bins (`bin_count`, `equal_mass_bins`); Wilson's interval, or the jackknife over
    groups where a group has several rows.

    Parameters
    ----------
    scores : array, shape (rows,)
        Between 0 and 1.
    truth : bool array, shape (rows,)
        Whether a row is positive.
    clusters : Clusters
        Groups of the rows.
    seed, resamples : int
        As in `compute`.
    """
    codes = equal_mass_bins(scores, bin_count(len(scores)))
    members = [codes == b for b in range(int(codes.max()) + 1)]
    metrics = {str(b): share(truth, m, clusters, "the bin is empty") for b, m in enumerate(members)}
    observed = compute(metrics, clusters, seed=seed, resamples=resamples)
    return [
        Bin(int(m.sum()), float(scores[m].mean()), estimate)
        for m, estimate in zip(members, observed.values(), strict=True)
    ]


def ece_statistic(scores: FloatArray, truth: BoolArray, clusters: Clusters, bins: int) -> Statistic:
    """Expected calibration error: mean distance of mean score and observed share over the rows.

    Equal-mass bins, their edges those of the whole sample (Naeini et al., AAAI 2015, with the
    adaptive bins of Nguyen and O'Connor, EMNLP 2015). It is biased upward in small samples
    (Roelofs et al., AISTATS 2022): chance alone moves every bin off the diagonal.

    Parameters
    ----------
    scores : array, shape (rows,)
        Probabilities of the positive class.
    truth : bool array, shape (rows,)
        Whether a row is positive.
    clusters : Clusters
        Groups of the rows.
    bins : int
        Number of bins, at most.
    """
    codes = equal_mass_bins(scores, bins)
    gaps = np.zeros((clusters.n_groups, int(codes.max()) + 1))
    np.add.at(gaps, (clusters.codes, codes), scores - truth)
    sizes = np.bincount(clusters.codes, minlength=clusters.n_groups)

    def statistic(counts: FloatArray) -> FloatArray:
        # n_b/n * |mean score - observed| of a bin is |sum of (score - truth)| / n.
        total: FloatArray = np.abs(gaps.T @ counts).sum(axis=0) / (sizes @ counts)
        return total

    return statistic


def calibration_error(scores: FloatArray, truth: BoolArray, clusters: Clusters) -> Estimate:
    """Expected calibration error, without an interval: none would hold 0, its least value.

    Its method says what a calibrated system has on such rows by chance, where they are
    independent, and what `calibration_test` says.

    Parameters
    ----------
    scores : array, shape (rows,)
        Probabilities of the positive class.
    truth : bool array, shape (rows,)
        Whether a row is positive.
    clusters : Clusters
        Groups of the rows.
    """
    n, bins = len(truth), bin_count(len(truth))
    value = float(ece_statistic(scores, truth, clusters, bins)(np.ones((clusters.n_groups, 1)))[0])
    method = f"{bins} equal-mass bins, biased upward in small samples"
    if not clusters.several_rows:
        codes = equal_mass_bins(scores, bins)
        # The mean of |x| is the root of 2/pi times the standard deviation of a normal x.
        spread = np.sqrt(np.bincount(codes, scores * (1 - scores)))
        method += f": a calibrated system has about {spread.sum() * ROOT_2_PI / n:.2f} by chance"
    test = calibration_test(scores, truth, clusters)
    method += f"; {test.method}: p = {test.p:.3g}" if test.reason is None else ""
    return Estimate(value, math.nan, math.nan, n, method, reason=NO_ECE_INTERVAL)


def calibration_test(scores: FloatArray, truth: BoolArray, clusters: Clusters) -> PValue:
    """Score test that intercept and slope of the calibration line are 0 and 1.

    With the scores for probabilities and x their logits, the sums of (truth - score) and of
    x (truth - score) have mean 0 and the binomial's covariance (Cox, Biometrika 1958;45:562-565;
    Miller, Hui and Tierney, Stat Med 1991;10:1213-1226). Where a group has several rows the
    covariance is that of the groups' sums, and the statistic is Hotelling's.

    Parameters
    ----------
    scores : array, shape (rows,)
        Between 0 and 1; clipped to 1e-6 from there.
    truth : bool array, shape (rows,)
        Whether a row is positive.
    clusters : Clusters
        Groups of the rows.
    """
    p = np.clip(scores, CLIP, 1 - CLIP)
    x = logit(p)
    design = np.column_stack([np.ones_like(x), x - x.mean()])
    parts, groups = design * (truth - p)[:, None], clusters.n_groups
    spread = (design * (p * (1 - p))[:, None]).T @ design
    if clusters.several_rows:
        parts = _by_group(parts, clusters)
        spread = parts.T @ parts
    total, rank = parts.sum(axis=0), int(np.linalg.matrix_rank(spread, hermitian=True))
    statistic = float(total @ np.linalg.pinv(spread, hermitian=True) @ total)
    method = "score test of calibration (intercept 0 and slope 1)"
    if not clusters.several_rows:
        return PValue(float(chi2.sf(statistic, rank)), len(p), method)
    if groups <= rank + 1 or statistic >= groups:
        return no_test(len(p), method, "too few groups")
    ratio = (groups - rank) * statistic / (rank * (groups - statistic))
    return PValue(float(f_distribution.sf(ratio, rank, groups - rank)), len(p), f"{method}, groups")


def calibration_line(
    scores: FloatArray, truth: BoolArray, clusters: Clusters
) -> tuple[Estimate, Estimate]:
    """Calibration intercept and slope (Cox, Biometrika 1958;45:562-565).

    Slope: of a logistic regression of truth on the score's logit; below 1, scores are too
    extreme. Intercept: calibration in the large, with the slope held at 1; below 0, scores are
    too high (Van Calster et al., BMC Med 2019;17:230). Scores are clipped to 1e-6 from 0 and 1.
    Intervals are Wald's with Student's t with `degrees`, and the variance of a jackknife over
    groups by one Newton step each (CR3: Bell and McCaffrey, Surv Methodol 2002;28:169-181); the
    usual sandwich covers 0.91 with 40 groups.

    Parameters
    ----------
    scores : array, shape (rows,)
        Between 0 and 1.
    truth : bool array, shape (rows,)
        Whether a row is positive.
    clusters : Clusters
        Groups of the rows.

    Returns
    -------
    intercept, slope : Estimate
        NaN with a reason where the regression has no solution (one class; for the slope also
        perfect separation, or one score for all).
    """
    x = logit(np.clip(scores, CLIP, 1 - CLIP))
    intercept, line = _intercept(x, truth), _newton(x, truth)
    df, ones = degrees(clusters, truth), np.ones((len(x), 1))
    fits = (
        None if intercept is None else _error(np.array([intercept]), ones, x, truth, clusters),
        None if line is None else _error(line, np.column_stack([x, ones]), 0 * x, truth, clusters),
    )
    names = (
        "calibration in the large, logistic offset",
        "calibration slope, logistic recalibration",
    )
    estimates = [_wald(fit, df, len(x), name) for fit, name in zip(fits, names, strict=True)]
    return estimates[0], estimates[1]


def logistic_line(scores: FloatArray, truth: BoolArray) -> tuple[float, float] | None:
    """Slope and intercept of a logistic regression of `truth` on the logit of `scores`, or None."""
    line = _newton(logit(np.clip(scores, CLIP, 1 - CLIP)), truth)
    return None if line is None else (float(line[0]), float(line[1]))


def _intercept(x: FloatArray, truth: BoolArray) -> float | None:
    """The one root of the sum of (truth - expit(a + x)); None with one class."""
    if not truth.any() or truth.all():
        return None
    odds = logit(truth.mean())  # at the ends every probability is below, or above, the mean
    ends = odds - x.max() - 1e-9, odds - x.min() + 1e-9
    return float(brentq(lambda a: float((expit(a + x) - truth).sum()), *ends, xtol=1e-12))


def _newton(x: FloatArray, truth: BoolArray) -> FloatArray | None:
    """Slope and intercept of truth on x; None where the likelihood has no greatest value.

    Newton's step is halved until the likelihood, which is concave, grows.
    """
    low, high = (x[truth], x[~truth]) if truth.any() and not truth.all() else (x, x)
    if low.min() >= high.max() or high.min() >= low.max():  # separated, or one score for all
        return None
    design, beta = np.column_stack([x, np.ones_like(x)]), np.zeros(2)

    def likelihood(at: FloatArray) -> float:
        z = design @ at
        return float((z[truth]).sum() - np.logaddexp(0, z).sum())

    for _ in range(100):
        p = expit(design @ beta)
        hessian = (design * (p * (1 - p))[:, None]).T @ design
        step = np.linalg.lstsq(hessian, design.T @ (truth - p), rcond=None)[0]
        now = likelihood(beta)
        while likelihood(beta + step) < now - 1e-9 * abs(now) and np.abs(step).max() > 1e-10:
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < 1e-9 * max(1.0, float(np.abs(beta).max())):
            break
    return beta


def _error(
    beta: FloatArray, design: FloatArray, offset: FloatArray, truth: BoolArray, clusters: Clusters
) -> tuple[float, float] | None:
    """First coefficient and its standard error; None with too few rows or groups."""
    n, k, groups = len(truth), design.shape[1], clusters.n_groups
    if groups < 2 or n <= k:
        return None
    p = expit(offset + design @ beta)
    sums = _by_group(design * (truth - p)[:, None], clusters)
    products = design[:, :, None] * design[:, None, :] * (p * (1 - p))[:, None, None]
    hessians = _by_group(products.reshape(n, k * k), clusters).reshape(groups, k, k)
    moved = np.linalg.pinv(hessians.sum(axis=0) - hessians, hermitian=True) @ sums[:, :, None]
    variance = (groups - 1) / groups * float((moved[:, 0, 0] ** 2).sum())
    return float(beta[0]), math.sqrt(variance)


def _by_group(columns: FloatArray, clusters: Clusters) -> FloatArray:
    """Sums (rows, columns) within groups: (groups, columns)."""
    sums = np.zeros((clusters.n_groups, columns.shape[1]))
    np.add.at(sums, clusters.codes, columns)
    return sums


def _wald(fit: tuple[float, float] | None, df: float, n: int, what: str) -> Estimate:
    method = f"{what}, cluster-robust Wald interval, t with {df:.0f} degrees of freedom"
    if fit is None or df < 1:
        return undefined(n, method, "the logistic regression has no solution on these rows")
    half = quantile(df) * fit[1]
    return Estimate(fit[0], fit[0] - half, fit[0] + half, n, method)

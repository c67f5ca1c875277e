"""Do scores mean what they say? Reliability bins, expected calibration error, slope, intercept."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtri

from covidx.evaluate.bootstrap import (
    Clusters,
    FloatArray,
    IntArray,
    Statistic,
    bootstrap,
    bootstrap_estimate,
)
from covidx.evaluate.estimate import CONFIDENCE, Estimate, undefined
from covidx.evaluate.proportions import wilson_estimate
from covidx.evaluate.weighted import BoolArray, ratio_statistic

__all__ = [
    "Bin",
    "bin_count",
    "calibration_line",
    "ece_statistic",
    "equal_mass_bins",
    "logistic_line",
    "reliability",
]

MOST_BINS = 10
FEWEST_ROWS = 10
"""At most ten bins, each of about ten rows at least. Modelling choice."""

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
    """Bin of each row, shape (rows,), in order of score, with about as many rows in each.

    Rows of equal score share a bin, so that there may be fewer bins than asked for.
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

    Equal-mass bins (`bin_count`, `equal_mass_bins`); Wilson's interval, or the cluster bootstrap
    where a group has several rows.
    """
    codes = equal_mass_bins(scores, bin_count(len(scores)))
    members = [codes == b for b in range(int(codes.max()) + 1)]
    if not clusters.several_rows:
        observed = [
            wilson_estimate(int(truth[m].sum()), int(m.sum()), "the bin is empty") for m in members
        ]
    else:
        statistics = {
            str(b): ratio_statistic(m & truth, m, clusters) for b, m in enumerate(members)
        }
        drawn = bootstrap(statistics, clusters, seed=seed, resamples=resamples)
        observed = [
            bootstrap_estimate(
                drawn[str(b)],
                clusters,
                int(m.sum()),
                bound_n=clusters.count(m),
                empty="the bin is empty",
            )
            for b, m in enumerate(members)
        ]
    return [
        Bin(int(m.sum()), float(scores[m].mean()), estimate)
        for m, estimate in zip(members, observed, strict=True)
    ]


def ece_statistic(scores: FloatArray, truth: BoolArray, clusters: Clusters, bins: int) -> Statistic:
    """Expected calibration error: mean distance of mean score and observed share over the rows.

    Equal-mass bins, their edges those of the whole sample (Naeini et al., AAAI 2015, with the
    adaptive bins of Nguyen and O'Connor, EMNLP 2015). It is biased upward in small samples
    (Roelofs et al., AISTATS 2022): chance alone moves every bin off the diagonal.
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


def calibration_line(
    scores: FloatArray, truth: BoolArray, clusters: Clusters
) -> tuple[Estimate, Estimate]:
    """Calibration intercept and slope (Cox, Biometrika 1958;45:562-565).

    Slope: of a logistic regression of truth on the score's logit; below 1, scores are too
    extreme. Intercept: calibration in the large, with the slope held at 1; below 0, scores are
    too high (Van Calster et al., BMC Med 2019;17:230). Scores are clipped to 1e-6 from 0 and 1.
    Intervals are Wald's from the cluster-robust (sandwich) variance with the correction
    G/(G-1) (n-1)/(n-k) for G groups and k parameters.

    Returns
    -------
    intercept, slope : Estimate
        NaN with a reason where the regression has no solution (one class, perfect separation).
    """
    x = logit(np.clip(scores, CLIP, 1 - CLIP))
    ones = np.ones((len(x), 1))
    intercept = _fit(ones, x, truth, clusters)
    slope = _fit(np.column_stack([x, ones]), np.zeros_like(x), truth, clusters)
    return (
        _wald(intercept, len(x), "calibration in the large, logistic offset"),
        _wald(slope, len(x), "calibration slope, logistic recalibration"),
    )


def logistic_line(scores: FloatArray, truth: BoolArray) -> tuple[float, float] | None:
    """Slope and intercept of a logistic regression of truth on the score's logit, or None."""
    x = logit(np.clip(scores, CLIP, 1 - CLIP))
    found = _newton(np.column_stack([x, np.ones(len(x))]), np.zeros_like(x), truth)
    return None if found is None else (float(found[0][0]), float(found[0][1]))


def _newton(
    design: FloatArray, offset: FloatArray, truth: BoolArray
) -> tuple[FloatArray, FloatArray] | None:
    """Coefficients and Hessian of a logistic regression; None if it does not converge."""
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        p = expit(offset + design @ beta)
        hessian = (design * (p * (1 - p))[:, None]).T @ design
        if not np.isfinite(hessian).all() or np.linalg.cond(hessian) > 1e12:
            return None
        step = np.linalg.solve(hessian, design.T @ (truth - p))
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            return None if np.abs(beta).max() > 1 / CLIP else (beta, hessian)
    return None


def _fit(
    design: FloatArray, offset: FloatArray, truth: BoolArray, clusters: Clusters
) -> tuple[float, float] | None:
    """First coefficient and its standard error; None if there is no solution."""
    n, k, groups = len(truth), design.shape[1], clusters.n_groups
    found = _newton(design, offset, truth)
    if found is None or groups < 2 or n <= k:
        return None
    beta, hessian = found
    parts = np.zeros((groups, k))
    np.add.at(parts, clusters.codes, design * (truth - expit(offset + design @ beta))[:, None])
    bread = np.linalg.inv(hessian)
    variance = bread @ (parts.T @ parts) @ bread * groups / (groups - 1) * (n - 1) / (n - k)
    return float(beta[0]), math.sqrt(variance[0, 0])


def _wald(fit: tuple[float, float] | None, n: int, what: str) -> Estimate:
    method = f"{what}, cluster-robust Wald interval"
    if fit is None:
        return undefined(n, method, "the logistic regression has no solution on these rows")
    half = float(ndtri(0.5 + CONFIDENCE / 2)) * fit[1]
    return Estimate(fit[0], fit[0] - half, fit[0] + half, n, method)

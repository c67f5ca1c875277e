"""AUROC with DeLong's variance."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import expit, logit, ndtri
from scipy.stats import rankdata

from covidx.evaluate.bootstrap import FloatArray
from covidx.evaluate.estimate import CONFIDENCE, Estimate, undefined
from covidx.evaluate.proportions import wilson
from covidx.evaluate.weighted import BoolArray

__all__ = ["auroc_estimate", "delong"]

ONE_CLASS = "the rows hold one class only"


def delong(scores: FloatArray, truth: BoolArray) -> tuple[FloatArray, FloatArray]:
    """AUROCs of several scores on the same rows, and their covariance.

    Parameters
    ----------
    scores : array, shape (scores, rows)
        Higher means more likely positive; ties count one half.
    truth : bool array, shape (rows,)
        Whether a row is positive; both classes must occur.

    Returns
    -------
    values : array, shape (scores,)
    covariance : array, shape (scores, scores)
        NaN if a class has one row only.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson, Biometrics 1988;44:837-845, by the midranks of Sun and Xu,
    IEEE Signal Process Lett 2014;21:1389-1393 (n log n instead of n squared).
    """
    m, n = int(truth.sum()), int((~truth).sum())
    overall = rankdata(scores, axis=1)  # (scores, rows), midranks
    # Share of the other class that each row beats; DeLong's V10 and V01.
    above = (overall[:, truth] - rankdata(scores[:, truth], axis=1)) / n
    below = 1 - (overall[:, ~truth] - rankdata(scores[:, ~truth], axis=1)) / m
    if min(m, n) < 2:
        return above.mean(axis=1), np.full((len(scores), len(scores)), np.nan)
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return above.mean(axis=1), covariance


def auroc_estimate(scores: FloatArray, truth: BoolArray) -> Estimate:
    """AUROC of independent rows with DeLong's interval on the logit scale.

    On the logit scale, since there the interval stays within 0 and 1 and covers better near 1
    and in small samples (Pepe, The Statistical Evaluation of Medical Tests, 2003, section 5.2;
    Qin and Hotilovac, Stat Methods Med Res 2008;17:207-221).

    Where DeLong's variance is 0 (perfect separation) or undefined (one row in a class), the
    interval is Wilson's with n = rows of the rarer class: the score interval under van Dantzig's
    bound Var <= A(1-A)/min(m, n) (Birnbaum and Klose, Ann Math Stat 1957;28:933-945), which
    is conservative.

    Parameters
    ----------
    scores : array, shape (rows,)
    truth : bool array, shape (rows,)

    Returns
    -------
    Estimate
        NaN with a reason if one class is absent.
    """
    n, rarer = len(truth), int(min(truth.sum(), (~truth).sum()))
    if rarer == 0:
        return undefined(n, "AUROC", ONE_CLASS)
    values, covariance = delong(scores[None], truth)
    value, variance = float(values[0]), float(covariance[0, 0])
    if 0 < value < 1 and variance > 0:
        z = float(ndtri(0.5 + CONFIDENCE / 2))
        half = z * math.sqrt(variance) / (value * (1 - value))
        low, high = (float(expit(logit(value) + side * half)) for side in (-1, 1))
        return Estimate(value, low, high, n, "AUROC, DeLong interval on the logit scale")
    low, high = wilson(min(max(value, 0.0), 1.0) * rarer, rarer)
    method = f"AUROC, Wilson interval with n = {rarer} (rows of the rarer class), conservative"
    return Estimate(value, low, high, n, f"{method}, as DeLong's variance is 0 or undefined")

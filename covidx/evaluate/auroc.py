"""AUROC with DeLong's variance."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri
from scipy.stats import rankdata

from covidx.evaluate.blocks import FloatArray
from covidx.evaluate.estimate import CONFIDENCE, Estimate, few, undefined
from covidx.evaluate.proportions import wilson
from covidx.evaluate.weighted import BoolArray

NEWCOMBE = "Newcombe's score interval with Hanley and McNeil's variance, for few rows"
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


def auroc_estimate(scores: FloatArray, truth: BoolArray, note: str = "") -> Estimate:
    """AUROC of independent rows with DeLong's interval on the logit scale.

    On the logit scale, since there the interval stays within 0 and 1 and covers better near 1
    and in small samples (Pepe, The Statistical Evaluation of Medical Tests, 2003, section 5.2;
    Qin and Hotilovac, Stat Methods Med Res 2008;17:207-221).

    Few rows (`few`) have a score interval instead, `newcombe_auroc`: with 5 positives DeLong's
    covers 0.74 to 0.95, it 0.95 to 0.97.

    Where DeLong's variance is 0 (perfect separation) or undefined (one row in a class), the
    interval is Wilson's with n = rows of the rarer class: the score interval under van Dantzig's
    bound Var <= A(1-A)/min(m, n) (Birnbaum and Klose, Ann Math Stat 1957;28:933-945), which
    is conservative.

    Parameters
    ----------
    scores : array, shape (rows,)
        Higher means more likely positive.
    truth : bool array, shape (rows,)
        Whether a row is positive.
    note : str
        Added to the method.

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
        if few(n, rarer):
            low, high = newcombe_auroc(value, rarer, n - rarer)
            return Estimate(value, low, high, n, f"AUROC, {NEWCOMBE}{note}")
        z = float(ndtri(0.5 + CONFIDENCE / 2))
        half = z * math.sqrt(variance) / (value * (1 - value))
        low, high = (float(expit(logit(value) + side * half)) for side in (-1, 1))
        return Estimate(value, low, high, n, f"AUROC, DeLong interval on the logit scale{note}")
    low, high = wilson(min(max(value, 0.0), 1.0) * rarer, rarer)
    method = f"AUROC, Wilson interval with n = {rarer} (rows of the rarer class), conservative"
    return Estimate(value, low, high, n, f"{method}, as DeLong's variance is 0 or undefined{note}")


def newcombe_auroc(value: float, m: int, n: int) -> tuple[float, float]:
    """Score interval of an AUROC: Newcombe's method 5.

    All areas A that lie within z standard errors of `value`, these taken at A by Hanley and
    McNeil's formula (Radiology 1982;143:29-36) with (m + n)/2 for both numbers of rows.

    Parameters
    ----------
    value : float
        Between 0 and 1, both excluded.
    m, n : int
        Rows of the two classes.

    References
    ----------
    Newcombe, Stat Med 2006;25:559-573.
    """
    z, more = float(ndtri(0.5 + CONFIDENCE / 2)), (m + n) / 2 - 1

    def apart(area: float) -> float:
        spread = 1 + more * (1 - area) / (2 - area) + more * area / (1 + area)
        return (value - area) ** 2 - z * z * area * (1 - area) * spread / (m * n)

    return float(brentq(apart, 0, value)), float(brentq(apart, value, 1))

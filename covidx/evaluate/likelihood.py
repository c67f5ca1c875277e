"""Likelihood ratios, and the predictive values that follow from them at any prevalence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from covidx.evaluate.blocks import FloatArray
from covidx.evaluate.estimate import CONFIDENCE, Estimate, undefined

ADDED = "the interval with z²/2 added to each count (Mercaldo), as a count is 0"


@dataclass(frozen=True)
class Decisions:
    """Numbers of independent rows by truth and decision."""

    tp: float
    fp: float
    fn: float
    tn: float

    @property
    def positives(self) -> float:
        """Rows of the positive class."""
        return self.tp + self.fn

    @property
    def negatives(self) -> float:
        """Rows of the rest."""
        return self.fp + self.tn

    def with_added(self) -> Decisions:
        """Half of z squared added to each count, so that none is 0."""
        k = float(ndtri(0.5 + CONFIDENCE / 2)) ** 2 / 2
        return Decisions(self.tp + k, self.fp + k, self.fn + k, self.tn + k)


def log_ratio(
    hits: float, positives: float, alarms: float, negatives: float
) -> tuple[float, float]:
    """Logarithm of (hits/positives) / (alarms/negatives), and its standard error.

    Parameters
    ----------
    hits, positives : float
        Positive decisions among positive rows, and these rows.
    alarms, negatives : float
        Positive decisions among the other rows, and these rows.
    """
    variance = (1 - hits / positives) / hits + (1 - alarms / negatives) / alarms
    return math.log(hits * negatives / (alarms * positives)), math.sqrt(variance)


def likelihood_ratios(counts: Decisions, note: str = "") -> dict[str, Estimate]:
    """LR+ and LR- of independent rows with the log method's interval.

    LR+ is sensitivity / (1 - specificity), LR- is (1 - sensitivity) / specificity. An infinite
    ratio (no false alarm) is undefined and says so; where a count is 0 the interval is that of
    the counts with z²/2 added (Mercaldo, Lau and Zhou, Stat Med 2007;26:2170-2183), widened to
    hold the value.

    Parameters
    ----------
    counts : Decisions
        Numbers of rows by truth and decision.
    note : str
        Added to the method.

    References
    ----------
    Simel, Samsa and Matchar, J Clin Epidemiol 1991;44:763-770.
    """
    c = counts
    return {
        "lr_positive": _ratio(c.tp, c.fp, c, note, "no false alarm: the ratio is infinite"),
        "lr_negative": _ratio(c.fn, c.tn, c, note, "nobody is rightly called negative"),
    }


def _ratio(hits: float, alarms: float, c: Decisions, note: str, infinite: str) -> Estimate:
    method, n = f"likelihood ratio, log method{note}", int(c.positives + c.negatives)
    if not c.positives or not c.negatives:
        return undefined(n, method, "the rows hold one class only")
    if alarms == 0:
        return undefined(n, method, infinite)
    value = hits * c.negatives / (alarms * c.positives)
    sure = hits == c.positives and alarms == c.negatives  # all are called the same
    if hits == 0 or sure:
        k = c.with_added().tp - c.tp
        log, error = log_ratio(hits + k, c.positives + 2 * k, alarms + k, c.negatives + 2 * k)
        method = f"{method}, {ADDED}"
    else:
        log, error = log_ratio(hits, c.positives, alarms, c.negatives)
    half = float(ndtri(0.5 + CONFIDENCE / 2)) * error
    low, high = math.exp(log - half), math.exp(log + half)
    return Estimate(value, min(low, value), max(high, value), n, method)


def lr_positive(tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray) -> FloatArray:
    """LR+ of each draw; infinite where no false alarm was drawn, NaN where a class is absent.

    Parameters
    ----------
    tp, fp, fn, tn : array, shape (draws,)
        Numbers of true and false, positive and negative decisions.
    """
    return _quotient(tp * (fp + tn), fp * (tp + fn))


def lr_negative(tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray) -> FloatArray:
    """LR- of each draw; infinite without a true negative, NaN where a class is absent.

    Parameters
    ----------
    tp, fp, fn, tn : array, shape (draws,)
        Numbers of true and false, positive and negative decisions.
    """
    return _quotient(fn * (fp + tn), tn * (tp + fn))


def _quotient(above: FloatArray, below: FloatArray) -> FloatArray:
    out = np.where(above > 0, np.inf, np.nan)
    np.divide(above, below, out=out, where=below != 0)
    return out

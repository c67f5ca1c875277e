"""Intervals from a standard error, with Student's t."""

from __future__ import annotations

import math
from typing import Literal

from scipy.special import stdtrit

from covidx.evaluate.estimate import CONFIDENCE

Scale = Literal["plain", "share", "ratio", "correlation"]
"""Where the interval is symmetric: as it is; as a share's score interval, with an effective n; on
the logarithm, for what is above 0; on Fisher's z, for what lies between -1 and 1."""

NO_SPREAD = 1e-12


def quantile(df: float) -> float:
    """Student's t with `df` degrees of freedom above which, and below whose negative, 2.5 % lie.

    Examples
    --------
    >>> print(f"{quantile(9):.3f}")
    2.262
    """
    return float(stdtrit(df, 0.5 + CONFIDENCE / 2))


def interval(value: float, error: float, df: float, scale: Scale) -> tuple[float, float]:
    """Two-sided 95 % interval from a standard error.

    A share's is Wilson's score interval with the number of independent rows that would have this
    standard error, and t in place of z (Korn and Graubard, Surv Methodol 1998;24:193-201; with
    Wilson's: Franco et al., J Surv Stat Methodol 2019;7:334-364).

    Parameters
    ----------
    value, error : float
        The error on the plain scale, above 0.
    df : float
        Degrees of freedom, above 0.
    scale : str
        See `Scale`; a value at the end of its scale has no interval.

    Returns
    -------
    low, high : float
        NaN where there is none.
    """
    t = quantile(df)
    if scale == "plain":
        return value - t * error, value + t * error
    if scale == "share" and 0 < value < 1:
        rows = value * (1 - value) / error**2
        centre = (value + t * t / (2 * rows)) / (1 + t * t / rows)
        half = t / (1 + t * t / rows) * math.sqrt(error**2 + t * t / (4 * rows * rows))
        return centre - half, centre + half
    if scale == "ratio" and value > 0:
        half = t * error / value
        return value * math.exp(-half), value * math.exp(half)
    if scale == "correlation" and abs(value) < 1:
        half = t * error / (1 - value**2)
        return math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)
    return math.nan, math.nan

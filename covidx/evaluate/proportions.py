"""Intervals for proportions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import betaincinv, ndtri

from covidx.evaluate.estimate import CONFIDENCE, Estimate, undefined


def wilson(successes: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval for `successes` out of `n` independent rows.

    Parameters
    ----------
    successes : float
        Between 0 and `n`. Need not be whole: the mean of any variable between 0 and 1 has a
        variance of at most p(1-p)/n, so that the interval is conservative for such a mean.
    n : float
        At least 1; an effective number need not be whole.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    low, high : float
        Within 0 and 1, exactly 0 or 1 where no success or no failure was seen.

    Raises
    ------
    ValueError
        If `n` is below 1 or `successes` outside 0..n.

    References
    ----------
    Wilson, J Am Stat Assoc 1927;22:209-212. Recommended over Wald's and the exact interval by
    Brown, Cai and DasGupta, Stat Sci 2001;16:101-133.

    Examples
    --------
    >>> low, high = wilson(9, 10)
    >>> print(f"{low:.4f} {high:.4f}")
    0.5958 0.9821
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"Wilson's interval needs 0 <= successes <= n and n >= 1: {successes}/{n}")
    z = float(ndtri(0.5 + confidence / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def newcombe_paired(cells: Sequence[float], rows: float | None = None) -> tuple[float, float]:
    """Interval of the difference of two proportions of the same rows: Newcombe's method 10.

    It keeps its coverage where few pairs are discordant, as a bootstrap of the pairs does not.

    Parameters
    ----------
    cells : sequence of float, length 4
        Rows where both succeed, the first alone, the second alone, and none.
    rows : float, optional
        Independent rows that these are worth, at least 1; all of them unless given.

    Returns
    -------
    low, high : float
        Of the first's proportion minus the second's.

    References
    ----------
    Newcombe, Stat Med 1998;17:2635-2650.

    Examples
    --------
    >>> low, high = newcombe_paired((36, 12, 2, 0))
    >>> print(f"{low:.4f} {high:.4f}")
    0.0569 0.3404
    """
    both, first, second, neither = cells
    n = both + first + second + neither
    p, q = (both + first) / n, (both + second) / n
    worth = n if rows is None else rows
    (low1, high1), (low2, high2) = (wilson(k * worth, worth) for k in (p, q))
    margins = p * (1 - p) * q * (1 - q) * n**4
    product = both * neither - first * second
    if product > 0:  # the correction for continuity of method 10
        product = max(product - n / 2, 0.0)
    phi = product / math.sqrt(margins) if margins > 0 else 0.0
    down = (p - low1) ** 2 - 2 * phi * (p - low1) * (high2 - q) + (high2 - q) ** 2
    up = (high1 - p) ** 2 - 2 * phi * (high1 - p) * (q - low2) + (q - low2) ** 2
    return p - q - math.sqrt(max(down, 0.0)), p - q + math.sqrt(max(up, 0.0))


def clopper_pearson(successes: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact interval of Clopper and Pearson (Biometrika 1934;26:404-413).

    It covers at least as often as it says and is wider than Wilson's.

    Parameters
    ----------
    successes, n : int
        Number of successes among `n` independent trials.
    confidence : float
        Coverage of the interval, 0 to 1.

    Examples
    --------
    >>> low, high = clopper_pearson(9, 10)
    >>> print(f"{low:.4f} {high:.4f}")
    0.5550 0.9975
    """
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1 - tail))
    return low, high


def wilson_estimate(
    successes: int, n: int, empty: str, note: str = "", *, exact: bool = False
) -> Estimate:
    """A proportion of independent rows with Wilson's interval.

    Parameters
    ----------
    successes, n : int
        Counts.
    empty : str
        The reason given if `n` is 0; the value is NaN then.
    note : str
        Added to the method.
    exact : bool
        Clopper and Pearson's interval instead.
    """
    interval = clopper_pearson if exact else wilson
    method = f"proportion, {'exact (Clopper-Pearson)' if exact else 'Wilson'} interval{note}"
    if n == 0:
        return undefined(0, method, empty)
    return Estimate(successes / n, *interval(successes, n), n, method)

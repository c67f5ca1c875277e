"""P-values of paired comparisons: McNemar's test, DeLong's test, and Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import stdtr
from scipy.stats import binomtest, chi2

from covidx.evaluate.auroc import ONE_CLASS, delong
from covidx.evaluate.blocks import FloatArray, IntArray
from covidx.evaluate.clusters import Clusters
from covidx.evaluate.estimate import Estimate, few, undefined
from covidx.evaluate.intervals import quantile
from covidx.evaluate.jackknife import degrees
from covidx.evaluate.weighted import BoolArray

FEW_PAIRS = 25
"""Discordant pairs below which McNemar's test is exact. Usual choice (the chi-squared
approximation wants an expected count of at least 10 or so in both cells)."""

NO_VARIANCE = 1e-15
"""Variance below which only rounding is left of it."""
SAME_ORDER = "the difference has no variance (the same order, or one row in a class)"

CLUSTERED = (
    "groups have several rows, which are not independent: DeLong's and McNemar's tests would be "
    "invalid; read the interval"
)


@dataclass(frozen=True)
class PValue:
    """A two-sided p-value with what it was worked out from.

    Parameters
    ----------
    p : float
        NaN where the test cannot be made.
    n : int
        Rows compared.
    method : str
        Name of the test, with what it rests on.
    reason : str, optional
        Why `p` is NaN; required exactly then.
    adjusted : float, optional
        After Holm's correction.
    family : int
        Number of tests corrected for.
    """

    p: float
    n: int
    method: str
    reason: str | None = None
    adjusted: float | None = None
    family: int = 1

    def __post_init__(self) -> None:
        if math.isnan(self.p) != (self.reason is not None):
            raise ValueError(f"A p-value has a reason exactly where it is NaN: {self}")

    def to_json(self) -> dict[str, Any]:
        """A JSON object; NaN becomes null."""
        record: dict[str, Any] = {
            "p": None if math.isnan(self.p) else self.p,
            "n": self.n,
            "method": self.method,
        }
        if self.adjusted is not None:
            record |= {"p_holm": self.adjusted, "tests": self.family}
        if self.reason is not None:
            record["reason"] = self.reason
        return record


def no_test(n: int, method: str, reason: str) -> PValue:
    """A p-value that cannot be given, and why.

    Parameters
    ----------
    n : int
        Rows that would be compared.
    method : str
        Name of the test.
    reason : str
        Why it cannot be made.
    """
    return PValue(math.nan, n, method, reason)


def mcnemar(first: BoolArray, second: BoolArray) -> PValue:
    """McNemar's test that two decisions on the same independent rows are right as often.

    Exact (binomial) for fewer than 25 discordant pairs, else chi-squared without continuity
    correction (Fagerland, Lydersen and Laake, BMC Med Res Methodol 2013;13:91).

    Parameters
    ----------
    first, second : bool array, shape (rows,)
        Whether each decision is right.

    References
    ----------
    McNemar, Psychometrika 1947;12:153-157.

    Examples
    --------
    >>> import numpy as np
    >>> first, second = np.arange(15) < 3, np.arange(15) >= 3
    >>> print(f"{mcnemar(first, second).p:.8f}")
    0.03515625
    """
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    method = f"McNemar, {b} right by the first alone, {c} by the second alone"
    if len(first) == 0:
        return no_test(0, "McNemar", "there are no such rows")
    if b + c == 0:
        return PValue(1.0, len(first), f"{method}: no discordant pair")
    if b + c < FEW_PAIRS:
        return PValue(float(binomtest(b, b + c).pvalue), len(first), f"{method}, exact")
    p = float(chi2.sf((b - c) ** 2 / (b + c), 1))
    return PValue(p, len(first), f"{method}, chi-squared without continuity correction")


def delong_difference(first: FloatArray, second: FloatArray, truth: BoolArray) -> Estimate:
    """AUROC of the first minus that of the second on the same independent rows, by DeLong.

    Parameters
    ----------
    first, second : array, shape (rows,)
        Scores of two systems.
    truth : bool array, shape (rows,)
        Whether a row is positive.
    """
    n, method = len(truth), "AUROC, DeLong's paired interval"
    if not truth.any() or truth.all():
        return undefined(n, method, ONE_CLASS)
    difference, variance = _delong(first, second, truth)
    if not variance > NO_VARIANCE:
        return Estimate(difference, math.nan, math.nan, n, method, reason=SAME_ORDER)
    df = _freedom(truth)
    half = quantile(df) * math.sqrt(variance)
    method += f", t with {df:.0f} degrees of freedom" if math.isfinite(df) else ""
    return Estimate(difference, difference - half, difference + half, n, method)


def delong_test(
    first: FloatArray, second: FloatArray, truth: BoolArray, folds: IntArray | None = None
) -> PValue:
    """DeLong's paired test that two scores on the same independent rows have one AUROC.

    Parameters
    ----------
    first, second : array, shape (rows,)
        Scores of the two systems.
    truth : bool array, shape (rows,)
        Whether a row is positive.
    folds : int array, shape (rows,), optional
        Then the mean of the folds' differences is tested.
    """
    method, n = "DeLong's paired test", len(truth)
    parts = []
    for fold in [0] if folds is None else np.unique(folds):
        here = np.ones(n, dtype=np.bool_) if folds is None else folds == fold
        if not truth[here].any() or truth[here].all():
            return no_test(n, method, ONE_CLASS)
        parts.append(_delong(first[here], second[here], truth[here]))
    difference = sum(one for one, _ in parts) / len(parts)
    variance = sum(spread for _, spread in parts) / len(parts) ** 2
    method += f" on the mean of {len(parts)} folds" if len(parts) > 1 else ""
    if not variance > NO_VARIANCE:
        return no_test(n, method, SAME_ORDER)
    z, df = difference / math.sqrt(variance), _freedom(truth)
    name = "z" if math.isinf(df) else f"t with {df:.0f} degrees of freedom"
    return PValue(float(2 * stdtr(df, -abs(z))), n, f"{method}, {name} = {z:.3f}")


def _freedom(truth: BoolArray) -> float:
    """Degrees of freedom of DeLong's difference: those of both classes where rows are few.

    With 5 positives among 500 the normal distribution's interval covers 0.90, Student's 0.97.
    """
    rarer = int(min(truth.sum(), (~truth).sum()))
    return degrees(Clusters.of(range(len(truth))), truth) if few(len(truth), rarer) else math.inf


def _delong(first: FloatArray, second: FloatArray, truth: BoolArray) -> tuple[float, float]:
    """Difference and its variance."""
    values, covariance = delong(np.stack([first, second]), truth)
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    return float(values[0] - values[1]), variance


def holm(tests: Sequence[PValue]) -> list[PValue]:
    """Correct `tests` for their number (Holm, Scand J Stat 1979;6:65-70); NaN stays out.

    Examples
    --------
    >>> tests = [PValue(p, 10, "a test") for p in (0.01, 0.04, 0.03, 0.005)]
    >>> [round(test.adjusted, 3) for test in holm(tests)]
    [0.03, 0.06, 0.06, 0.02]
    """
    known = [i for i, test in enumerate(tests) if not math.isnan(test.p)]
    corrected, largest = list(tests), 0.0
    for rank, i in enumerate(sorted(known, key=lambda i: tests[i].p)):
        largest = max(largest, min(1.0, (len(known) - rank) * tests[i].p))
        corrected[i] = replace(tests[i], adjusted=largest, family=len(known))
    return corrected

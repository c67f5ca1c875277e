"""A number that never stands alone: value, interval, n and how they were found."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

CONFIDENCE = 0.95
"""Two-sided coverage of every interval in covidx."""

FEW = 40
"""Independent patients or groups below which they are few, and half as many of one class: normal
quantiles and DeLong's variance cover too little there (docs/evaluation.md), so that intervals
take Student's t or another method, and a page says so."""

_SLACK = 1e-9
"""Rounding that an interval may miss its value by."""


@dataclass(frozen=True)
class Estimate:
    """A metric with its interval.

    Parameters
    ----------
    value : float
        The point estimate; NaN where it is not defined.
    low, high : float
        Bounds of the 95 % interval; NaN where none can be given.
    n : int
        Rows in the metric's denominator: all of them for an AUROC, the positives for a
        sensitivity, those called positive for a PPV.
    method : str
        How value and interval were found.
    threshold : float, optional
        The score from which a row counts as positive, where the metric uses one.
    threshold_origin : str, optional
        On which rows that threshold was chosen, and by which rule.
    reason : str, optional
        Why a value or an interval is NaN; required exactly then.

    Raises
    ------
    ValueError
        If a NaN has no reason, or the interval does not hold the value.
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    threshold: float | None = None
    threshold_origin: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        unknown = [math.isnan(number) for number in (self.value, self.low, self.high)]
        if any(unknown) != (self.reason is not None):
            raise ValueError(f"An estimate has a reason exactly where it has a NaN: {self}")
        if unknown[1] != unknown[2] or (unknown[0] and not unknown[1]):
            raise ValueError(f"An interval has both bounds, and a value between them: {self}")
        if not unknown[1] and not self.low - _SLACK <= self.value <= self.high + _SLACK:
            raise ValueError(f"The interval does not hold the value: {self}")

    def __str__(self) -> str:
        """For a person: ``0.91 (0.85 to 0.95)``."""
        if math.isnan(self.value):
            return f"undefined ({self.reason})"
        if math.isnan(self.low):
            return f"{self.value:.2f} (no interval: {self.reason})"
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"

    def at(self, threshold: float, origin: str) -> Estimate:
        """The same with the `threshold` that it holds at, and the threshold's `origin`."""
        return replace(self, threshold=threshold, threshold_origin=origin)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; NaN becomes null, and fields that do not apply are left out."""
        record: dict[str, Any] = {
            "value": _null(self.value),
            "low": _null(self.low),
            "high": _null(self.high),
            "n": self.n,
            "method": self.method,
        }
        for name in ("threshold", "threshold_origin", "reason"):
            if getattr(self, name) is not None:
                record[name] = getattr(self, name)
        return record


def few(groups: int, rarer: int) -> bool:
    """Whether `groups` independent groups, or `rarer` of the rarer class, are few (`FEW`).

    Examples
    --------
    >>> few(60, 20), few(60, 19), few(39, 20)
    (False, True, True)
    """
    return groups < FEW or rarer < FEW // 2


def undefined(n: int, method: str, reason: str) -> Estimate:
    """An estimate without value: NaN, and why.

    Parameters
    ----------
    n : int
        Rows in the metric's denominator.
    method : str
        How its interval would have come about.
    reason : str
        Why there is no value.
    """
    return Estimate(math.nan, math.nan, math.nan, n, method, reason=reason)


def _null(number: float) -> float | None:
    return None if math.isnan(number) else float(number)

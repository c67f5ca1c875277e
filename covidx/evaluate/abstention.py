"""What if the system may say "not sure"? Risk among the rows that it does decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from covidx.evaluate.bootstrap import FloatArray
from covidx.evaluate.decisions import share
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.operating_point import OperatingPoint
from covidx.evaluate.pending import Found, settle
from covidx.evaluate.rows import Rows
from covidx.evaluate.weighted import BoolArray

__all__ = ["WITHHELD", "Band", "Selective", "band_of", "risk_coverage"]

WITHHELD = tuple(round(0.05 * k, 2) for k in range(20))
"""Shares of validation rows withheld along the curve."""


@dataclass(frozen=True)
class Band:
    """Scores that are not decided: ``low <= score < high``, the threshold between them.

    Parameters
    ----------
    withheld : float
        Share of the validation rows that it was made to withhold.
    low, high : float
    """

    withheld: float
    low: float
    high: float

    def undecided(self, scores: FloatArray) -> BoolArray:
        """Which scores fall into the band, shape (rows,)."""
        return (scores >= self.low) & (scores < self.high)


@dataclass(frozen=True)
class Selective:
    """A band and what it did on test rows.

    Parameters
    ----------
    band : Band
    coverage : Estimate
        Share of the rows that are decided.
    risk : Estimate
        Share of wrong decisions among them.
    sensitivity, specificity : Estimate
        Among them.
    """

    band: Band
    coverage: Estimate
    risk: Estimate
    sensitivity: Estimate
    specificity: Estimate

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        found = {
            name: getattr(self, name).to_json()
            for name in ("coverage", "risk", "sensitivity", "specificity")
        }
        band = self.band
        return {"withheld": band.withheld, "low": band.low, "high": band.high, **found}


def band_of(validation: Rows, point: OperatingPoint, withheld: float) -> Band:
    """The band that withholds a share of the validation rows on either side of the threshold.

    Of those called positive the given share that lies nearest the threshold, and of those called
    negative the same share: so both kinds of decision are withheld alike, whatever the scale of
    the scores.

    Parameters
    ----------
    validation : Rows
        Role validation.
    point : OperatingPoint
    withheld : float
        At least 0, below 1.
    """
    if validation.role != "validation" or not 0 <= withheld < 1:
        raise ValueError(f"A band needs validation rows, and 0 <= share < 1: {withheld}")
    scores = np.sort(validation.scores)
    below, above = scores[scores < point.threshold], scores[scores >= point.threshold]
    k, m = int(withheld * len(below) + 0.5), int(withheld * len(above) + 0.5)
    low = float(below[-k]) if k else point.threshold
    if m == 0:
        high = point.threshold
    else:
        high = float(above[m]) if m < len(above) else float(np.nextafter(above[-1], 2))
    return Band(withheld, low, high)


def risk_coverage(
    validation: Rows, test: Rows, point: OperatingPoint, *, seed: int = 0, resamples: int = 2000
) -> list[Selective]:
    """The risk-coverage curve: bands of `WITHHELD` from validation rows, measured on test rows.

    El-Yaniv and Wiener, J Mach Learn Res 2010;11:1605-1641. Wilson's intervals, or the cluster
    bootstrap where a group has several rows.
    """
    truth, clusters = test.truth, test.clusters
    wrong = point.decide(test.scores) != truth
    bands = [band_of(validation, point, part) for part in WITHHELD]
    found: Found = {}
    for k, band in enumerate(bands):
        decided = ~band.undecided(test.scores)
        note = f", {int(decided.sum())} of {len(test)} rows decided"
        nobody = "no such row is decided"
        shares = {
            "coverage": (decided, np.ones_like(truth), ""),
            "risk": (wrong, decided, note),
            "sensitivity": (~wrong, decided & truth, note),
            "specificity": (~wrong, decided & ~truth, note),
        }
        for name, (yes, among, told) in shares.items():
            one = share(yes, among, clusters, nobody, note=told)["share"]
            found[f"{k} {name}"] = one
    settled = settle(found, clusters, seed=seed, resamples=resamples)
    names = ("coverage", "risk", "sensitivity", "specificity")
    return [Selective(b, *(settled[f"{k} {name}"] for name in names)) for k, b in enumerate(bands)]

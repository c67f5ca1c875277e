"""What if the system may say "not sure"? Risk among the rows that it does decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from covidx.evaluate.blocks import FloatArray, Shared
from covidx.evaluate.deferred import Deferred, Estimates, compute
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.operating_point import HONEST_ROLES, OperatingPoint
from covidx.evaluate.proportions import wilson_estimate
from covidx.evaluate.rows import Rows
from covidx.evaluate.weighted import BoolArray, divide, summed
from covidx.files import plain_object

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
        Bounds of the band, 0 to 1; `high` is not in it.
    """

    withheld: float
    low: float
    high: float

    def undecided(self, scores: FloatArray) -> BoolArray:
        """Which of `scores` fall into the band, shape (rows,)."""
        return (scores >= self.low) & (scores < self.high)


@dataclass(frozen=True)
class Selective:
    """A band and what it did on test rows.

    Parameters
    ----------
    band : Band
        Chosen on validation rows.
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
        return plain_object(
            {**vars(self.band), **{k: v for k, v in vars(self).items() if k != "band"}}
        )


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
        The threshold between decisions.
    withheld : float
        At least 0, below 1.
    """
    if validation.role not in HONEST_ROLES or not 0 <= withheld < 1:
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

    El-Yaniv and Wiener, J Mach Learn Res 2010;11:1605-1641. Wilson's intervals, or the
    jackknife over groups where a group has several rows.

    Parameters
    ----------
    validation : Rows
        Rows that choose the bands.
    test : Rows
        Rows on which they are measured.
    point : OperatingPoint
        The threshold between decisions.
    seed, resamples : int
        As in `compute`.
    """
    truth, clusters = test.truth, test.clusters
    wrong = point.decide(test.scores) != truth
    bands = [band_of(validation, point, part) for part in WITHHELD]
    cells = summed(_cells(bands, wrong, test))
    metrics: Estimates = {}
    for k, band in enumerate(bands):
        decided = ~band.undecided(test.scores)
        note = f", {int(decided.sum())} of {len(test)} rows decided"
        shares = {
            "coverage": (decided, np.ones_like(truth), ""),
            "risk": (wrong, decided, note),
            "sensitivity": (~wrong, decided & truth, note),
            "specificity": (~wrong, decided & ~truth, note),
        }
        for name, (yes, among, text) in shares.items():
            n, empty = int(among.sum()), "no such row is decided"
            if clusters.several_rows:
                statistic = Shared(cells, partial(_share, name, k))
                metrics[f"{k} {name}"] = Deferred(statistic, n, clusters.count(among), empty, text)
            else:
                right = int((yes & among).sum())
                metrics[f"{k} {name}"] = wilson_estimate(right, n, empty, text)
    estimates = compute(metrics, clusters, seed=seed, resamples=resamples)
    names = ("coverage", "risk", "sensitivity", "specificity")
    return [
        Selective(b, *(estimates[f"{k} {name}"] for name in names)) for k, b in enumerate(bands)
    ]


def _cells(bands: Sequence[Band], wrong: BoolArray, test: Rows) -> csr_matrix:
    """Rows by how many of the bands decide them, by class, by right or wrong: (cells, groups).

    Bands grow, so that a row decided by one is decided by all narrower ones.
    """
    decided = np.sum([~band.undecided(test.scores) for band in bands], axis=0)
    cell = 4 * decided + 2 * test.truth + wrong
    shape = (4 * (len(bands) + 1), test.clusters.n_groups)
    return csr_matrix((np.ones(len(test)), (cell, test.clusters.codes)), shape=shape)


def _share(name: str, k: int, totals: FloatArray) -> FloatArray:
    """A figure of band number `k` from the cells' totals (cells, draws)."""
    by = totals.reshape(-1, 2, 2, totals.shape[1])  # (decided by, class, wrong, draws)
    decided = by[k + 1 :].sum(axis=0)
    if name == "coverage":
        return divide(decided.sum(axis=(0, 1)), by.sum(axis=(0, 1, 2)))
    if name == "risk":
        return divide(decided[:, 1].sum(axis=0), decided.sum(axis=(0, 1)))
    of_class = decided[1 if name == "sensitivity" else 0]
    return divide(of_class[0], of_class.sum(axis=0))

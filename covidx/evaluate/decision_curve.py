"""Decision curves: is acting on the score better than treating all, or none?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from covidx.evaluate.blocks import FloatArray, Shared
from covidx.evaluate.deferred import Deferred, Estimates, compute
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.rows import Rows
from covidx.evaluate.weighted import summed
from covidx.files import plain_object

THRESHOLDS = (0.01, *(round(0.05 * k, 2) for k in range(1, 20)))
"""Threshold probabilities at which a reader would act."""


FEWEST_EVENTS = 5
"""Positives, and others, below the threshold from whom on the gain over treating all has an
interval: with 3 it covers 0.925 (docs/evaluation.md)."""


@dataclass(frozen=True)
class NetBenefit:
    """Net benefit at one threshold probability, per patient; treating none has 0.

    Parameters
    ----------
    threshold : float
        The probability of disease from which one would act; its odds are the harm of a false
        alarm over the benefit of a hit.
    model, treat_all : Estimate
        Net benefit of acting on the model's score, and on everyone.
    gain : Estimate
        The model's minus that of treating all.
    """

    threshold: float
    model: Estimate
    treat_all: Estimate
    gain: Estimate

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return plain_object({"threshold": self.threshold, "treat_none": 0.0, **vars(self)})


def decision_curve(rows: Rows, *, seed: int = 0, resamples: int = 2000) -> list[NetBenefit]:
    """Net benefit of the score, taken for a probability, beside treating all.

    (true positives - false positives * t/(1-t)) / n at each threshold probability t, at the
    sample's prevalence (Vickers and Elkin, Med Decis Making 2006;26:565-574). Jackknife over rows,
    or groups; the gain is paired.

    Parameters
    ----------
    rows : Rows
        Test rows.
    seed, resamples : int
        As in `compute`.
    """
    truth, clusters, n = rows.truth, rows.clusters, len(rows)
    cells = summed(_cells(rows))
    reached = np.arange(len(THRESHOLDS) + 1)  # thresholds that a cell's scores reach
    metrics: Estimates = {}
    for k, t in enumerate(THRESHOLDS):
        worth = np.array([-t / (1 - t), 1.0])  # of acting on a row of the rest, of the positive
        below = rows.scores < t
        events = min(clusters.count(truth & below), clusters.count(~truth & below))
        everyone = np.tile(worth, len(THRESHOLDS) + 1)
        model = everyone * np.repeat(reached > k, 2)
        note = f", net benefit at a threshold probability of {t:g}, prevalence {truth.mean():.3f}"
        for name, each in (("model", model), ("all", everyone), ("gain", model - everyone)):
            remark = note + (", model minus treating all" if name == "gain" else "")
            statistic = Shared(cells, partial(_per_row, each))
            df = 0.0 if name == "gain" and events < FEWEST_EVENTS else None
            metrics[f"{name} {t}"] = Deferred(statistic, n, 0, "no rows", remark, df)
    estimates = compute(metrics, clusters, seed=seed, resamples=resamples)
    return [
        NetBenefit(t, *(estimates[f"{name} {t}"] for name in ("model", "all", "gain")))
        for t in THRESHOLDS
    ]


def _cells(rows: Rows) -> csr_matrix:
    """Rows by how many thresholds their score reaches, and by class: (cells, groups).

    A row lies in one cell, so that one sparse sum over few cells serves all thresholds.
    """
    reached = np.searchsorted(THRESHOLDS, rows.scores, side="right")
    cell = 2 * reached + rows.truth
    shape = (2 * (len(THRESHOLDS) + 1), rows.clusters.n_groups)
    return csr_matrix((np.ones(len(rows)), (cell, rows.clusters.codes)), shape=shape)


def _per_row(worth: FloatArray, totals: FloatArray) -> FloatArray:
    """Worth of the cells' totals (cells, draws), per row drawn."""
    mean: FloatArray = worth @ totals / totals.sum(axis=0)
    return mean

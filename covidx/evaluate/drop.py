"""How much worse a model does on other data: differences between two samples of patients."""

from __future__ import annotations

import numpy as np

from covidx.evaluate.auroc import ONE_CLASS
from covidx.evaluate.bootstrap import Clusters, FloatArray, Statistic, bootstrap, bootstrap_estimate
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.operating_point import OperatingPoint
from covidx.evaluate.rows import Rows
from covidx.evaluate.weighted import (
    BoolArray,
    auroc_statistic,
    difference_statistic,
    ratio_statistic,
)

__all__ = ["drops"]


def drops(
    here: Rows, there: Rows, point: OperatingPoint, *, seed: int = 0, resamples: int = 2000
) -> dict[str, Estimate]:
    """What the metrics lose from one set of test rows to another: first minus second.

    Parameters
    ----------
    here : Rows
        Test rows of the data that the model was developed on.
    there : Rows
        Rows of other patients, scored by the same model.
    point : OperatingPoint
        The same threshold for both.
    seed, resamples : int
        Of the bootstrap: groups are drawn within each set, as the two are independent.

    Returns
    -------
    dict
        ``auroc``, ``sensitivity``, ``specificity`` and ``brier``; above 0 means worse elsewhere,
        for ``brier`` below 0 does. NaN with a reason where a set leaves a metric undefined.
    """
    first = np.arange(len(here) + len(there)) < len(here)
    scores = np.concatenate([here.scores, there.scores])
    truth = np.concatenate([here.truth, there.truth])
    # Groups of one name in both sets are not the same patients.
    names = [f"{side} {group}" for side, rows in enumerate((here, there)) for group in rows.groups]
    clusters = Clusters.of(names, first)
    called = point.decide(scores)
    statistics = {
        name: difference_statistic(
            *(_statistic(name, scores, truth, called, clusters, side) for side in (first, ~first))
        )
        for name in ("auroc", "sensitivity", "specificity", "brier")
    }
    drawn = bootstrap(statistics, clusters, seed=seed, resamples=resamples)
    note = f", {len(here)} rows here minus {len(there)} rows there, drawn apart"
    return {
        name: bootstrap_estimate(
            replicates, clusters, len(scores), bound_n=0, empty=ONE_CLASS, note=note
        )
        for name, replicates in drawn.items()
    }


def _statistic(
    name: str,
    scores: FloatArray,
    truth: BoolArray,
    called: BoolArray,
    clusters: Clusters,
    side: BoolArray,
) -> Statistic:
    if name == "auroc":
        return auroc_statistic(scores, truth, clusters, side)
    counted = {
        "sensitivity": (called & truth & side, truth & side),
        "specificity": (~called & ~truth & side, ~truth & side),
        "brier": ((scores - truth) ** 2 * side, side),
    }
    return ratio_statistic(*counted[name], clusters)

"""How much worse a model does on other data: differences between two samples of patients."""

from __future__ import annotations

import numpy as np

from covidx.evaluate.auroc import ONE_CLASS
from covidx.evaluate.decisions import share
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.families import rank_family
from covidx.evaluate.independent import combined
from covidx.evaluate.operating_point import OperatingPoint
from covidx.evaluate.pending import Found, Pending, settle
from covidx.evaluate.rows import Rows
from covidx.evaluate.weighted import ratio_statistic


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
        As in `settle`, for each set: the two are independent.

    Returns
    -------
    dict
        ``auroc``, ``sensitivity``, ``specificity`` and ``brier``; above 0 means worse elsewhere,
        for ``brier`` below 0 does. NaN with a reason where a set leaves a metric undefined.
    """
    parts = [_figures(rows, point, seed, resamples) for rows in (here, there)]
    method = f"{len(here)} rows here minus {len(there)} rows there"
    return {name: combined([part[name] for part in parts], (1, -1), method) for name in parts[0]}


def _figures(rows: Rows, point: OperatingPoint, seed: int, resamples: int) -> dict[str, Estimate]:
    truth, clusters, n = rows.truth, rows.clusters, len(rows)
    called = point.decide(rows.scores)
    brier = ratio_statistic((rows.scores - truth) ** 2, np.ones(n), clusters)
    found: Found = {
        "auroc": rank_family(rows, rows.positive)["auroc"],
        "sensitivity": share(called, truth, clusters, ONE_CLASS)["share"],
        "specificity": share(~called, ~truth, clusters, ONE_CLASS)["share"],
        "brier": Pending(brier, n, clusters.n_groups, ONE_CLASS),
    }
    return settle(found, clusters, seed=seed, resamples=resamples)

"""External validation: the change of performance from one sample of patients to another."""

from __future__ import annotations

import numpy as np

from covidx.evaluate.auroc import ONE_CLASS
from covidx.evaluate.decisions import share
from covidx.evaluate.deferred import Deferred, Estimates, compute
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.families import rank_family
from covidx.evaluate.independent import combined
from covidx.evaluate.operating_point import OperatingPoint
from covidx.evaluate.rows import Rows
from covidx.evaluate.weighted import ratio_statistic


def performance_change(
    internal: Rows, external: Rows, point: OperatingPoint, *, seed: int = 0, resamples: int = 2000
) -> dict[str, Estimate]:
    """Metrics on the development data minus the same metrics on external data.

    Parameters
    ----------
    internal : Rows
        Test rows of the data that the model was developed on.
    external : Rows
        Rows of other patients, scored by the same model.
    point : OperatingPoint
        The same threshold for both.
    seed, resamples : int
        As in `compute`, for each of the two sets, which are independent.

    Returns
    -------
    dict
        ``auroc``, ``sensitivity``, ``specificity`` and ``brier``. Above 0 is worse on the external
        data; of ``brier``, below 0 is. NaN with a reason where a set leaves a metric undefined.
    """
    parts = [_figures(rows, point, seed, resamples) for rows in (internal, external)]
    method = f"{len(internal)} rows here minus {len(external)} rows there"
    return {name: combined([part[name] for part in parts], (1, -1), method) for name in parts[0]}


def _figures(rows: Rows, point: OperatingPoint, seed: int, resamples: int) -> dict[str, Estimate]:
    truth, clusters, n = rows.truth, rows.clusters, len(rows)
    called = point.decide(rows.scores)
    brier = ratio_statistic((rows.scores - truth) ** 2, np.ones(n), clusters)
    metrics: Estimates = {
        "auroc": rank_family(rows, rows.positive)["auroc"],
        "sensitivity": share(called, truth, clusters, ONE_CLASS),
        "specificity": share(~called, ~truth, clusters, ONE_CLASS),
        "brier": Deferred(brier, n, clusters.n_groups, ONE_CLASS),
    }
    return compute(metrics, clusters, seed=seed, resamples=resamples)

"""Permutation importance: what a model's AUROC loses when one column is shuffled."""

from __future__ import annotations

import numpy as np

from covidx.clinical.fit import Fitted
from covidx.clinical.rows import ClinicalRows
from covidx.evaluate import Clusters, Estimate, bootstrap_estimate
from covidx.evaluate.bootstrap import bootstrap
from covidx.evaluate.weighted import auroc_statistic, difference_statistic, mean_statistic


def permutation_importance(
    fitted: Fitted, rows: ClinicalRows, *, seed: int = 0, repeats: int = 5, resamples: int = 1000
) -> dict[str, Estimate]:
    """Loss of AUROC on `rows` by column, the greatest first.

    Parameters
    ----------
    fitted : Fitted
        The model.
    rows : ClinicalRows
        Test rows; those without a score are left out.
    seed, repeats : int
        Shuffles of each column; their losses are averaged.
    resamples : int
        Of the bootstrap over groups. The interval is of the patients; model and shuffles are held.

    Returns
    -------
    dict
        Column -> estimate. Columns with the same information share their importance: shuffling
        one leaves the other to the model.
    """
    scores = fitted.score(rows.table)
    kept = rows.only(~np.isnan(scores))
    scores = scores[~np.isnan(scores)]
    clusters = Clusters.of(kept.table["group_id"])
    rng = np.random.default_rng(seed)
    complete = auroc_statistic(scores, kept.truth, clusters)
    losses = {}
    for name in kept.names:
        shuffled = []
        for _ in range(repeats):
            column = rng.permutation(kept.table[name].to_numpy())
            changed = fitted.score(kept.table.assign(**{name: column}))
            # The formula has no score for a shuffled gap; such a row is then uninformative.
            changed = np.where(np.isnan(changed), 0.5, changed)
            shuffled.append(auroc_statistic(changed, kept.truth, clusters))
        losses[name] = difference_statistic(complete, mean_statistic(shuffled))
    drawn = bootstrap(losses, clusters, seed=seed, resamples=resamples)
    estimates = {
        name: bootstrap_estimate(
            replicates,
            clusters,
            len(kept.table),
            bound_n=0,
            empty="the rows hold one class only",
            note=f", loss of AUROC when shuffled, mean of {repeats} shuffles",
        )
        for name, replicates in drawn.items()
    }
    return dict(sorted(estimates.items(), key=lambda item: -item[1].value))

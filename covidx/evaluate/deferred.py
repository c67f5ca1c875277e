"""Metrics that are deferred, so that one jackknife over the rows serves all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from covidx.evaluate.blocks import Statistic
from covidx.evaluate.clusters import Clusters
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.intervals import Scale
from covidx.evaluate.jackknife import jackknife, jackknife_estimate


@dataclass(frozen=True)
class Deferred:
    """A metric whose interval the jackknife will give; fields as in `jackknife_estimate`.

    Parameters
    ----------
    statistic : Statistic
        The metric as a function of how often each group counts.
    n : int
        Rows in the metric's denominator.
    bound_n : int
        Independent groups behind a metric between 0 and 1; 0 if it has no such bounds.
    empty : str
        The reason if the value is NaN.
    note : str
        Added to the method.
    df : float, optional
        Degrees of freedom.
    scale : str
        Scale on which the interval is symmetric.
    """

    statistic: Statistic
    n: int
    bound_n: int
    empty: str
    note: str = ""
    df: float | None = None
    scale: Scale = "plain"


Estimates = dict[str, Estimate | Deferred]
"""Metrics by name: of some a formula gives the interval, others are deferred."""


def compute(
    metrics: Mapping[str, Estimate | Deferred], clusters: Clusters, *, seed: int, resamples: int
) -> dict[str, Estimate]:
    """Compute all deferred metrics in one pass over the rows; the order of names is kept.

    Parameters
    ----------
    metrics : mapping
        Name -> estimate, or deferred metric.
    clusters : Clusters
        Groups of the rows.
    seed, resamples : int
        With more groups than `resamples`, they are divided by chance into so many parts.
    """
    deferred = {name: metric for name, metric in metrics.items() if isinstance(metric, Deferred)}
    statistics = {name: metric.statistic for name, metric in deferred.items()}
    errors = jackknife(statistics, clusters, seed=seed, parts=resamples) if deferred else {}
    return {
        name: jackknife_estimate(
            errors[name],
            clusters,
            metric.n,
            bound_n=metric.bound_n,
            empty=metric.empty,
            note=metric.note,
            df=metric.df,
            scale=metric.scale,
        )
        if isinstance(metric, Deferred)
        else metric
        for name, metric in metrics.items()
    }

"""Metrics that wait for the jackknife, so that all of them are found in one pass over the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from covidx.evaluate.blocks import Statistic
from covidx.evaluate.bootstrap import Clusters
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.intervals import Scale
from covidx.evaluate.jackknife import jackknife, jackknife_estimate


@dataclass(frozen=True)
class Pending:
    """A metric whose interval a jackknife will give; fields as in `jackknife_estimate`."""

    statistic: Statistic
    n: int
    bound_n: int
    empty: str
    note: str = ""
    df: float | None = None
    scale: Scale = "plain"


Found = dict[str, Estimate | Pending]
"""Metrics by name: some have their interval from a formula, some wait for the jackknife."""


def settle(
    found: Mapping[str, Estimate | Pending], clusters: Clusters, *, seed: int, resamples: int
) -> dict[str, Estimate]:
    """Give what waits its interval, in one pass; the order of names is kept.

    Parameters
    ----------
    found : mapping
        Name -> estimate, or what waits for one.
    clusters : Clusters
        Groups of the rows.
    seed, resamples : int
        With more groups than `resamples`, they are divided by chance into so many parts.
    """
    waiting = {name: one for name, one in found.items() if isinstance(one, Pending)}
    statistics = {name: one.statistic for name, one in waiting.items()}
    errors = jackknife(statistics, clusters, seed=seed, parts=resamples) if waiting else {}
    return {
        name: jackknife_estimate(
            errors[name],
            clusters,
            one.n,
            bound_n=one.bound_n,
            empty=one.empty,
            note=one.note,
            df=one.df,
            scale=one.scale,
        )
        if isinstance(one, Pending)
        else one
        for name, one in found.items()
    }

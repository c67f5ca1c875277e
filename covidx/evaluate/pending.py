"""Metrics that wait for resamples, so that all of them are found on the same draws, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from covidx.evaluate.bootstrap import Clusters, Statistic, bootstrap, bootstrap_estimate
from covidx.evaluate.estimate import Estimate

__all__ = ["Found", "Pending", "settle"]


@dataclass(frozen=True)
class Pending:
    """A metric whose interval a bootstrap will give; fields as in `bootstrap_estimate`."""

    statistic: Statistic
    n: int
    bound_n: int
    empty: str
    note: str = ""


Found = dict[str, Estimate | Pending]
"""Metrics by name: some have their interval from a formula, some wait for the bootstrap."""


def settle(
    found: Mapping[str, Estimate | Pending], clusters: Clusters, *, seed: int, resamples: int
) -> dict[str, Estimate]:
    """Resample what waits, in one pass; the order of names is kept."""
    waiting = {name: one for name, one in found.items() if isinstance(one, Pending)}
    statistics = {name: one.statistic for name, one in waiting.items()}
    drawn = bootstrap(statistics, clusters, seed=seed, resamples=resamples) if waiting else {}
    return {
        name: bootstrap_estimate(
            drawn[name], clusters, one.n, bound_n=one.bound_n, empty=one.empty, note=one.note
        )
        if isinstance(one, Pending)
        else one
        for name, one in found.items()
    }

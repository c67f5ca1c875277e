"""Statistics of resamples, and how several of them share work on one block of resamples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

Statistic = Callable[[FloatArray], FloatArray]
"""Multiplicities (groups, draws) -> values (draws,); NaN where a draw leaves it undefined."""


@dataclass(frozen=True, eq=False)
class Shared:
    """A statistic in two steps; those of the same first step share its work on a block.

    Parameters
    ----------
    prepare : callable
        Multiplicities (groups, draws) -> whatever `finish` needs.
    finish : callable
        That -> values (draws,).
    """

    prepare: Callable[[FloatArray], Any]
    finish: Callable[[Any], FloatArray]

    def __call__(self, counts: FloatArray) -> FloatArray:
        """Make it a `Statistic`."""
        return self.finish(self.prepare(counts))


@dataclass(frozen=True, eq=False)
class Combined:
    """A statistic of others, which are worked out once where they are wanted themselves too."""

    parts: Sequence[Statistic]
    combine: Callable[[list[FloatArray]], FloatArray]

    def __call__(self, counts: FloatArray) -> FloatArray:
        """Make it a `Statistic`."""
        return self.combine([part(counts) for part in self.parts])


class Block:
    """One block of multiplicities, with what was worked out on it."""

    def __init__(self, counts: FloatArray) -> None:
        self.counts = counts
        self.prepared: dict[Callable[[FloatArray], Any], Any] = {}
        self.values: dict[int, FloatArray] = {}

    def of(self, statistic: Statistic) -> FloatArray:
        """Values (draws,) of `statistic`."""
        key = id(statistic)
        if key not in self.values:
            self.values[key] = self._new(statistic)
        return self.values[key]

    def _new(self, statistic: Statistic) -> FloatArray:
        if isinstance(statistic, Combined):
            return statistic.combine([self.of(part) for part in statistic.parts])
        if not isinstance(statistic, Shared):
            return statistic(self.counts)
        if statistic.prepare not in self.prepared:
            self.prepared[statistic.prepare] = statistic.prepare(self.counts)
        return statistic.finish(self.prepared[statistic.prepare])

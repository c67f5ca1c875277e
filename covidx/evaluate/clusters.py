"""Groups of rows that are not independent: how often each is drawn, or left out."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from covidx.evaluate.blocks import FloatArray, IntArray

_BLOCK_NUMBERS = 4_000_000
"""Numbers in one block of multiplicities (32 MB), so that memory does not grow with resamples."""

_CACHED = 2048
"""Groups that are transposed at once."""

_MOST_THREADS = 4
"""Threads over blocks of resamples; numpy lets go of the interpreter while it adds."""

_JACKKNIFE_BLOCKS = 200
"""At most so many groups of groups are left out in turn for BCa's acceleration."""


@dataclass(frozen=True)
class Clusters:
    """Which rows stay together.

    Parameters
    ----------
    codes : array, shape (rows,)
        Group of each row, 0..n_groups-1.
    strata : array, shape (n_groups,)
        Groups are drawn within their stratum (such as a fold), each as often as it has groups.
    part : bool
        The rows are some of those that the groups have: no formula of independent rows holds.
    """

    codes: IntArray
    strata: IntArray
    part: bool = False

    @classmethod
    def of(cls, groups: npt.ArrayLike, strata: npt.ArrayLike | None = None) -> Clusters:
        """Number `groups`; `strata` are given up if a group has rows in several of them."""
        names, codes = np.unique(np.asarray(groups), return_inverse=True)
        group_strata = np.zeros(len(names), dtype=np.int64)
        if strata is not None:
            _, row_strata = np.unique(np.asarray(strata), return_inverse=True)
            group_strata[codes] = row_strata
            if not np.array_equal(group_strata[codes], row_strata):
                group_strata[:] = 0
        return cls(codes.astype(np.int64), group_strata)

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.strata)

    @property
    def several_rows(self) -> bool:
        """Whether any group has more than one row, or these are some of the groups' rows."""
        return self.part or len(self.codes) > self.n_groups

    def only(self, rows: npt.NDArray[np.bool_]) -> Clusters:
        """The marked `rows`, their groups numbered as before."""
        return Clusters(self.codes[rows], self.strata, part=True)

    def count(self, rows: npt.NDArray[np.bool_]) -> int:
        """Groups with at least one of the marked `rows`."""
        return len(np.unique(self.codes[rows]))

    def rarer(self, truth: npt.NDArray[np.bool_]) -> int:
        """Groups with rows of the class of `truth`, or the rest, that fewer groups have."""
        return min(self.count(truth), self.count(~truth))

    def draws(self, seed: int, resamples: int) -> Iterator[FloatArray]:
        """Blocks (groups, draws): how often each group is in each of `resamples` from `seed`."""
        rng = np.random.default_rng(seed)
        size = max(1, _BLOCK_NUMBERS // max(len(self.codes), 1))
        members = [np.flatnonzero(self.strata == s) for s in np.unique(self.strata)]
        for done in range(0, resamples, size):
            block = min(size, resamples - done)
            counts = np.empty((self.n_groups, block))
            for stratum in members:
                k = len(stratum)
                drawn = np.empty((block, k), dtype=np.uint16)
                for row in drawn:
                    row[:] = np.bincount(rng.integers(0, k, size=k), minlength=k)
                for start in range(0, k, _CACHED):  # a part at a time stays in the cache
                    part = slice(start, start + _CACHED)
                    counts[stratum[part]] = drawn[:, part].T  # (groups, draws)
            yield counts

    def without(self, most: int = _JACKKNIFE_BLOCKS, seed: int = 0) -> Iterator[FloatArray]:
        """Blocks (groups, left out) of the jackknife: 1, or 0 where a group was left out.

        Parameters
        ----------
        most : int
            Where there are more groups, so many parts of them are left out in turn.
        seed : int
            Of the division into parts.
        """
        blocks = min(self.n_groups, most)
        order = np.arange(self.n_groups)
        if blocks < self.n_groups:
            order = np.random.default_rng(seed).permutation(self.n_groups)
        block_of = order[:, None] % blocks
        size = max(1, _BLOCK_NUMBERS // max(len(self.codes), 1))
        for start in range(0, blocks, size):
            left_out = np.arange(start, min(start + size, blocks))
            yield (block_of != left_out).astype(np.float64)


def in_threads(
    function: Callable[[FloatArray], dict[str, FloatArray]], blocks: Iterable[FloatArray]
) -> Iterator[dict[str, FloatArray]]:
    """Results of `function` in the order of `blocks`, few of which are in memory at a time."""
    blocks = iter(blocks)
    first, second = next(blocks, None), next(blocks, None)
    if first is not None and second is None:  # a thread would only be waited for
        yield function(first)
        return
    workers = min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    running: deque[Future[dict[str, FloatArray]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for block in chain([head for head in (first, second) if head is not None], blocks):
            running.append(pool.submit(function, block))
            if len(running) > workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()

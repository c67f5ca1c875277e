"""Doing the same thing to many items, in this process or in several, with the same results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from covidx.workers import Workers

FEW_FILES = 1000
"""Files up to which starting worker processes costs more than it saves, about a second."""

T = TypeVar("T")
R = TypeVar("R")


class Team(Protocol):
    """Maps in order; `function` and the items must be picklable."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """Give the results in the order of `items`."""


@contextmanager
def team_of(workers: int | None, files: int) -> Iterator[Team]:
    """A `Team` of `workers` processes; if None, of all cores, or this one alone for few `files`."""
    count = workers or os.cpu_count() or 1
    if count < 2 or (workers is None and files <= FEW_FILES):
        yield map
        return
    with Workers(count) as pool:
        yield pool.map

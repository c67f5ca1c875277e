"""How a pipeline tells what it is doing: the caller decides what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Bar = Callable[[int, int], None]
"""Called with (done, total)."""
Bars = Callable[[str], AbstractContextManager[Bar]]
"""Opens a bar by name."""


@contextmanager
def silent(name: str) -> Iterator[Bar]:
    """No bar at all, whatever `name` says; what it yields may be called and does nothing."""

    def nothing(done: int, total: int) -> None:
        return None

    yield nothing

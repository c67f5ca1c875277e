"""Worker processes that load what they work on, and never the script that started them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from types import ModuleType
from typing import Any


class Workers(ProcessPoolExecutor):
    """A process pool whose functions lie in importable modules.

    Not forked: the caller may run threads (torch), and a fork of those may hang. A spawned process
    would run the caller's script again, and one without ``if __name__ == "__main__":`` would
    start workers of its own there, and break the pool: it does not get to see the script.

    Parameters
    ----------
    count : int, optional
        Processes; as many as there are cores by default.
    initializer : callable, optional
        Called in each process first.
    """

    def __init__(
        self, count: int | None = None, initializer: Callable[[], object] | None = None
    ) -> None:
        super().__init__(count, mp_context=get_context("spawn"), initializer=initializer)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function in a process, which is started first if it is not there yet.

        Parameters
        ----------
        function : callable
            Of an importable module.
        *args, **kwargs
            What it is called with; they are pickled.
        """
        with _script_hidden():
            return super().submit(function, *args, **kwargs)


@contextmanager
def _script_hidden() -> Iterator[None]:
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script

"""Progress bars on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["terminal_bar"]


@contextmanager
def terminal_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Open a bar; the caller tells it (done, total)."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=None)
        try:
            yield lambda done, total: progress.update(task, completed=done, total=total)
        finally:
            if progress.tasks[0].total is None:  # nothing to do, or it failed at once
                progress.remove_task(task)

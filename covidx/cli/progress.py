"""Progress bars on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from covidx.forecast import Forecast


@contextmanager
def terminal_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Open a progress bar; work of more than a minute gets a line with what it needs.

    Parameters
    ----------
    name : str
        What the work is called.

    Yields
    ------
    callable
        Takes (done, total).
    """
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
    forecast = Forecast(name)
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)
            if line := forecast(done, total):
                progress.console.print(line, highlight=False)

        try:
            yield show
        finally:
            if progress.tasks[0].total is None:  # nothing to do, or it failed at once
                progress.remove_task(task)

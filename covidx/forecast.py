"""How long a piece of work will take, and what it needs of the machine: one line, early on."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from covidx.errors import StoreError

WORTH_A_LINE = 60.0
"""Seconds of work from which a line is printed."""
MEASURED = 2.0
"""Seconds of work from which the rest is extrapolated."""
MEMORY = Path("/proc/meminfo")


class Forecast:
    """Extrapolates from the first seconds of a piece of work.

    Parameters
    ----------
    name : str
        What the line calls the work.
    folder : Path
        Whose disk is written to.
    after : str
        What becomes of the work if it is interrupted.
    clock : callable
        Seconds, as `time.monotonic`.
    """

    def __init__(
        self,
        name: str,
        folder: Path = Path(),
        after: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._folder, self._after, self._clock = name, folder, after, clock
        self._first: tuple[float, float] | None = None
        self._finished = False

    def __call__(self, done: float, total: float) -> str | None:
        """Note the progress.

        Parameters
        ----------
        done, total : float
            Of the same unit, such as images or batches.

        Returns
        -------
        str or None
            Once, the line for a person, if the whole takes more than a minute.
        """
        now = self._clock()
        if self._first is None:
            self._first = now, done
        start, before = self._first
        if self._finished or now - start < MEASURED or done <= before:
            return None
        self._finished = True
        seconds = (now - start) / (done - before) * (total - before)
        if seconds < WORTH_A_LINE:
            return None
        line = (
            f"{self._name}: about {_time_text(seconds)}; memory {size_text(_peak())} so far, "
            f"{size_text(_free_memory())} free; disk {size_text(_free_disk(self._folder))} free."
        )
        return f"{line} {self._after}".rstrip()


def need_disk(folder: Path, size: int, what: str) -> None:
    """Refuse work that would fill the disk before it begins.

    Parameters
    ----------
    folder : Path
        Where it would be written; need not exist.
    size : int
        Bytes.
    what : str
        What would be written, as "the cache of prepared slices".

    Raises
    ------
    StoreError
        ``DISK_SHORT``.
    """
    free = _free_disk(folder)
    if size > free:
        raise StoreError(
            "DISK_SHORT",
            f"There is no room for {what}.",
            path=folder,
            expected=f"about {size_text(size)}",
            actual=f"{size_text(free)} free",
            hint="Free space, or name a folder on another disk with --work.",
        )


def size_text(size: float) -> str:
    """A `size` in bytes as a person reads it, in powers of 1000, such as ``1.4 GB``."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _time_text(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _free_disk(folder: Path) -> int:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _peak() -> int:
    # ru_maxrss is in kB on Linux (getrusage(2)).
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _free_memory() -> int:
    for line in MEMORY.read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0

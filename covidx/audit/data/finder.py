"""The one search for copies among images on disk: exact ones, near ones, crops of each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from covidx.audit.data.copies import Copy, Described, describe_all, find_copies, match
from covidx.audit.data.pictures import further_slices, read_picture

Progress = Callable[[int, int], None]


def search_copies(
    files: Sequence[Path], units: Sequence[object], progress: Progress | None = None
) -> tuple[Described, list[Copy]]:
    """All pairs of images that show one exposure.

    Parameters
    ----------
    files : sequence of Path
        Pictures, or NIfTI files, whose middle slice counts, and one below and above it.
    units : sequence
        Patient or group of each: pairs of different ones show what unrelated pictures reach.
    progress : callable, optional
        Called with (images read, all).

    Returns
    -------
    described : Described
        Features of each image, or why it could not be read.
    copies : list of Copy
        By places in `files`.
    """

    def read(place: int) -> Any:
        return read_picture(files[place])

    described = describe_all(len(files), read, progress)
    pairs = find_copies(described, read, units)
    return described, [copy for copy in pairs if _throughout(copy, files, described.digests)]


def _throughout(copy: Copy, files: Sequence[Path], digests: Sequence[str]) -> bool:
    """Whether a copy of a volume is one below and above the middle too: chests are alike."""
    # One is registered to the other: in the order of their pixels, not of the table.
    places = sorted((copy.first, copy.second), key=lambda place: digests[place])
    slices = (further_slices(files[place]) for place in places)
    return all(
        np.array_equal(a, b) if copy.kind == "exact" else match(a, b, copy.view)
        for a, b in zip(*slices, strict=False)
    )

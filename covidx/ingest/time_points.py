"""Which volume of a series of time points is read."""

from __future__ import annotations

import re

from covidx.errors import InvalidInputError

OPTION = "covidx ingest --time-point N reads one of them"
_POINT = re.compile(r", time point \d+ of \d+")


def place_of(count: int, wanted: int | None) -> int:
    """Index, from 0, of the time point that is read.

    Parameters
    ----------
    count : int
        How many time points there are, two or more.
    wanted : int, optional
        Which one was asked for, from 1.

    Raises
    ------
    InvalidInputError
        ``TIME_SERIES``: none was asked for; ``TIME_POINT_ABSENT``: there are fewer.
    """
    if wanted is None:
        raise InvalidInputError(
            "TIME_SERIES",
            f"This is no single volume, but {count} time points; {OPTION} (1 to {count}).",
        )
    if wanted > count:
        raise InvalidInputError("TIME_POINT_ABSENT", absent(count, wanted))
    return wanted - 1


def absent(count: int, wanted: int) -> str:
    """The reason why time point `wanted` of `count` cannot be read."""
    return f"Time point {wanted} was asked for, and there are {count}."


def note_of(place: int, count: int) -> str:
    """What evidence ends with where it is of the volume at `place`, from 0, of `count`."""
    return f", time point {place + 1} of {count}"


def point_in(evidence: str) -> str:
    """The words of `note_of` in `evidence`; empty where it is of no time series."""
    found = _POINT.search(evidence)
    return "" if found is None else found[0].removeprefix(", ")

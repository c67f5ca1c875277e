"""Which images a path in a table of labels means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

import pandas as pd

_DRIVE = re.compile(r"^[A-Za-z]:")
_SUFFIX = re.compile(r"(\.[A-Za-z]{2,6}){1,2}$")


def images_within(sources: Mapping[str, str], places: Mapping[int, str]) -> pd.DataFrame:
    """Which images are, or lie below, the place that a row names.

    A place may leave leading folders out; it must reach below the folder that all images share.
    Slashes of both kinds divide it; where no image fits, the case of suffixes does not count, and
    then neither do suffixes that a place leaves out.

    Parameters
    ----------
    sources : mapping
        image_id -> path of its file or folder.
    places : mapping
        Row of the table -> the path that it names.

    Returns
    -------
    DataFrame
        image_id, row, and `below`: the folders that the place left out.
    """
    parts_of = {image: _parts(source) for image, source in sources.items()}
    wanted = {row: _parts(_DRIVE.sub("", place)) for row, place in places.items()}
    fits = _fits(parts_of, wanted)
    for loosely in (_plain, _bare):
        fitted = {row for _, row in fits}
        again = {row: _plain(parts) for row, parts in wanted.items() if row not in fitted}
        if again:
            fits |= _fits({image: loosely(parts) for image, parts in parts_of.items()}, again)
    rows = [(image, row, below) for (image, row), below in fits.items()]
    return pd.DataFrame(rows, columns=["image_id", "row", "below"]).astype({"row": "int64"})


def _parts(place: str) -> tuple[str, ...]:
    """Folders and file of a path, whichever slashes divide them."""
    parts = PurePath(place.replace("\\", "/")).parts
    return tuple(part for part in parts if part not in (".", "/"))


def _plain(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Without the case of suffixes: .PNG is .png."""
    return tuple(_SUFFIX.sub(lambda found: found.group().lower(), part) for part in parts)


def _bare(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Without the suffix of the file: scan.nii.gz is scan."""
    return (*parts[:-1], _SUFFIX.sub("", parts[-1])) if parts else parts


def _fits(
    parts_of: Mapping[str, tuple[str, ...]], wanted: Mapping[int, tuple[str, ...]]
) -> dict[tuple[str, int], str]:
    """Image and row -> the folders that the row's place left out."""
    rows_at: dict[tuple[str, ...], list[int]] = {}
    for row, parts in wanted.items():
        rows_at.setdefault(parts, []).append(row)
    shared = len(_common([parts[:-1] for parts in parts_of.values()]))
    omitted: dict[tuple[str, int], str] = {}
    for image, parts in parts_of.items():
        for start in range(len(parts)):
            for end in range(max(start, shared) + 1, len(parts) + 1):
                for row in rows_at.get(parts[start:end], []):
                    omitted.setdefault((image, row), "/".join(parts[:start]))
    return omitted


def relative_paths(images: pd.Series, sources: Mapping[str, str]) -> list[str]:
    """Paths of images below the folder that all share, as a user would name them.

    Parameters
    ----------
    images : Series of str
        image_id of those that are named.
    sources : mapping
        image_id -> path, of all images.
    """
    parts_of = {image: _parts(source) for image, source in sources.items()}
    shared = len(_common([parts[:-1] for parts in parts_of.values()]))
    return sorted("/".join(parts_of[image][shared:]) for image in images if image in parts_of)


def _common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Leading parts that all paths share."""
    if not paths:
        return ()
    low, high = min(paths), max(paths)
    same = [a == b for a, b in zip(low, high, strict=False)]
    return low[: same.index(False)] if False in same else low[: len(same)]

"""Splitting a series into stacks: planes that differ in grid, reconstruction, echo or time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from covidx.constants import DIRECTION_TOLERANCE, SPACING_TOLERANCE
from covidx.errors import InvalidSeriesError
from covidx.ingest.dicom.geometry import StackGeometry, stack_geometry
from covidx.ingest.dicom.header import Header

Key = Callable[[Header], Hashable]

ALWAYS: tuple[tuple[str, Key], ...] = (
    ("kernel", lambda plane: plane.kernel),
    ("image type", lambda plane: plane.image_type[:3]),
    ("echo", lambda plane: plane.echo),
    ("stack", lambda plane: plane.stack_id),
)
"""Planes that differ in one of these are never of one volume."""

AT_NEED: tuple[tuple[str, Key], ...] = (
    ("time point", lambda plane: plane.time_point),
    ("trigger time", lambda plane: plane.trigger_time),
    ("image type", lambda plane: plane.image_type),
    ("acquisition", lambda plane: plane.acquisition),
    ("acquisition time", lambda plane: plane.acquisition_time),
    ("slice thickness", lambda plane: plane.slice_thickness),
)
"""Planes may differ in one of these and be of one volume: step-and-shoot scanners give each turn
its own acquisition. They tell volumes apart where the planes together are none."""

TURNS: tuple[tuple[str, Key], ...] = (
    ("time point", lambda plane: plane.time_point),
    ("acquisition", lambda plane: plane.acquisition),
    ("acquisition time", lambda plane: plane.acquisition_time),
    ("contrast", lambda plane: plane.contrast),
)
"""Planes of a CT that differ in one of these and take turns are of several scans, even where they
lie at even steps: the turns of a step-and-shoot scanner follow one another along the body."""

GRID = "grid"
"""Orientation, size, pixel spacing and modality."""

LEAST_SLICES = 3
"""Slices below which even spacing says nothing."""


class Piece(NamedTuple):
    """Which piece a part is, where a series was split by an attribute; without its value."""

    name: str
    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.name} {self.number} of {self.of}"


@dataclass(frozen=True, eq=False)
class Part:
    """Planes of one series that may be a volume.

    Attributes
    ----------
    planes : list of Header
        Its planes, in no order.
    pieces : tuple of Piece
        What it is among the parts of its series, such as ``acquisition 2 of 4``.
    """

    planes: list[Header]
    pieces: tuple[Piece, ...] = ()


def split(series: Sequence[Header]) -> list[Part]:
    """Split a `series` into parts of one grid, reconstruction, echo and, where need be, time."""
    parts = _grids(series)
    for name, key in ALWAYS:
        parts = [piece for part in parts for piece in _pieces(part, name, key)]
    return [piece for part in parts for piece in _by_time(part, AT_NEED)]


def _grids(series: Sequence[Header]) -> list[Part]:
    """By orientation, size, pixel spacing and modality, in the order of the lowest file."""
    groups: list[list[Header]] = []
    for plane in sorted(series, key=lambda plane: (plane.path, plane.frame or 0)):
        for group in groups:
            if _same_grid(plane, group[0]):
                group.append(plane)
                break
        else:
            groups.append([plane])
    if len(groups) == 1:
        return [Part(groups[0])]
    return [Part(g, (Piece(GRID, i, len(groups)),)) for i, g in enumerate(groups, start=1)]


def _same_grid(one: Header, other: Header) -> bool:
    return (
        (one.rows, one.columns, one.modality) == (other.rows, other.columns, other.modality)
        and _close(one.orientation, other.orientation)
        and _close(one.pixel_spacing, other.pixel_spacing)
    )


def _close(one: tuple[float, ...] | None, other: tuple[float, ...] | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.allclose(one, other, rtol=0, atol=DIRECTION_TOLERANCE))


def _pieces(part: Part, name: str, key: Key) -> list[Part]:
    """Split a part by one attribute, in the order of its values; those without one come first."""
    groups: dict[Hashable, list[Header]] = {}
    for plane in part.planes:
        groups.setdefault(key(plane), []).append(plane)
    if len(groups) == 1:
        return [part]
    order = sorted(groups, key=lambda value: (value is not None, value))
    return [
        Part(groups[value], (*part.pieces, Piece(name, i, len(groups))))
        for i, value in enumerate(order, start=1)
    ]


def _by_time(part: Part, keys: tuple[tuple[str, Key], ...]) -> list[Part]:
    """Split a part that is no volume where that gives volumes; else leave it, to be refused."""
    whole = _shape(part)
    if isinstance(whole, StackGeometry) and _one_a_place(part, whole):
        return _taking_turns(part, whole) or [part]
    for place, (name, key) in enumerate(keys):
        pieces = _pieces(part, name, key)
        if len(pieces) == 1:
            continue
        found = [final for piece in pieces for final in _by_time(piece, keys[place + 1 :])]
        if _explains(found, whole):
            return found
    return [part]


def _taking_turns(part: Part, whole: StackGeometry) -> list[Part]:
    """The scans of a CT whose slices lie between each other; none where it is one scan."""
    if part.planes[0].modality != "CT":  # MR excites every other slice first
        return []
    for name, key in TURNS:
        pieces = _pieces(part, name, key)
        if not 1 < len(pieces) <= len(part.planes) // LEAST_SLICES:
            continue
        shapes = [_shape(piece) for piece in pieces]
        if all(
            isinstance(shape, StackGeometry)
            and len(shape.places) >= LEAST_SLICES
            and shape.extent_mm > whole.extent_mm / 2
            for shape in shapes
        ):
            return pieces
    return []


def _shape(part: Part) -> StackGeometry | str:
    """The geometry of a part, or the code of its refusal."""
    try:
        return stack_geometry(part.planes)
    except InvalidSeriesError as error:
        return error.code


def _one_a_place(part: Part, geometry: StackGeometry) -> bool:
    """Whether each place has one image, copies of it aside."""
    return all(len({part.planes[i].plane_id for i in place}) == 1 for place in geometry.places)


def _explains(pieces: list[Part], whole: StackGeometry | str) -> bool:
    """Whether a part is no volume because it is several: each piece is one, and not by chance.

    Either each has slices at all places of the whole, as in a time series; or each has enough of
    them. Where the whole only lacks slices, its pieces must differ in their steps: else a turn of
    the scanner that was lost would be taken for the gap between two scans.
    """
    shapes = [_shape(piece) for piece in pieces]
    geometries = [shape for shape in shapes if isinstance(shape, StackGeometry)]
    if len(geometries) < len(pieces) or not all(map(_one_a_place, pieces, geometries)):
        return False
    if isinstance(whole, StackGeometry):
        full = len(whole.places)
        if all(len(geometry.places) == full for geometry in geometries):
            return True
    if min(len(geometry.places) for geometry in geometries) < LEAST_SLICES:
        return False
    steps = [geometry.spacing_mm or 0.0 for geometry in geometries]
    return whole != "SLICE_MISSING" or max(steps) - min(steps) > SPACING_TOLERANCE * max(steps)

"""Where the slices of a stack lie: order, spacing and affine, proven from the header or refused.

DICOM's patient axes are LPS+: x grows to the patient's left, y to the back, z to the head
(PS3.3 C.7.6.2.1.1). NIfTI's, and a `Volume`'s, are RAS+.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from covidx.constants import (
    DIRECTION_TOLERANCE,
    MAX_TILT_DEG,
    POSITION_TOLERANCE_MM,
    SPACING_TOLERANCE,
    TILT_TOLERANCE_DEG,
)
from covidx.errors import InvalidSeriesError
from covidx.ingest.dicom.header import Header

FloatArray = NDArray[np.float64]

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Turns mm in DICOM's patient axes into NIfTI's."""

MOST_MISSING = 3
"""Steps of the smallest size that the usual step may be for slices to count as missing: tiny steps,
as between two copies of a slice that lie 0.1 mm apart, divide anything."""

ASK = "Interpolation between the slices can be asked for: resample."


@dataclass(frozen=True, eq=False)
class StackGeometry:
    """A stack of planes with its place in the patient.

    Attributes
    ----------
    places : tuple of tuple of int
        For each slice, along the normal, the indices of the planes given for it: one, or several
        that claim the same place (duplicates, which only their pixels can settle).
    affine : ndarray, shape (4, 4)
        (column, row, slice) indices to RAS+ mm, to the precision of NIfTI's 32-bit sform. Of a
        tilted stack its third column is not along the normal.
    spacing_mm : float, optional
        Between slices, along the normal; None for a single slice of unknown thickness.
    normal : ndarray, shape (3,)
        Unit normal of the planes in LPS+.
    tilt_deg : float
        Between the normal and the way from slice to slice; 0 within `constants.TILT_TOLERANCE_DEG`.
    uneven_mm : tuple of float
        Heights of the slices above the first, where they are no multiples of `spacing_mm`; else
        empty.
    """

    places: tuple[tuple[int, ...], ...]
    affine: FloatArray
    spacing_mm: float | None
    normal: FloatArray
    tilt_deg: float = 0.0
    uneven_mm: tuple[float, ...] = ()

    @property
    def extent_mm(self) -> float:
        """From the middle of the first slice to that of the last."""
        if self.uneven_mm:
            return self.uneven_mm[-1]
        return (len(self.places) - 1) * (self.spacing_mm or 0.0)


def slice_normal(orientation: Sequence[float]) -> FloatArray:
    """Unit normal of a plane: row direction x column direction (PS3.3 C.7.6.2.1.1).

    Parameters
    ----------
    orientation : sequence of 6 floats
        ImageOrientationPatient: direction cosines of a row, then of a column.

    Raises
    ------
    InvalidSeriesError
        ``ORIENTATION_INVALID``, where the two are no orthogonal unit vectors.

    Examples
    --------
    >>> slice_normal([1, 0, 0, 0, 1, 0]).tolist()
    [0.0, 0.0, 1.0]
    """
    directions = np.asarray(orientation, dtype=np.float64).reshape(2, 3)
    lengths = np.linalg.norm(directions, axis=1)
    dot = float(directions[0] @ directions[1])
    if np.abs(lengths - 1).max() > DIRECTION_TOLERANCE or abs(dot) > DIRECTION_TOLERANCE:
        raise InvalidSeriesError(
            "ORIENTATION_INVALID",
            "The directions of rows and columns are not orthogonal unit vectors.",
            expected="lengths 1, dot product 0",
            actual=f"lengths {lengths.round(4).tolist()}, dot product {dot:.4f}",
        )
    normal = np.cross(directions[0], directions[1])
    result: FloatArray = normal / np.linalg.norm(normal)
    return result


def stack_geometry(planes: Sequence[Header], *, resample: bool = False) -> StackGeometry:
    """Order planes of one orientation and size by their position along the normal.

    File names and instance numbers play no part.

    Parameters
    ----------
    planes : sequence of Header
        At least one; all of one orientation, size and pixel spacing.
    resample : bool
        Accept missing slices and uneven spacing: the geometry says where the slices are, for
        `resample.evenly` to interpolate between them.

    Raises
    ------
    InvalidSeriesError
        ``GEOMETRY_ABSENT``, ``ORIENTATION_INVALID``, ``SPACING_INVALID``, ``GANTRY_TILT``,
        ``SLICE_MISSING``, ``SPACING_UNEVEN`` or ``POSITION_UNEVEN``.
    """
    first = planes[0]
    if any(plane.position is None or plane.orientation is None for plane in planes):
        raise InvalidSeriesError(
            "GEOMETRY_ABSENT",
            "A plane has no readable ImagePositionPatient or ImageOrientationPatient.",
            expected="both in every plane (PS3.3 C.7.6.2)",
        )
    if first.pixel_spacing is None or min(first.pixel_spacing) <= 0:
        raise InvalidSeriesError(
            "SPACING_INVALID",
            "PixelSpacing is absent or not above 0 mm.",
            actual=first.pixel_spacing,
        )
    assert first.orientation is not None
    normal = slice_normal(first.orientation)
    positions = np.array([plane.position for plane in planes], dtype=np.float64)  # (planes, 3)
    places = _places(positions @ normal)
    _check_places(positions, places, min(first.pixel_spacing) / 2)
    points = positions[[place[0] for place in places]]  # (slices, 3)
    if len(places) == 1:
        spacing = first.slice_thickness
        affine = _affine(first, points[0], normal * (spacing or 1.0))
        return StackGeometry(places, affine, spacing, normal)
    way = points[-1] - points[0]
    tilt = _tilt(way, normal)
    heights = (points - points[0]) @ normal  # (slices,)
    steps, fault = _even_steps(np.diff(heights))
    if fault is not None and not resample:
        raise fault
    _check_line(points, heights if fault else np.arange(len(points), dtype=float))
    uneven = () if fault is None else tuple(heights.tolist())
    affine = _affine(first, points[0], way / steps)
    return StackGeometry(places, affine, float(way @ normal) / steps, normal, tilt, uneven)


def _places(heights: FloatArray) -> tuple[tuple[int, ...], ...]:
    """Group plane indices by height along the normal, lowest first."""
    places: list[list[int]] = []
    for index in np.argsort(heights, kind="stable"):
        if places and heights[index] - heights[places[-1][0]] < POSITION_TOLERANCE_MM:
            places[-1].append(int(index))
        else:
            places.append([int(index)])
    return tuple(tuple(place) for place in places)


def _check_places(
    positions: FloatArray, places: tuple[tuple[int, ...], ...], tolerance: float
) -> None:
    """Refuse planes that lie at one height, but beside each other."""
    others = [(i, place[0]) for place in places for i in place[1:]]
    away = max((float(np.linalg.norm(positions[i] - positions[j])) for i, j in others), default=0)
    if away > max(tolerance, 2 * POSITION_TOLERANCE_MM):
        raise InvalidSeriesError(
            "POSITION_UNEVEN",
            f"Two planes at one height lie {away:.1f} mm beside each other.",
            expected="one place a height",
        )


def _tilt(way: FloatArray, normal: FloatArray) -> float:
    """Degrees between the normal and the way from the first slice to the last.

    A tilted gantry moves the slices sideways, since the table travels along the body.
    """
    height = float(way @ normal)
    sideways = float(np.linalg.norm(way - height * normal))
    angle = float(np.degrees(np.arctan2(sideways, height)))
    if sideways <= 2 * POSITION_TOLERANCE_MM or angle <= TILT_TOLERANCE_DEG:
        return 0.0
    if angle > MAX_TILT_DEG:
        raise InvalidSeriesError(
            "GANTRY_TILT",
            f"The slices are shifted sideways by {angle:.1f} degrees, as no gantry can tilt.",
            expected=f"at most {MAX_TILT_DEG:g} degrees",
            actual=f"{angle:.2f} degrees",
        )
    return angle


def _check_line(points: FloatArray, along: FloatArray) -> None:
    """Refuse slices that are not where `along` puts them on the line from the first to the last."""
    way = points[-1] - points[0]
    line = points[0] + (along / along[-1])[:, None] * way
    away = float(np.linalg.norm(points - line, axis=1).max())
    if away > _tolerance(float(np.linalg.norm(way)) / (len(points) - 1)):
        raise InvalidSeriesError(
            "POSITION_UNEVEN",
            f"A slice lies {away:.3f} mm from where even steps would put it.",
            expected="slice origins on a line, evenly spaced",
        )


def _even_steps(steps: FloatArray) -> tuple[int, InvalidSeriesError | None]:
    """How many even steps a stack should have, and why it has not: slices missing, or uneven.

    Slices are missing where all steps are multiples of the smallest.
    """
    usual, smallest = float(np.median(steps)), float(steps.min())
    if np.abs(steps - usual).max() <= _tolerance(usual):
        return len(steps), None
    multiples = np.rint(steps / smallest)
    whole = np.abs(steps - multiples * smallest).max() <= _tolerance(smallest)
    if whole and usual <= MOST_MISSING * smallest:
        wanted, after = int(multiples.sum()), int(np.argmax(multiples > 1)) + 1
        return wanted, InvalidSeriesError(
            "SLICE_MISSING",
            f"{wanted - len(steps)} of {wanted + 1} slices are missing, first after slice {after}"
            f" (steps of {smallest:.3f} to {steps.max():.3f} mm).",
            expected=f"every step {smallest:.3f} mm",
            hint=ASK,
        )
    return max(1, round(float(steps.sum()) / usual)), InvalidSeriesError(
        "SPACING_UNEVEN",
        f"The steps between slices vary from {smallest:.3f} to {steps.max():.3f} mm.",
        expected=f"within {SPACING_TOLERANCE:.0%} of {usual:.3f} mm",
        hint=ASK,
    )


def _tolerance(step: float) -> float:
    return max(SPACING_TOLERANCE * step, 2 * POSITION_TOLERANCE_MM)


def _affine(plane: Header, origin: FloatArray, step: FloatArray) -> FloatArray:
    """PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1, with a third column from slice to slice."""
    assert plane.orientation is not None and plane.pixel_spacing is not None
    along_row, down_column = np.asarray(plane.orientation, dtype=np.float64).reshape(2, 3)
    between_rows, between_columns = plane.pixel_spacing
    affine = np.eye(4)
    affine[:3, 0] = along_row * between_columns  # one column further
    affine[:3, 1] = down_column * between_rows  # one row further
    affine[:3, 2] = step
    affine[:3, 3] = origin
    return (LPS_TO_RAS @ affine).astype(np.float32).astype(np.float64)

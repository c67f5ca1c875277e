"""Consolidation at the pleura: dents of a lung's outer surface, filled up to the rib cage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from covidx.constants import BONE_HU
from covidx.segmentation.planes import Mask, Spacing, dilated, opened
from covidx.segmentation.sides import LEFT, RIGHT, Labels

DENT_DEG = 60.0
"""Degrees about the middle of the chest that a dent may span. Modelling choice, as the next."""
DENT_MM = 40.0
"""mm from feet to head that a dent may span; it need be within one of the two."""
THIN_MM = 4.0
"""Radius in mm below which what was filled is a film along the pleura, and left out."""
DIRECTIONS = 240
"""About the middle of the chest; 1.5 degrees, 2.6 mm at 100 mm."""


def fill_dents(lung: Mask, hu: NDArray[Any], sides: Labels, spacing_mm: Spacing) -> Mask:
    """Find what must be added to a lung for its outer surface to have no dents.

    Seen from the middle of the chest (direction, height, distance), the rib cage is nearly
    flat. A closing in direction and height at each distance bridges dents, and what has lung
    outside of it, such as heart and liver, is none.

    Parameters
    ----------
    lung : ndarray of bool, shape (slices, rows, columns)
        One lung.
    hu : ndarray
        CT in HU, of the same shape.
    sides : ndarray of uint8
        Both lungs: the middle lies between them.
    spacing_mm : tuple of float
        Of (slices, rows, columns).

    Returns
    -------
    ndarray of bool, shape (slices, rows, columns)
    """
    view = _View.of(sides, spacing_mm)
    polar = view.to_polar(lung)
    height = 2 * int(DENT_MM / spacing_mm[0] / 2) + 1
    width = 2 * int(DENT_DEG / 360.0 * DIRECTIONS / 2) + 1
    outside = np.logical_or.accumulate(polar[:, :, ::-1], axis=2)[:, :, ::-1]
    dent = view.from_polar(_bridged(polar, height, width) & ~outside)
    dent &= hu < BONE_HU
    # What was thick is taken whole, its corners included.
    return dent & dilated(opened(dent, THIN_MM, spacing_mm), THIN_MM, spacing_mm)


def _bridged(polar: Mask, height: int, width: int) -> Mask:
    """Closing by a box of slices and directions; the directions go round."""
    values = np.pad(polar.astype(np.uint8), ((height, height), (0, 0), (0, 0)))
    for extreme in (ndimage.maximum_filter1d, ndimage.minimum_filter1d):
        values = extreme(values, height, axis=0, mode="nearest")
        values = extreme(values, width, axis=1, mode="wrap")
    return values[height:-height].astype(np.bool_)


@dataclass(frozen=True, eq=False)
class _View:
    """From (slices, rows, columns) to (slices, directions, distances) and back, to the nearest."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    within: Mask
    direction: NDArray[np.intp]
    distance: NDArray[np.intp]

    @classmethod
    def of(cls, sides: Labels, spacing_mm: Spacing) -> _View:
        """About the middle between the two lungs."""
        _, tall, wide = sides.shape
        _, dy, dx = spacing_mm
        per_row = np.count_nonzero(sides, axis=(0, 2))
        middle_row = float(np.average(np.arange(tall), weights=per_row))
        middle_column = 0.0
        for side in (RIGHT, LEFT):
            per_column = np.count_nonzero(sides == side, axis=(0, 1))
            middle_column += float(np.average(np.arange(wide), weights=per_column)) / 2.0
        row, column = np.indices((tall, wide))
        y, x = (row - middle_row) * dy, (column - middle_column) * dx
        mm = min(dy, dx)
        distance = (np.hypot(y, x) / mm).astype(np.intp)
        turn = (np.arctan2(y, x) / (2.0 * np.pi) + 0.5) * DIRECTIONS
        angle = ((np.arange(DIRECTIONS) + 0.5) / DIRECTIONS - 0.5) * 2.0 * np.pi
        radius = (np.arange(distance.max() + 1) + 0.5) * mm
        rows = np.rint(middle_row + np.sin(angle)[:, None] * radius / dy).astype(np.intp)
        columns = np.rint(middle_column + np.cos(angle)[:, None] * radius / dx).astype(np.intp)
        within = (rows >= 0) & (rows < tall) & (columns >= 0) & (columns < wide)
        return cls(
            rows.clip(0, tall - 1),
            columns.clip(0, wide - 1),
            within,
            np.minimum(turn.astype(np.intp), DIRECTIONS - 1),
            distance,
        )

    def to_polar(self, mask: Mask) -> Mask:
        """From (slices, rows, columns) to (slices, directions, distances)."""
        return mask[:, self.rows, self.columns] & self.within

    def from_polar(self, polar: Mask) -> Mask:
        """From (slices, directions, distances) to (slices, rows, columns)."""
        return polar[:, self.direction, self.distance]

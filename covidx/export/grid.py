"""Grids of voxels, and masks brought onto that of the source: reoriented, never interpolated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from covidx.errors import InvalidInputError
from covidx.volume import Volume

FloatArray = NDArray[np.float64]

GRID_TOLERANCE = 0.1
"""Voxels by which a corner of a mask may lie beside that of its series: what headers of other
programs round away, and far less than the voxel by which masks are shifted. Modelling choice."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie.

    Attributes
    ----------
    shape : tuple of int
        (slices, rows, columns).
    affine : ndarray, shape (4, 4), optional
        (column, row, slice) to RAS+ mm; None of a radiograph, which has no place in space.
    """

    shape: tuple[int, int, int]
    affine: FloatArray | None

    def describe(self) -> str:
        """Shape, and first voxel and steps in mm, for an error."""
        if self.affine is None:
            return f"{self.shape} without a place"
        return f"{self.shape} at {self.affine[:3].round(2).tolist()}"


def reoriented(mask: Volume | NDArray[Any], grid: Grid) -> NDArray[Any] | None:
    """Return a mask as an array on a grid if it lies on it in any orientation; else None.

    Parameters
    ----------
    mask : Volume or ndarray, shape (slices, rows, columns)
        A bare array is on the grid if it has its shape; so is any of a radiograph.
    grid : Grid
        The grid that it must lie on.

    Returns
    -------
    ndarray, shape `grid.shape`, or None
    """
    array = mask.array if isinstance(mask, Volume) else np.asarray(mask)
    if grid.affine is None or not isinstance(mask, Volume):
        return array if array.shape == grid.shape else None
    if mask.affine is None or mask.geometry != "proven":
        return None
    between = np.linalg.inv(grid.affine) @ mask.affine  # (column, row, slice) of mask to grid
    steps = np.rint(between[:3, :3])
    if not (np.abs(steps).sum(0) == 1).all() or not (np.abs(steps).sum(1) == 1).all():
        return None
    axes = np.abs(steps).argmax(0)
    orientation = np.stack([axes, steps[axes, range(3)]], axis=1)
    xyz = array.transpose(2, 1, 0)  # (column, row, slice)
    back = nib.orientations.inv_ornt_aff(orientation, xyz.shape)
    result = nib.orientations.apply_orientation(xyz, orientation).transpose(2, 1, 0)
    if result.shape != grid.shape or _away(between @ back, grid.shape) > GRID_TOLERANCE:
        return None
    return np.ascontiguousarray(result)


def _away(between: FloatArray, shape: tuple[int, int, int]) -> float:
    """Voxels between a corner and where `between` puts it, at most."""
    corners = np.array([*np.ndindex(2, 2, 2)]) * (np.array(shape[::-1]) - 1)  # (8, 3)
    places = corners @ between[:3, :3].T + between[:3, 3]
    return float(np.abs(places - corners).max())


def no_grid(mask: Volume | NDArray[Any], grids: list[Grid]) -> InvalidInputError:
    """Make the error for `mask`, which is on none of the `grids` of its series."""
    if isinstance(mask, Volume):
        shape: Any = mask.array.shape
        placed = mask.geometry == "proven"
        actual = Grid(shape, mask.affine if placed else None).describe()
    else:
        actual = Grid(np.shape(mask), None).describe()
    return InvalidInputError(
        "MASK_GRID",
        "The mask is not on the grid of its series.",
        expected=", or ".join(grid.describe() for grid in grids),
        actual=actual,
        hint=(
            "Resample the mask to the series (nearest neighbour), or name the series "
            "that it was made on."
        ),
    )

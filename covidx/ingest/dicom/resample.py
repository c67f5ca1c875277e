"""Voxels onto a grid at right angles with even steps, where the slices were not taken so.

A gantry tilt is undone by shifting each slice in its plane, and uneven or missing slices by
interpolating along the normal. Both are linear; what comes out is marked (`Volume.resampled`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.scratch import let_go, zeros

FloatArray = NDArray[np.float64]

WHOLE = 1e-3
"""Pixels by which a shift may miss a whole number and be taken for it."""


def unsheared(
    array: NDArray[Any], affine: FloatArray, heights: FloatArray, fill: float
) -> tuple[NDArray[Any], FloatArray]:
    """Shift slices in their plane until each lies on the normal through the first one's origin.

    Parameters
    ----------
    array : ndarray, shape (slices, rows, columns)
        Voxels as measured; slices that are sheared against each other.
    affine : ndarray, shape (4, 4)
        (column, row, slice) to mm; its third column may have any direction.
    heights : ndarray, shape (slices,)
        Where the slices lie, in steps of the affine's third column.
    fill : float
        For pixels that do not lie between two of the slice.

    Returns
    -------
    array : ndarray, shape (slices, rows + shift, columns + shift)
        Wide enough for all slices; integers are rounded.
    affine : ndarray, shape (4, 4)
        Its third column is along the normal.
    """
    straight, shifts, shape = straight_grid(array.shape, affine, heights)
    added = np.subtract(shape, array.shape)[1:]  # (rows, columns)
    moved = zeros(shape, array.dtype)
    for index, (column, row) in enumerate(shifts):
        shifted = _shifted(array[index], (row, column), added)
        moved[index] = _rounded(np.where(np.isnan(shifted), fill, shifted), array)
        let_go(array, moved)
    return moved, straight


def straight_grid(
    shape: tuple[int, ...], affine: FloatArray, heights: FloatArray
) -> tuple[FloatArray, FloatArray, tuple[int, int, int]]:
    """The grid onto which `unsheared` brings a stack.

    Parameters
    ----------
    shape : tuple of int
        (slices, rows, columns) of the stack.
    affine, heights : ndarray
        As for `unsheared`.

    Returns
    -------
    affine : ndarray, shape (4, 4)
        Its third column is along the normal.
    shifts : ndarray, shape (slices, 2)
        Pixels, (column, row), at which each slice's first pixel lies in it; none is negative.
    shape : tuple of int
        (slices, rows + shift, columns + shift).
    """
    across = affine[:3, :2]  # (3, 2): one column further, one row further
    per_step, *_ = np.linalg.lstsq(across, affine[:3, 2], rcond=None)  # pixels, (column, row)
    shifts = heights[:, None] * per_step  # (slices, 2)
    low, high = np.floor(shifts.min(0) + WHOLE), np.ceil(shifts.max(0) - WHOLE)
    columns, rows = (high - low).astype(int)
    straight = affine.copy()
    straight[:3, 2] -= across @ per_step
    straight[:3, 3] += across @ low
    larger = (shape[0], shape[1] + int(rows), shape[2] + int(columns))
    return _as_stored(straight), shifts - low, larger


def _shifted(
    image: NDArray[Any], shift: tuple[float, float], added: NDArray[np.int_]
) -> FloatArray:
    """An image moved by (rows, columns), in a frame `added` larger; NaN where it says nothing."""
    result = image.astype(np.float64)
    for axis in (0, 1):
        whole = int(np.floor(shift[axis] + WHOLE))
        part = max(shift[axis] - whole, 0.0)
        part = part if part > WHOLE else 0.0
        space = [(0, 0), (0, 0)]
        # One pixel more on each side: a pixel half outside the image is not known either.
        space[axis] = (whole + 1, int(added[axis]) - whole + 1)
        framed = np.pad(result, space, constant_values=np.nan)
        size = image.shape[axis] + int(added[axis])
        here = np.take(framed, np.arange(1, size + 1), axis)
        before = np.take(framed, np.arange(size), axis)
        result = here if part == 0 else (1 - part) * here + part * before
    return result


def evenly(
    array: NDArray[Any], affine: FloatArray, heights: FloatArray
) -> tuple[NDArray[Any], FloatArray]:
    """Interpolate linearly between slices that lie unevenly along the normal.

    Parameters
    ----------
    array : ndarray, shape (slices, rows, columns)
        Voxels as measured, in slices at uneven distances.
    affine : ndarray, shape (4, 4)
        Its third column is the even step that is wanted.
    heights : ndarray, shape (slices,)
        Where the slices lie, in such steps, increasing from 0 to a whole number.

    Returns
    -------
    array : ndarray, shape (last height + 1, rows, columns)
        Integers are rounded; where a slice lies on the grid, it is kept as it is.
    affine : ndarray, shape (4, 4)
    """
    wanted = np.arange(round(float(heights[-1])) + 1)
    above = np.clip(np.searchsorted(heights, wanted), 1, len(heights) - 1)
    share = (wanted - heights[above - 1]) / (heights[above] - heights[above - 1])
    even = zeros((len(wanted), *array.shape[1:]), array.dtype)
    for index, (upper, part) in enumerate(zip(above, np.clip(share, 0, 1), strict=True)):
        if min(part, 1 - part) < WHOLE:
            even[index] = array[upper if part > 0.5 else upper - 1]
        else:
            even[index] = _rounded((1 - part) * array[upper - 1] + part * array[upper], array)
        let_go(array, even)
    return even, _as_stored(affine)


def _rounded(values: FloatArray, like: NDArray[Any]) -> NDArray[Any]:
    if like.dtype.kind in "iu":
        values = np.rint(values)
    return values.astype(like.dtype)


def _as_stored(affine: FloatArray) -> FloatArray:
    return affine.astype(np.float32).astype(np.float64)

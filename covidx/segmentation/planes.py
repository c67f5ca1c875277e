"""Operations on masks of (slices, rows, columns), slice by slice, and their connected pieces."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from covidx.constants import ROUNDING
from covidx.scratch import planes

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]
"""mm between (slices, rows, columns)."""

PLANE = np.zeros((3, 3, 3), dtype=np.bool_)
"""A voxel and its four neighbours in the slice."""
PLANE[1] = ndimage.generate_binary_structure(2, 1)


WORKING_MM = 2.0
"""mm to which a grid is thinned to look at shapes."""


def thinning_step(spacing_mm: Spacing) -> tuple[int, int, int]:
    """Of the thinned grid, in voxels of the full one with `spacing_mm`: slices, rows, columns."""
    # Spacing may differ in its seventh digit between a file and its stored copy.
    slices, rows, columns = (max(1, round(WORKING_MM / mm - ROUNDING)) for mm in spacing_mm)
    return slices, rows, columns


def thinned(full: NDArray[Any], step: tuple[int, int, int]) -> NDArray[Any]:
    """Every so many slices, rows and columns; a copy, so that the full grid may leave memory.

    Parameters
    ----------
    full : ndarray, shape (slices, rows, columns)
        Any values.
    step : tuple of int
        As `thinning_step`.
    """
    thin = (plane[:: step[1], :: step[2]].copy() for plane in planes(full[:: step[0]]))
    return np.stack(list(thin))


def sized_pieces(mask: Mask) -> tuple[NDArray[np.int32 | np.int_], NDArray[np.int_]]:
    """Label the connected pieces (neighbours share a side of a pixel or voxel) of `mask`.

    Returns
    -------
    pieces : ndarray of int, of the shape of `mask`
        1, 2, ... by piece; 0 outside of the mask.
    sizes : ndarray of int, shape (pieces + 1,)
        Voxels of each piece; 0 for what is outside of the mask.
    """
    pieces, n = ndimage.label(mask)
    sizes = np.bincount(pieces.ravel(), minlength=n + 1)
    sizes[0] = 0
    return pieces, sizes


def closed(mask: Mask, radius_mm: float, spacing_mm: Spacing) -> Mask:
    """Morphological closing by a disc in each slice, as if the slice went on.

    Parameters
    ----------
    mask : ndarray of bool, shape (slices, rows, columns)
        Slices run in any order.
    radius_mm : float
        Radius of the disc, in the unit of `spacing_mm`.
    spacing_mm : tuple of float
        mm between (slices, rows, columns); the first is not used.

    Returns
    -------
    ndarray of bool, of the shape of `mask`
    """
    disc = _disc(radius_mm, spacing_mm)
    rows, columns = (n // 2 for n in disc.shape)
    padded = np.pad(mask, ((0, 0), (rows, rows), (columns, columns)))
    result = _morphed(padded, cv2.MORPH_CLOSE, disc)
    return result[:, rows : rows + mask.shape[1], columns : columns + mask.shape[2]]


def dilated(mask: Mask, radius_mm: float, spacing_mm: Spacing) -> Mask:
    """Morphological dilation by a disc in each slice.

    Parameters
    ----------
    mask : ndarray of bool, shape (slices, rows, columns)
        Slices run in any order.
    radius_mm : float
        Radius of the disc, in the unit of `spacing_mm`.
    spacing_mm : tuple of float
        mm between (slices, rows, columns); the first is not used.

    Returns
    -------
    ndarray of bool, of the shape of `mask`
    """
    return _morphed(mask, cv2.MORPH_DILATE, _disc(radius_mm, spacing_mm))


def opened(mask: Mask, radius_mm: float, spacing_mm: Spacing) -> Mask:
    """Morphological opening by a disc in each slice.

    Parameters
    ----------
    mask : ndarray of bool, shape (slices, rows, columns)
        Slices run in any order.
    radius_mm : float
        Radius of the disc, in the unit of `spacing_mm`.
    spacing_mm : tuple of float
        mm between (slices, rows, columns); the first is not used.

    Returns
    -------
    ndarray of bool, of the shape of `mask`
    """
    return _morphed(mask, cv2.MORPH_OPEN, _disc(radius_mm, spacing_mm))


def _morphed(mask: Mask, operation: int, disc: NDArray[np.uint8]) -> Mask:
    """OpenCV, slice by slice: ten times as fast as scipy. Outside a slice is nothing."""
    each = [
        cv2.morphologyEx(plane, operation, disc, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        for plane in mask.astype(np.uint8)
    ]
    return np.stack(each).astype(np.bool_)


def filled(mask: Mask) -> Mask:
    """Fill the holes in each slice, from the lowest upwards, that have mostly mask beneath.

    So a solid focus is filled, and the top of the diaphragm, which lung surrounds too, is not.

    Parameters
    ----------
    mask : ndarray of bool, shape (slices, rows, columns)
        Slices run to the head.

    Returns
    -------
    ndarray of bool, of the shape of `mask`
    """
    result = mask.copy()
    for z in range(1, len(mask)):
        # A frame of air joins all that reaches the edge of the slice into piece 1.
        pieces, n = ndimage.label(np.pad(~mask[z], 1, constant_values=True))
        if n > 1:
            pieces = pieces[1:-1, 1:-1]
            beneath = ndimage.mean(result[z - 1], pieces, np.arange(n + 1))
            result[z] |= (pieces > 1) & (beneath > 0.5)[pieces]
    return result


def _disc(radius_mm: float, spacing_mm: Spacing) -> NDArray[np.uint8]:
    """A disc of odd rows and columns; on a coarse grid a single voxel."""
    rows, columns = (round(radius_mm / mm) for mm in spacing_mm[1:])
    y = np.arange(-rows, rows + 1)[:, None] / max(rows, 1)
    x = np.arange(-columns, columns + 1)[None, :] / max(columns, 1)
    return (y**2 + x**2 <= 1.0).astype(np.uint8)

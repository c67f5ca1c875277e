"""What is done slice by slice to masks of (slices, rows, columns)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["PLANE", "Mask", "Spacing", "closed", "dilated", "filled", "opened"]

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]
"""mm between (slices, rows, columns)."""

PLANE = np.zeros((3, 3, 3), dtype=np.bool_)
"""A voxel and its four neighbours in the slice."""
PLANE[1] = ndimage.generate_binary_structure(2, 1)


def closed(mask: Mask, radius_mm: float, spacing_mm: Spacing) -> Mask:
    """Morphological closing by a disc in each slice, as if the slice went on."""
    disc = _disc(radius_mm, spacing_mm)
    rows, columns = (n // 2 for n in disc.shape)
    padded = np.pad(mask, ((0, 0), (rows, rows), (columns, columns)))
    found = _morphed(padded, cv2.MORPH_CLOSE, disc)
    return found[:, rows : rows + mask.shape[1], columns : columns + mask.shape[2]]


def dilated(mask: Mask, radius_mm: float, spacing_mm: Spacing) -> Mask:
    """Morphological dilation by a disc in each slice."""
    return _morphed(mask, cv2.MORPH_DILATE, _disc(radius_mm, spacing_mm))


def opened(mask: Mask, radius_mm: float, spacing_mm: Spacing) -> Mask:
    """Morphological opening by a disc in each slice."""
    return _morphed(mask, cv2.MORPH_OPEN, _disc(radius_mm, spacing_mm))


def _morphed(mask: Mask, operation: int, disc: NDArray[np.uint8]) -> Mask:
    """OpenCV, slice by slice: ten times as fast as scipy. Outside a slice is nothing."""
    each = [
        cv2.morphologyEx(one, operation, disc, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        for one in mask.astype(np.uint8)
    ]
    return np.stack(each).astype(np.bool_)


def filled(mask: Mask) -> Mask:
    """Holes in a slice filled, from the lowest slice upwards, where most of it has mask beneath.

    So a solid focus is filled, and the top of the diaphragm, which lung surrounds too, is not.
    """
    found = mask.copy()
    for z in range(1, len(mask)):
        # A frame of air joins all that reaches the edge of the slice into piece 1.
        pieces, n = ndimage.label(np.pad(~mask[z], 1, constant_values=True))
        if n > 1:
            pieces = pieces[1:-1, 1:-1]
            beneath = ndimage.mean(found[z - 1], pieces, np.arange(n + 1))
            found[z] |= (pieces > 1) & (beneath > 0.5)[pieces]
    return found


def _disc(radius_mm: float, spacing_mm: Spacing) -> NDArray[np.uint8]:
    """A disc of odd rows and columns; on a coarse grid a single voxel."""
    rows, columns = (round(radius_mm / mm) for mm in spacing_mm[1:])
    y = np.arange(-rows, rows + 1)[:, None] / max(rows, 1)
    x = np.arange(-columns, columns + 1)[None, :] / max(columns, 1)
    return (y**2 + x**2 <= 1.0).astype(np.uint8)

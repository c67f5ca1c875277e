"""What is done slice by slice to masks of (slices, rows, columns)."""

from __future__ import annotations

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
    disc, rows, columns = _disc(radius_mm, spacing_mm)
    padded = np.pad(mask, ((0, 0), (rows, rows), (columns, columns)))
    found: Mask = ndimage.binary_closing(padded, structure=disc)
    return found[:, rows : rows + mask.shape[1], columns : columns + mask.shape[2]]


def dilated(mask: Mask, radius_mm: float, spacing_mm: Spacing) -> Mask:
    """Morphological dilation by a disc in each slice."""
    found: Mask = ndimage.binary_dilation(mask, structure=_disc(radius_mm, spacing_mm)[0])
    return found


def opened(mask: Mask, radius_mm: float, spacing_mm: Spacing) -> Mask:
    """Morphological opening by a disc in each slice."""
    found: Mask = ndimage.binary_opening(mask, structure=_disc(radius_mm, spacing_mm)[0])
    return found


def filled(mask: Mask) -> Mask:
    """Holes in a slice filled, from the lowest slice upwards, where most of it has mask beneath.

    So a solid focus is filled, and the top of the diaphragm, which lung surrounds too, is not.
    """
    found = mask.copy()
    for z in range(1, len(mask)):
        holes, n = ndimage.label(ndimage.binary_fill_holes(mask[z]) & ~mask[z])
        if n:
            beneath = ndimage.mean(found[z - 1], holes, np.arange(n + 1))
            found[z] |= (holes > 0) & (beneath > 0.5)[holes]
    return found


def _disc(radius_mm: float, spacing_mm: Spacing) -> tuple[Mask, int, int]:
    """A disc, and its reach in rows and columns; on a coarse grid a single voxel."""
    rows, columns = (round(radius_mm / mm) for mm in spacing_mm[1:])
    y = np.arange(-rows, rows + 1)[:, None] / max(rows, 1)
    x = np.arange(-columns, columns + 1)[None, :] / max(columns, 1)
    return (y**2 + x**2 <= 1.0)[None], rows, columns

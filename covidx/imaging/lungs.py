"""Lungs on CT by the classical way: air inside the body, in two large pieces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from covidx.constants import LUNG_AIR_HU, MIN_LUNG_ML, ROUNDING
from covidx.errors import InvalidInputError
from covidx.volume import Volume

__all__ = ["lung_mask"]

WORKING_MM = 2.0
"""mm to which the grid is thinned in the plane: enough for a box and an area a slice."""
MIN_PIECE = 0.1
"""Share of the largest piece that another must reach to count as lung; bowel gas does not."""
CLOSING_MM = 8.0
"""Radius in mm that closes vessels and small opacities."""


def lung_mask(volume: Volume) -> NDArray[np.bool_]:
    """Find the lungs in a thorax CT.

    Threshold, removal of the air around the body, large components, closing: the scheme of
    Hu, Hoffman and Reinhardt (IEEE TMI 2001;20:490) without its separation of left from right.
    Dense consolidation at the pleura is left out; a bounding box hardly suffers from that.

    Parameters
    ----------
    volume : Volume
        CT in proven HU with a proven geometry, axial slices.

    Returns
    -------
    ndarray of bool, shape (slices, rows, columns)

    Raises
    ------
    InvalidInputError
        ``NO_LUNGS``: less than `constants.MIN_LUNG_ML` of aerated lung.
    """
    spacing, voxel_ml = volume.spacing_mm, volume.voxel_ml
    assert spacing is not None and voxel_ml is not None
    # Spacing may differ in its seventh digit between a file and its stored copy.
    step = (1, *(max(1, round(WORKING_MM / mm - ROUNDING)) for mm in spacing[1:]))
    coarse = volume.array[:, :: step[1], :: step[2]]  # (slices, rows, columns)
    air = _inner_air(coarse < LUNG_AIR_HU)
    pieces, _ = ndimage.label(air)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    lungs = np.isin(pieces, np.nonzero(sizes > MIN_PIECE * sizes.max())[0]) & (pieces > 0)
    found_ml = float(lungs.sum()) * voxel_ml * step[1] * step[2]
    if found_ml < MIN_LUNG_ML:
        raise InvalidInputError(
            "NO_LUNGS",
            "There are no lungs in view.",
            expected=f"at least {MIN_LUNG_ML:.0f} ml of aerated lung",
            actual=f"{found_ml:.0f} ml",
            hint="Is this a chest CT that covers the lungs?",
        )
    closed = _close_in_plane(lungs, spacing[1] * step[1])
    fine = closed.repeat(step[1], axis=1).repeat(step[2], axis=2)
    return fine[:, : volume.array.shape[1], : volume.array.shape[2]]


def _inner_air(air: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Air that does not reach the edge of its slice."""
    in_plane = np.zeros((3, 3, 3), dtype=bool)
    in_plane[1] = ndimage.generate_binary_structure(2, 1)
    # A frame of air joins all the outside of a slice into one piece.
    framed = np.pad(air, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    pieces, _ = ndimage.label(framed, structure=in_plane)
    outside = np.unique(pieces[:, 0, 0])
    return (framed & ~np.isin(pieces, outside))[:, 1:-1, 1:-1]


def _close_in_plane(mask: NDArray[np.bool_], pixel_mm: float) -> NDArray[np.bool_]:
    radius = max(1, round(CLOSING_MM / pixel_mm))
    across = np.arange(-radius, radius + 1)
    disc = (across[:, None] ** 2 + across[None, :] ** 2 <= radius**2)[None]
    padded = np.pad(mask, ((0, 0), (radius, radius), (radius, radius)))
    closed = ndimage.binary_closing(padded, structure=disc)
    return closed[:, radius:-radius, radius:-radius]

"""Right from left lung, also where they touch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from covidx.errors import InvalidInputError
from covidx.segmentation.planes import Mask, Spacing, sized_pieces

Labels = NDArray[np.uint8]

RIGHT, LEFT = 1, 2
"""The patient's right and left lung in a mask of lungs."""

MIN_SIDE = 0.1
"""Share of the lungs that the lesser side must reach. Modelling choice."""
APART_MM = 30.0
"""mm from right to left between the middles of two pieces that are two sides, not two lobes."""
MAX_NECK_MM = 12.0
"""mm from the border to which lungs are thinned in a slice to part them: contacts of twice this
width are cut. Modelling choice: at the anterior junction two pleurae touch."""


def split_sides(lungs: Mask, spacing_mm: Spacing) -> Labels:
    """Part the lungs: thinned until two large pieces remain, all else to the nearer of them.

    Parameters
    ----------
    lungs : ndarray of bool, shape (slices, rows, columns)
        Aerated lung; columns run to the patient's left.
    spacing_mm : tuple of float
        Of (slices, rows, columns).

    Returns
    -------
    ndarray of uint8
        1 right, 2 left, 0 elsewhere.

    Raises
    ------
    InvalidInputError
        ``LUNGS_NOT_SEPARATED``.
    """
    depth = np.stack([_depth(plane, spacing_mm) for plane in lungs])
    for radius in np.arange(0.0, MAX_NECK_MM + 1e-6, min(spacing_mm[1:])):
        cores = _cores(depth > radius, spacing_mm)
        if cores is not None:
            nearest = ndimage.distance_transform_edt(
                cores == 0, sampling=spacing_mm, return_distances=False, return_indices=True
            )
            return np.where(lungs, cores[tuple(nearest)], 0).astype(np.uint8)
    raise InvalidInputError(
        "LUNGS_NOT_SEPARATED",
        "The right and the left lung cannot be separated.",
        expected=f"two pieces of aerated lung, the lesser at least {MIN_SIDE:.0%} of both",
        hint="Give a lung mask of your own; one lung may be missing or without air.",
    )


def _depth(plane: Mask, spacing_mm: Spacing) -> NDArray[np.float64]:
    """mm to the nearest voxel of the slice that is not lung."""
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(plane, sampling=spacing_mm[1:])
    return depth


def _cores(lungs: Mask, spacing_mm: Spacing) -> Labels | None:
    """The two largest pieces as right and left; None where they are no two sides."""
    pieces, sizes = sized_pieces(lungs)
    if len(sizes) < 3:
        return None
    first, second = np.argsort(sizes)[:-3:-1]
    (_, _, x), (_, _, other) = ndimage.center_of_mass(lungs, pieces, [first, second])
    if sizes[second] < MIN_SIDE * sizes.sum() or abs(x - other) * spacing_mm[2] < APART_MM:
        return None
    right, left = (first, second) if x < other else (second, first)
    names = np.zeros(len(sizes), np.uint8)
    names[right], names[left] = RIGHT, LEFT
    return names[pieces]

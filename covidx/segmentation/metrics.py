"""How well a mask agrees with the truth: overlap, surfaces, volume and lesions.

Rules for empty masks, by which no scan is left out unseen:

=====================  ==========  =====================  =======================
metric                 both empty  truth empty, found     found empty, truth not
=====================  ==========  =====================  =======================
``dice``, ``nsd``      1           0                      0
``hd95_mm``            0           NaN                    NaN
``volume_error_ml``    0           all that was found     minus all of the truth
``volume_error_pct``   0           NaN                    -100
lesion sensitivity     NaN         NaN                    0
false positives        0           all that were found    0
=====================  ==========  =====================  =======================

A Hausdorff distance to nothing is not a number, so that a mean over scans would improve as more
masks are missed: the share of scans that are missed stands beside it (`summary`), and shows in
Dice and NSD.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from covidx.errors import InvalidInputError
from covidx.segmentation.planes import PLANE, Mask, Spacing

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class MaskScores:
    """One found mask beside the truth; the rules for empty masks stand above.

    Attributes
    ----------
    dice : float
        Twice the common volume over the sum of both.
    nsd : float
        Normalised surface Dice: share of both surfaces that lies within `tolerance_mm` of the
        other (Nikolov et al., arXiv:1809.04430), a surface being the voxels at a mask's border.
    tolerance_mm : float
        Of `nsd`.
    hd95_mm : float
        The greater of the two 95th percentiles of the distances from surface to surface.
    volume_ml, truth_ml : float
        Of the found mask, and of the truth.
    volume_error_ml, volume_error_pct : float
        Found minus truth; in % of the truth.
    lesions, lesions_found : int
        Pieces of the truth (26 neighbours), and those of them that the found mask touches.
    false_positives : int
        Pieces of the found mask that touch nothing of the truth.
    """

    dice: float
    nsd: float
    tolerance_mm: float
    hd95_mm: float
    volume_ml: float
    truth_ml: float
    volume_error_ml: float
    volume_error_pct: float
    lesions: int
    lesions_found: int
    false_positives: int


def compare_masks(
    found: Mask, truth: Mask, spacing_mm: Spacing, *, tolerance_mm: float
) -> MaskScores:
    """Compare a mask with the truth on the same grid.

    Parameters
    ----------
    found, truth : ndarray of bool, shape (slices, rows, columns)
        On one grid; either may be empty, by the rules above.
    spacing_mm : tuple of float
        Of (slices, rows, columns).
    tolerance_mm : float
        Of the NSD; at least 0. What two readers differ by is a fair choice.

    Raises
    ------
    InvalidInputError
        ``MASKS_DIFFER``: not two masks of one shape; ``MASK_SPACING``; ``TOLERANCE_RANGE``.
    """
    _check(found, truth, spacing_mm, tolerance_mm)
    voxel_ml = math.prod(spacing_mm) / 1000.0
    volume, true = (int(np.count_nonzero(mask)) * voxel_ml for mask in (found, truth))
    nsd, hd95 = _surface_scores(found, truth, spacing_mm, tolerance_mm)
    lesions, lesions_found = _touched(truth, found)
    pieces, pieces_true = _touched(found, truth)
    percent = 100.0 * (volume - true) / true if true else (math.nan if volume else 0.0)
    return MaskScores(
        dice=dice(found, truth),
        nsd=nsd,
        tolerance_mm=tolerance_mm,
        hd95_mm=hd95,
        volume_ml=volume,
        truth_ml=true,
        volume_error_ml=volume - true,
        volume_error_pct=percent,
        lesions=lesions,
        lesions_found=lesions_found,
        false_positives=pieces - pieces_true,
    )


def dice(found: Mask, truth: Mask) -> float:
    """Twice the voxels that `found` and `truth` share over the sum of both; 1 where both are empty.

    Examples
    --------
    >>> dice(np.array([True, True, False]), np.array([False, True, False]))
    0.6666666666666666
    """
    both = int(np.count_nonzero(found)) + int(np.count_nonzero(truth))
    return 2.0 * int(np.count_nonzero(found & truth)) / both if both else 1.0


def surface_distances(
    found: Mask, truth: Mask, spacing_mm: Spacing
) -> tuple[FloatArray, FloatArray]:
    """mm from each border voxel of one mask to the nearest border voxel of the other.

    A border voxel has one of its six neighbours outside of the mask, or outside of the image; of a
    single slice, one of its four neighbours in the plane.
    Distances run between the middles of voxels.

    Parameters
    ----------
    found, truth : ndarray of bool, shape (slices, rows, columns)
        Neither of them empty.
    spacing_mm : tuple of float
        Of (slices, rows, columns).

    Returns
    -------
    found_to_truth, truth_to_found : ndarray
        One number a border voxel.
    """
    box = ndimage.find_objects((found | truth).astype(np.uint8))[0]
    # A radiograph has neighbours in its plane alone, or all of it would be border.
    near = PLANE if found.shape[0] == 1 else None
    borders = [mask[box] & ~ndimage.binary_erosion(mask[box], near) for mask in (found, truth)]
    away = [ndimage.distance_transform_edt(~one, sampling=spacing_mm) for one in borders]
    return away[1][borders[0]], away[0][borders[1]]


def _surface_scores(
    found: Mask, truth: Mask, spacing_mm: Spacing, tolerance_mm: float
) -> tuple[float, float]:
    """NSD and HD95."""
    if not found.any() or not truth.any():
        return (0.0, math.nan) if found.any() or truth.any() else (1.0, 0.0)
    there, back = surface_distances(found, truth, spacing_mm)
    near = np.count_nonzero(there <= tolerance_mm) + np.count_nonzero(back <= tolerance_mm)
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(near / (len(there) + len(back))), float(hd95)


def _touched(mask: Mask, other: Mask) -> tuple[int, int]:
    """Pieces of a mask (26 neighbours), and how many of them share a voxel with the other."""
    pieces, n = ndimage.label(mask, structure=np.ones((3, 3, 3), dtype=np.bool_))
    return int(n), len(np.unique(pieces[mask & other]))


def _check(found: Mask, truth: Mask, spacing_mm: Spacing, tolerance_mm: float) -> None:
    kinds = [(mask.shape, str(mask.dtype)) for mask in (found, truth)]
    if kinds[0] != kinds[1] or found.ndim != 3 or found.dtype != np.bool_:
        raise InvalidInputError(
            "MASKS_DIFFER",
            "These are not two masks on one grid.",
            expected="two arrays of bool of the same shape (slices, rows, columns)",
            actual=" and ".join(f"{kind} {shape}" for shape, kind in kinds),
        )
    if len(spacing_mm) != 3 or not all(0 < mm < math.inf for mm in spacing_mm):
        raise InvalidInputError(
            "MASK_SPACING", "A spacing in mm is above 0, one an axis.", actual=spacing_mm
        )
    if not 0 <= tolerance_mm < math.inf:
        raise InvalidInputError(
            "TOLERANCE_RANGE", "A tolerance in mm is not negative.", actual=tolerance_mm
        )

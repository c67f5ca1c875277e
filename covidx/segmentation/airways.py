"""The trachea and main bronchi: tubes of air that are followed from slice to slice."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from covidx.segmentation.planes import Mask, Spacing

TRACHEA_MM2 = (40.0, 700.0)
"""mm2 of the trachea's cross-section, generously: adults' is 10 to 27 mm wide and deep (Breatnach,
Abbott, Fraser, AJR 1984;142:903)."""
ROUND = 2.0
"""Times by which its longer side may exceed the shorter."""
OFF_MIDDLE_MM = 35.0
"""mm from the middle between the lungs within which it enters the chest. Modelling choice."""
GROWTH, CARINA_MM2 = 2.5, 1500.0
"""A tube that widens by more from slice to slice, or beyond this area (the trachea where it
divides), has run into lung. Modelling choices."""


def find_airways(air: Mask, spacing_mm: Spacing) -> Mask:
    """Follow the trachea down to where the bronchi enter the lungs.

    Parameters
    ----------
    air : ndarray of bool, shape (slices, rows, columns)
        Air inside the body; slices run to the head.
    spacing_mm : tuple of float
        Of (slices, rows, columns).

    Returns
    -------
    ndarray of bool
        The airways' part of `air`; empty where no trachea is seen in the upper half.
    """
    airways = np.zeros_like(air)
    previous: Mask | None = None
    used = np.nonzero(air.any(axis=(0, 1)))[0]
    middle = (used[0] + used[-1]) / 2.0 if len(used) else 0.0
    for z in range(len(air) - 1, -1, -1):
        pieces, n = ndimage.label(air[z])
        area = np.bincount(pieces.ravel(), minlength=n + 1) * spacing_mm[1] * spacing_mm[2]
        if previous is None:
            if z < len(air) // 2:
                break
            chosen = _trachea(pieces, area, middle, spacing_mm)
        else:
            previous_mm2 = np.count_nonzero(previous) * spacing_mm[1] * spacing_mm[2]
            limit = min(max(GROWTH * previous_mm2, TRACHEA_MM2[1]), CARINA_MM2)
            chosen = [i for i in np.unique(pieces[previous]) if i and area[i] <= limit]
            if not chosen:
                break
        if chosen:
            previous = np.isin(pieces, chosen)
            airways[z] = previous
    return airways


def _trachea(pieces: np.ndarray, area: np.ndarray, middle: float, spacing_mm: Spacing) -> list[int]:
    """The piece of a slice that may be the trachea: round, of its size, nearest the middle."""
    candidates: list[tuple[float, int]] = []
    for i, (rows, columns) in enumerate(ndimage.find_objects(pieces), start=1):
        sides = (
            (rows.stop - rows.start) * spacing_mm[1],
            (columns.stop - columns.start) * spacing_mm[2],
        )
        off_mm = abs((columns.start + columns.stop - 1) / 2.0 - middle) * spacing_mm[2]
        if (
            TRACHEA_MM2[0] <= area[i] <= TRACHEA_MM2[1]
            and max(sides) <= ROUND * min(sides)
            and off_mm <= OFF_MIDDLE_MM
        ):
            candidates.append((off_mm, i))
    return [min(candidates)[1]] if candidates else []

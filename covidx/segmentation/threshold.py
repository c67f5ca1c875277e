"""Opacities by a threshold within the lungs: the control that a network must beat."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.errors import InvalidInputError
from covidx.segmentation.planes import Mask

CANDIDATES_HU = np.arange(-900.0, 0.0, 10.0)
"""From what is denser than most aerated lung to what is nearly fluid."""


def threshold_opacities(hu: NDArray[Any], lungs: Mask, threshold: float) -> Mask:
    """Everything in the lungs at or above a threshold.

    Parameters
    ----------
    hu : ndarray, shape (slices, rows, columns)
        CT in HU.
    lungs : ndarray of bool
        Of the same shape.
    threshold : float
        HU.

    Returns
    -------
    ndarray of bool, shape (slices, rows, columns)
    """
    opacities: Mask = lungs & (hu >= threshold)
    return opacities


def choose_threshold(scans: Iterable[tuple[NDArray[Any], Mask, Mask]]) -> float:
    """The threshold with the highest mean Dice.

    Parameters
    ----------
    scans : iterable of (ndarray, mask, mask)
        HU, lungs and true opacities of training patients, (slices, rows, columns) each; scans
        without opacities are left out.

    Returns
    -------
    float
        HU, one of `CANDIDATES_HU`.

    Raises
    ------
    InvalidInputError
        ``NO_OPACITIES``: no scan has any.
    """
    dice = []
    for hu, lungs, truth in scans:
        if not truth.any():
            continue
        opaque, both = (_at_least(hu[mask]) for mask in (lungs, lungs & truth))
        dice.append(2.0 * both / (opaque + np.count_nonzero(truth)))
    if not dice:
        raise InvalidInputError(
            "NO_OPACITIES",
            "No scan has an opacity, so no threshold can be chosen.",
            expected="one or more",
            hint="Add training scans whose masks show opacities.",
        )
    return float(CANDIDATES_HU[int(np.mean(dice, axis=0).argmax())])


def _at_least(values: NDArray[Any]) -> NDArray[np.int64]:
    """How many values reach each candidate."""
    ordered = np.sort(values)
    return len(ordered) - np.searchsorted(ordered, CANDIDATES_HU, side="left")

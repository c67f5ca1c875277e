"""What a reader has to know of a mask of lungs: whether it looks like two whole lungs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from covidx.scratch import planes
from covidx.segmentation.sides import LEFT, RIGHT

SIDES = {RIGHT: "right lung", LEFT: "left lung"}
CUT_SHARE = 0.1
"""Share of the largest slice of lung from which the first or last slice is said to cut it."""

LUNG_SHARE = (0.02, 0.4)
"""Share of a frontal radiograph that one lung covers, least and most. Modelling choice, wider than
what the masks by V7 Labs of 427 radiographs span."""
LUNG_RATIO = 0.4
"""Least ratio of the smaller lung's area to the larger one's. Modelling choice."""
FEWEST_PIXELS = 0.01
"""Share of a radiograph that a piece must cover to be looked at as a lung."""


def lung_flags(lungs: NDArray[Any]) -> list[str]:
    """Flag a side that a CT mask of the lungs lacks, and an end at which it is cut.

    Parameters
    ----------
    lungs : ndarray, shape (slices, rows, columns)
        1 right, 2 left lung, 0 elsewhere; slices run to the head.

    Returns
    -------
    list of str
        A sentence a flag; empty where there is nothing to flag.
    """
    each = [[np.count_nonzero(plane == side) for side in SIDES] for plane in planes(lungs)]
    pixels = np.array(each)  # (slices, sides)
    flags = [
        f"no {name} in the mask"
        for number, name in enumerate(SIDES.values())
        if not pixels[:, number].any()
    ]
    area = pixels.sum(axis=1)
    flags += [
        f"the lungs are cut at their {end}: volumes and shares are of what is in view"
        for end, slice_ in (("base", 0), ("top", -1))
        if area[slice_] > CUT_SHARE * area.max()
    ]
    return flags


def radiograph_flags(lungs: NDArray[np.bool_]) -> list[str]:
    """Flag a radiograph's mask whose two largest pieces have not the areas of two lungs.

    Parameters
    ----------
    lungs : ndarray of bool, shape (rows, columns)
        Both lungs on a frontal radiograph.

    Returns
    -------
    list of str
        A sentence a flag; empty where there is nothing to flag.
    """
    pieces, _ = ndimage.label(lungs)
    shares = np.sort(np.bincount(pieces.ravel())[1:] / lungs.size)[::-1]
    large = shares[shares >= FEWEST_PIXELS]
    if len(large) < 2:
        return ["two lungs were not found apart from each other"]
    flags = []
    if large[1] < LUNG_SHARE[0] or large[0] > LUNG_SHARE[1]:
        flags.append(f"the lungs' areas, {large[0]:.0%} and {large[1]:.0%}, are implausible")
    if large[1] < LUNG_RATIO * large[0]:
        flags.append(f"one lung's area is {large[1] / large[0]:.0%} of the other's")
    if len(large) > 2:
        flags.append("more than two pieces were found")
    return flags

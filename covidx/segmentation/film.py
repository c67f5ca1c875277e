"""Does a mask of the lungs on a radiograph look like lungs?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["look_at_film"]

LUNG_SHARE = (0.02, 0.4)
"""Share of a frontal radiograph that one lung covers, least and most. Modelling choice, wider than
what the masks by V7 Labs of 427 radiographs span."""
LUNG_RATIO = 0.4
"""Least ratio of the smaller lung's area to the larger one's. Modelling choice."""
FEWEST_PIXELS = 0.01
"""Share of a picture that a piece must cover to be looked at as a lung."""


def look_at_film(lungs: NDArray[np.bool_]) -> list[str]:
    """Whether the two largest pieces have the areas of two lungs."""
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

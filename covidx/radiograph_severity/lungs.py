"""The box of the lungs on a radiograph, by a linear model of the radiograph's features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from covidx.radiograph_severity.features import Box
from covidx.radiograph_severity.linear import Linear, fit_candidates

MIN_RADIOGRAPHS = 20
"""Radiographs with lung annotations that a finder needs at least."""
MARGIN = 0.05
"""Of the box's height and width, kept on each side."""
RIDGE = "ridge 0.1"
"""One penalty for the finder: of four from 0.01 to 0.3 none was better by more than 0.001."""


@dataclass(frozen=True, eq=False)
class LungFinder:
    """Finds the box of the lungs.

    Parameters
    ----------
    model : Linear
        Features to top, bottom, left, right, as shares of the radiograph.
    sizes : tuple of float
        Least and greatest height, least and greatest width of the boxes trained on.
    radiographs : int
        How many it was trained on.
    """

    model: Linear
    sizes: tuple[float, float, float, float]
    radiographs: int

    def __call__(self, features: NDArray[np.float32]) -> tuple[Box, str | None]:
        """The box with its margin, and why it may be wrong, by the `features` of `place`."""
        top, bottom, left, right = (float(v) for v in self.model(features[None])[0])
        tall, wide = bottom - top, right - left
        low, high, narrow, broad = self.sizes
        doubt = None
        less, more = 1 - MARGIN, 1 + MARGIN  # boxes are off by some per cent
        if not (less * low <= tall <= more * high and less * narrow <= wide <= more * broad):
            doubt = (
                f"lungs of a size that no training radiograph has: {tall:.2f} by {wide:.2f} of it"
            )
            tall, wide = min(max(tall, low), high), min(max(wide, narrow), broad)
            middle, centre = (top + bottom) / 2, (left + right) / 2
            top, bottom = middle - tall / 2, middle + tall / 2
            left, right = centre - wide / 2, centre + wide / 2
        edges = (top - MARGIN * tall, bottom + MARGIN * tall)
        sides = (left - MARGIN * wide, right + MARGIN * wide)
        box = tuple(float(v) for v in np.clip((*edges, *sides), 0.0, 1.0))
        if box[1] - box[0] < low / 2 or box[3] - box[2] < narrow / 2:
            return (0.0, 1.0, 0.0, 1.0), "no lungs found: the complete radiograph was used"
        return (box[0], box[1], box[2], box[3]), doubt


def box_of_mask(mask: NDArray[np.bool_]) -> Box | None:
    """Top, bottom, left, right of `mask`, as shares of the radiograph; None where it is empty.

    >>> box_of_mask(np.array([[0, 0, 0, 0], [0, 1, 1, 0]], bool))
    (0.5, 1.0, 0.25, 0.75)
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    tall, wide = mask.shape
    return (
        float(rows[0] / tall),
        float((rows[-1] + 1) / tall),
        float(columns[0] / wide),
        float((columns[-1] + 1) / wide),
    )


def fit_finder(features: NDArray[np.float32], boxes: list[Box]) -> LungFinder:
    """Fit on radiographs with lung annotations.

    Parameters
    ----------
    features : ndarray of float32, shape (radiographs, features)
        By `RadiographNetwork.place`.
    boxes : list of (top, bottom, left, right)
        Of the lungs, as shares of the radiograph.
    """
    edges = np.array(boxes, dtype=np.float64)
    tall, wide = edges[:, 1] - edges[:, 0], edges[:, 3] - edges[:, 2]
    sizes = (float(tall.min()), float(tall.max()), float(wide.min()), float(wide.max()))
    return LungFinder(fit_candidates(features, edges, [RIDGE])[RIDGE], sizes, len(boxes))

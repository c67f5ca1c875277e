"""Inputs in place of the image: only the lungs, all but them, the rim, ...

All work on the network's input pixels. What is taken away becomes black, the lower end of the
window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

BLACK = 0
"""Grey of what is taken away: air or less on CT (-1350 HU in the lung window)."""
HULL_MARGIN = 0.03
"""By how much the hull of the lungs is dilated, as a share of the picture's longer side, rounded
up: 4 pixels of 112 or 128. A masker that loses a rim of the lung must not leave it to be seen."""
RING = 0.05
"""Width of the rim, as a share of each side. On 428 radiographs of covid-chestxray whose lungs were
annotated by V7 Labs, lung is 2.3 % of a rim of this width."""
SIGMA = 0.04
"""Standard deviation of the low-pass filter, as a share of the longer side: 4.5 pixels of 112."""
TEXT_ZONE = 0.2
"""Text is looked for within this share of the sides from the edge."""
TEXT_SIZE = 0.12
"""Strokes and letters are narrower than this share of the shorter side, and cover less than its
square."""
TEXT_GREY, TEXT_CONTRAST = 180, 60
"""Text reaches this grey of 255, and is brighter than what surrounds it by this much. These three
are modelling choices."""

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class View:
    """The pixels of a bag, and where its lungs lie.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (n, rows, columns)
        Greys of each slice.
    lungs : ndarray of float32, shape (n, rows, columns), optional
        Share of each pixel that is lung; None where that is not known.
    """

    pixels: Pixels
    lungs: NDArray[np.float32] | None

    @cached_property
    def hull(self) -> Mask:
        """By slice, the dilated convex hull of both lungs; nowhere, if the lungs are not known.

        Any share of lung counts. A slice in which no lung was found, though the scan was chosen for
        showing lung there, gets the hull of all slices together.
        """
        if self.lungs is None:
            return np.zeros(self.pixels.shape, np.bool_)
        found = self.lungs > 0
        empty = ~found.any(axis=(1, 2))
        found[empty] = found.any(axis=0)
        return np.stack([_dilated_hull(one) for one in found])


def _dilated_hull(mask: Mask) -> Mask:
    rows, columns = np.nonzero(mask)
    filled = np.zeros(mask.shape, np.uint8)
    if len(rows):
        points = np.stack([columns, rows], axis=1).astype(np.int32)  # (x, y), as OpenCV has it
        cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    reach = int(np.ceil(HULL_MARGIN * max(mask.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate(filled, disc) > 0


def ring(rows: int, columns: int, share: float = RING) -> Mask:
    """The rim of a picture, shape (rows, columns).

    Parameters
    ----------
    rows, columns : int
        Of the picture.
    share : float
        Width of the rim, as a share of each side.

    Examples
    --------

    >>> ring(32, 40)[:, 20].nonzero()[0].tolist()
    [0, 1, 30, 31]
    """
    found = np.ones((rows, columns), np.bool_)
    high, wide = (max(1, round(share * side)) for side in (rows, columns))
    found[high:-high, wide:-wide] = False
    return found


def _unchanged(view: View) -> Pixels:
    return view.pixels


def _lungs_only(view: View) -> Pixels:
    assert view.lungs is not None
    return np.where(view.lungs >= 0.5, view.pixels, BLACK).astype(np.uint8)


def _lungs_out(view: View) -> Pixels:
    return np.where(view.hull, BLACK, view.pixels).astype(np.uint8)


def _border_only(view: View) -> Pixels:
    kept = ring(*view.pixels.shape[1:]) & ~view.hull
    return np.where(kept, view.pixels, BLACK).astype(np.uint8)


def _low_pass(view: View) -> Pixels:
    sigma = SIGMA * max(view.pixels.shape[1:])
    return np.stack([cv2.GaussianBlur(one, (0, 0), sigma) for one in view.pixels]).astype(np.uint8)


def _text_masked(view: View) -> Pixels:
    """Text is filled from its surroundings, since black would show it.

    Telea, J Graph Tools 2004;9:23-34.
    """
    pairs = zip(view.pixels, text_mask(view).astype(np.uint8), strict=True)
    filled = [cv2.inpaint(one, text, 3, cv2.INPAINT_TELEA) for one, text in pairs]
    return np.stack(filled).astype(np.uint8)


def text_mask(view: View) -> Mask:
    """Small, bright components near the edge of `view`, outside the lungs, and a pixel about each.

    Returns
    -------
    ndarray of bool, shape (n, rows, columns)
    """
    pixels = view.pixels
    n, rows, columns = pixels.shape
    size = max(3, round(TEXT_SIZE * min(rows, columns))) | 1  # odd: an even kernel shifts
    kernel, near = np.ones((size, size), np.uint8), ring(rows, columns, TEXT_ZONE)
    found = np.zeros(pixels.shape, np.bool_)
    for place in range(n):
        contrast = cv2.morphologyEx(pixels[place], cv2.MORPH_TOPHAT, kernel)
        bright = (contrast >= TEXT_CONTRAST) & near & ~view.hull[place]
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            bright.astype(np.uint8), connectivity=8
        )
        for label in range(1, count):
            part = labels == label
            small = 2 <= stats[label, cv2.CC_STAT_AREA] <= size**2
            if small and pixels[place][part].max() >= TEXT_GREY:
                found[place] |= part
        found[place] = cv2.dilate(found[place].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return found & ~view.hull


CONDITIONS: dict[str, Callable[[View], Pixels]] = {
    "unchanged": _unchanged,
    "lungs only": _lungs_only,
    "lungs out": _lungs_out,
    "border only": _border_only,
    "low-pass": _low_pass,
    "text masked": _text_masked,
}
"""Name -> what the network is shown, shape (n, rows, columns)."""
LUNG_CONDITIONS = ("lungs only", "lungs out")
"""Those that need the lungs."""

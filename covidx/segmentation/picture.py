"""The lungs on one axial CT slice of unknown window, such as a picture from a paper."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from covidx.constants import DISPLAY_MAX
from covidx.errors import InvalidInputError
from covidx.segmentation.planes import Mask, Spacing, closed, opened, sized_pieces

# Modelling choices, settled by eye on 304 pictures of COVID-CT (80 of its 213 groups by source_run)
# and, for the body's box, on 20 slices of COVID-19-NY-SBU. Lengths are shares of the picture's
# longer side, greys are of 255.
FLAT = 8
"""A line at the edge is a frame where 8 of 10 of its pixels lie within this many greys."""
NOISE = 1 / 320
"""Standard deviation of the blur before any threshold."""
BLACK, CLIPPED, OF_OTSU = 6, 0.24, 0.25
"""Where pixels within 6 greys of the darkest, inside of the body, cover this share of the picture,
the window's lower end lies above lung, as in a mediastinal one (at least 0.249 in those, at most
0.220 in others). There fat is dark too, and a quarter of Otsu's threshold lies below it."""
THIN, CLOSING = 0.006, 0.02
"""Radii: thinner is no lung (fat between muscles); what closes vessels and small opacities."""
HOLE = 0.02
"""Share of the picture below which a hole is an opacity in the lung."""
PIECE, SMALLEST = 0.1, 0.01
"""What lung covers at least, of the largest piece and of the picture; airways cover less."""
SIDE, MOST = 0.08, 0.8
"""What lung covers: of each half of the body at least, of all of it at most."""
MIDDLE = 0.1
"""Share of the body's width, at its middle, that lung covers less of than of the whole: heart and
spine lie there. In a negative, where air is bright, all of it is dark."""


def segment_slice_lungs(greys: NDArray[Any]) -> Mask:
    """Find both lungs on an axial slice, by what is dark inside of what is bright.

    Otsu's threshold (IEEE Trans SMC 1979;9:62-66); what is dark and reaches a corner is outside of
    the body; large pieces are lungs, their vessels and small opacities closed. What is solid at the
    pleura is left out, and large gas in bowel or stomach is taken for lung.

    Parameters
    ----------
    greys : ndarray, shape (rows, columns)
        In any window or in HU, air dark; whole or cropped, with or without a frame.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
        Of the shape of `greys`; both lungs together.

    Raises
    ------
    InvalidInputError
        ``NO_LUNGS``: nothing dark lies inside of anything; ``LUNGS_DOUBTFUL``: one half of the body
        has hardly any, they cover nearly all of it, or most of its middle.
    """
    low, high = np.percentile(greys, [0.5, 99.5])
    scaled = (greys.astype(np.float32) - low) / max(high - low, 1e-6) * DISPLAY_MAX
    picture = scaled.clip(0, DISPLAY_MAX).astype(np.uint8)
    box = _within_frame(picture)
    content = picture[box]
    if not content.size:
        raise _refused("NO_LUNGS", "The picture is all one grey.")
    lungs = np.zeros(picture.shape, np.bool_)
    lungs[box] = _lungs(content)
    return lungs


def _lungs(picture: NDArray[np.uint8]) -> Mask:
    smooth = cv2.GaussianBlur(picture, (0, 0), max(0.5, NOISE * max(picture.shape)))
    threshold, darkest = _otsu(smooth), np.percentile(smooth, 1)
    if _apart(smooth <= darkest + BLACK)[0].mean() > CLIPPED:
        threshold = darkest + OF_OTSU * (threshold - darkest)
    else:  # much black around the body would draw it below lung
        threshold = _otsu(smooth[~_apart(smooth <= threshold)[1]])
    dark, outside = _apart(smooth <= threshold)
    lungs = _large(_without_holes(closed(dark[None], CLOSING, _pixel(dark))[0]))
    _check(lungs, outside)
    return lungs


def _otsu(greys: NDArray[Any]) -> float:
    return cv2.threshold(greys.reshape(1, -1), 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0]


def _pixel(mask: Mask) -> Spacing:
    """A pixel's size, where the longer side is 1."""
    return 1.0, 1 / max(mask.shape), 1 / max(mask.shape)


def _within_frame(picture: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Rows and columns without the flat lines at the edges; text in a frame does not count."""
    kept = []
    for lines in (picture, picture.T):
        low, high = np.percentile(lines, [10, 90], axis=1)
        uneven = np.flatnonzero(high - low > FLAT)
        kept.append(slice(uneven[0], uneven[-1] + 1) if len(uneven) else slice(0, 0))
    return kept[0], kept[1]


def _apart(dark: Mask) -> tuple[Mask, Mask]:
    """Dark pieces inside of the body, and those that reach a corner of the picture."""
    reach = 1 + round(THIN * max(dark.shape))
    wider = np.pad(dark, reach, mode="edge")  # opening takes what lies beyond the edge for bright
    thick = opened(wider[None], THIN, _pixel(dark))[0, reach:-reach, reach:-reach]
    pieces, _ = ndimage.label(thick)
    outside = np.isin(pieces, pieces[[0, 0, -1, -1], [0, -1, 0, -1]]) & thick
    return thick & ~outside, outside


def _without_holes(mask: Mask) -> Mask:
    # A frame joins all that reaches the edge into one piece.
    holes, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    small = np.bincount(holes.ravel()) < HOLE * mask.size
    filled: Mask = mask | (small[holes][1:-1, 1:-1])
    return filled


def _large(mask: Mask) -> Mask:
    pieces, sizes = sized_pieces(mask)
    large: Mask = sizes >= max(PIECE * sizes.max(), SMALLEST * mask.size, 1)
    return large[pieces]


def _check(lungs: Mask, outside: Mask) -> None:
    """Refuse what does not lie as lungs do within the body's box, without arms and table."""
    if not lungs.any():
        raise _refused("NO_LUNGS", "The picture shows nothing dark within a brighter body.")
    pieces, _ = ndimage.label(~outside)
    largest = int(np.bincount(pieces[pieces > 0]).argmax())
    body = lungs[ndimage.find_objects(pieces)[largest - 1]]
    middle, reach = body.shape[1] // 2, max(1, round(MIDDLE / 2 * body.shape[1]))
    least = min(body[:, :middle].mean(), body[:, middle:].mean())
    between = body[:, middle - reach : middle + reach].mean()
    if least < SIDE or body.mean() > MOST or between > body.mean():
        raise _refused(
            "LUNGS_DOUBTFUL",
            "The dark areas of this picture are not placed as two lungs are.",
            f"at least {SIDE:.0%} of each half of the body, at most {MOST:.0%} of all, and less in "
            "its middle",
            f"{least:.0%} of one half, {body.mean():.0%} of all, {between:.0%} in the middle",
        )


def _refused(
    code: str, message: str, expected: str | None = None, actual: str | None = None
) -> InvalidInputError:
    return InvalidInputError(
        code,
        message,
        expected=expected,
        actual=actual,
        hint="Use axial slices through both lungs with air dark, or give masks (--masks).",
    )

"""Whether one picture is a part or a copy of another: aligned, and compared on pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from covidx.audit.data.features import Features
from covidx.audit.data.pictures import Grey

Transform = NDArray[np.float64]
"""Affine, shape (2, 3): from points (x, y) of the first picture to those of the second."""

MIN_SIMILAR = 0.85
"""Cosine of two descriptors that may be the same place."""
WITHIN = 4.0
"""Pixels that a matched point may lie beside its partner."""
FEWEST_POINTS = 8
"""Points in agreement from which pixels are looked at. Two pictures of different patients reach 10
in one of a thousand pairs, the 120 known copies of DarkCovidNet 21 at least."""
MIN_CORRELATION = 0.75
"""Correlation of fine structure from which two pictures show one exposure. The 120 known copies in
DarkCovidNet, 63 of them cropped by hand, reach 0.926 and more, planted ones 0.80 but for a few; two
exposures of one patient at most 0.709 (2,319 pairs of NIH, covid-chestxray and Hannover, less four
that are copies)."""
MIN_OVERLAP = 0.5
"""Share of the smaller picture that must lie within the other."""
FINE, COARSE, AROUND = 1.0, 3.0, 8.0
"""Scales in pixels: structure between the first two, its strength made even over the third."""


@dataclass(frozen=True)
class Aligned:
    """How well one picture fits another: correlation of fine structure, and shared area, 0 to 1."""

    correlation: float
    overlap: float


def transform(first: Features, second: Features) -> Transform | None:
    """The transform from points of `first` to those of `second`; None where too few agree."""
    if min(len(first.points), len(second.points)) < FEWEST_POINTS:
        return None
    similar = first.unit @ second.unit.T
    partner = similar.argmax(axis=1)
    rows = np.arange(len(partner))
    ok = (similar.argmax(axis=0)[partner] == rows) & (similar[rows, partner] > MIN_SIMILAR)
    if ok.sum() < FEWEST_POINTS:
        return None
    here, there = first.points[ok], second.points[partner[ok]]
    cv2.setRNGSeed(0)
    similarity, agree = cv2.estimateAffinePartial2D(
        here, there, ransacReprojThreshold=WITHIN, maxIters=500
    )
    if similarity is None or agree.sum() < FEWEST_POINTS:
        return None
    inside = agree.ravel() > 0
    free, _ = cv2.estimateAffine2D(here[inside], there[inside], ransacReprojThreshold=WITHIN)
    return np.asarray(similarity if free is None or not _plain(free) else free, dtype=np.float64)


def _plain(affine: NDArray[np.generic]) -> bool:
    """Whether a transform keeps shapes: sides may be scaled apart, as by a resize to a square."""
    strengths = np.linalg.svd(np.asarray(affine[:, :2], dtype=np.float64), compute_uv=False)
    return bool(strengths[1] > 0.2 and strengths[0] / strengths[1] < 2)


def aligned(first: Grey, second: Grey, start: Transform) -> Aligned:
    """Align the first picture with the second, refine, and correlate where they overlap.

    The refinement maximises the enhanced correlation coefficient (Evangelidis and Psarakis, IEEE
    Trans Pattern Anal Mach Intell 2008;30:1858-1865).

    Parameters
    ----------
    first, second : ndarray of uint8, shape (rows, columns)
        Greys, as `pictures.read_picture`.
    start : ndarray of float64, shape (2, 3)
        As `transform`.
    """
    back = cv2.invertAffineTransform(start).astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
    try:
        # cv2's stubs want a mask; None stands for the complete picture.
        _, better = cv2.findTransformECC(  # type: ignore[call-overload]
            second, first, back.copy(), cv2.MOTION_AFFINE, stop, None, 5
        )
        back = np.asarray(better, dtype=np.float32)
    except cv2.error:  # it did not converge: the points' own transform stays
        pass
    size = (second.shape[1], second.shape[0])
    warped = cv2.warpAffine(first, back, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    there = cv2.warpAffine(
        np.ones_like(first), back, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    inner = cv2.erode(there, np.ones((9, 9)), borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    area = abs(float(np.linalg.det(back[:, :2])))  # pixels of the first for one of the second
    overlap = max(float(there.mean()), float(there.sum()) * area / first.size)
    if inner.sum() < 1000:
        return Aligned(0.0, overlap)
    return Aligned(_correlation(_detail(warped)[inner], _detail(second)[inner]), min(overlap, 1.0))


def _detail(picture: NDArray[np.generic]) -> NDArray[np.float32]:
    wide = picture.astype(np.float32)
    band = cv2.GaussianBlur(wide, (0, 0), FINE) - cv2.GaussianBlur(wide, (0, 0), COARSE)
    strength = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), AROUND) + 1)
    return np.asarray(band / strength, dtype=np.float32)


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a @ b) / max(float(np.sqrt((a @ a) * (b @ b))), 1e-9))

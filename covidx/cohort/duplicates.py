"""Near-duplicates: found by a perceptual hash, confirmed on pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

THUMBNAIL = 64
MAX_HASH_DISTANCE = 10
"""Bits of 64 in which the perceptual hashes of near-duplicates may differ (a wide net)."""
MIN_CORRELATION = 0.95
"""Correlation of the high-passed thumbnails that confirms a pair (a fine sieve). Measured: distinct
phantom patients reach 0.929, distinct COVID-CT slices 0.82 but for one pair; a copy re-compressed
at JPEG quality 60 and brightened stays above 0.98. A crop of a few per cent escapes."""
FINE_PIXELS = 2.0
"""Scale in thumbnail pixels above which structure is left out: anatomy is alike in all patients."""


@dataclass(frozen=True)
class Duplicate:
    """Two images that show the same thing.

    Attributes
    ----------
    image_a, image_b : str
        Their image ids.
    hash_distance : int
        Bits of 64 in which their perceptual hashes differ.
    correlation : float
        Of their high-passed thumbnails, -1 to 1.
    """

    image_a: str
    image_b: str
    hash_distance: int
    correlation: float


def thumbnail(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Shrink `picture`, (rows, columns), to 64 x 64, its range of values stretched to 0..255."""
    values = picture.astype(np.float32)
    low, high = np.percentile(values, [1, 99])
    scaled = np.clip((values - low) / max(float(high - low), 1e-6), 0, 1) * 255
    image = Image.fromarray(scaled.astype(np.uint8))
    return np.asarray(image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


def find_duplicates(thumbnails: Mapping[str, NDArray[np.uint8]]) -> list[Duplicate]:
    """Find all pairs of near-duplicates among some thousand images.

    Parameters
    ----------
    thumbnails : mapping of str to ndarray of uint8, shape (64, 64)
        image_id -> as `thumbnail` gives it.

    Returns
    -------
    list of Duplicate
        Sorted by image ids; compares all hashes, so that memory grows with the square of n.
    """
    ids = sorted(thumbnails)
    if len(ids) < 2:
        return []
    bits = np.stack([imagehash.phash(Image.fromarray(thumbnails[i])).hash.ravel() for i in ids])
    signs = bits.astype(np.float32) * 2 - 1
    distance = np.rint((bits.shape[1] - signs @ signs.T) / 2).astype(np.int64)
    detail = np.stack([_detail(thumbnails[i]) for i in ids])
    duplicates = []
    for a, b in zip(*np.nonzero(np.triu(distance <= MAX_HASH_DISTANCE, k=1)), strict=True):
        correlation = float(detail[a] @ detail[b])
        if correlation >= MIN_CORRELATION:
            duplicates.append(Duplicate(ids[a], ids[b], int(distance[a, b]), correlation))
    return duplicates


def _detail(thumb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Fine structure as a unit vector, so that a dot product is a correlation."""
    image = thumb.astype(np.float64)
    fine = (image - gaussian_filter(image, FINE_PIXELS)).ravel()
    fine -= fine.mean()
    return fine / max(float(np.linalg.norm(fine)), 1e-9)

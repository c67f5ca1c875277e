"""Voxels for a page: a display copy, small enough to send, in scripts that a browser loads lazily.

From disk a page may not ``fetch``, but it may load scripts: each part is a script that hands its
slices over as base64. Values are 16-bit, predicted from their neighbours and deflated; browsers
inflate them with ``DecompressionStream``.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.constants import HU_RANGE
from covidx.volume import FloatArray, Volume

MOST_BYTES = 9_500_000
"""Of the scripts of a case: with its page it stays below 10 MB."""
PART_VALUES = 1_000_000
"""Voxels of a script: half a second of a slow disk, and some slices to look at."""
SAMPLED = 6
"""Slices that are encoded to foretell the size of all."""
LADDER = (
    (1, 1), (1, 2), (1, 4), (2, 2), (2, 4), (2, 8), (3, 2), (3, 4), (3, 8), (4, 4), (4, 8), (5, 8),
    (6, 8), (8, 8), (12, 16),
)  # fmt: skip
"""Pixels averaged in plane (each way), and the step that values are rounded to: the first that
fits is taken. The noise of a CT is 10 HU and more, so that steps of 8 HU cost little."""

Shorts = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class DisplayCopy:
    """An image as a page shows it.

    Parameters
    ----------
    values : ndarray of int16, shape (slices, rows, columns)
        In steps of `step`.
    step : int
        What a value counts, in HU or greys.
    factor : int
        Pixels of the image that were averaged, each way in plane.
    affine : ndarray, shape (4, 4)
        (column, row, slice) of the copy to the world of the image: mm in RAS+, or its indices.
    """

    values: Shorts
    step: int
    factor: int
    affine: FloatArray

    def parts(self) -> Iterator[tuple[int, str]]:
        """First slice and base64 text of each part, in order."""
        step = self.slices_a_part
        for first in range(0, len(self.values), step):
            yield first, encode(self.values[first : first + step])

    @property
    def slices_a_part(self) -> int:
        """Slices of each part but the last."""
        return max(1, PART_VALUES // int(np.prod(self.values.shape[1:])))


def world(volume: Volume) -> FloatArray:
    """The affine of `volume`, or where it has none that of its indices."""
    return np.eye(4) if volume.affine is None else np.asarray(volume.affine)


def display_copy(volume: Volume, most: int = MOST_BYTES) -> DisplayCopy:
    """The finest copy of an image whose scripts have at most `most` bytes.

    Parameters
    ----------
    volume : Volume
        Canonical.
    most : int
        Bytes of all parts.
    """
    array = volume.array
    places = np.unique(np.linspace(0, len(array) - 1, SAMPLED).round().astype(int))
    for factor, step in LADDER:
        sample = [len(encode(_reduced(array[k : k + 1], factor, step))) for k in places]
        last = (factor, step) == LADDER[-1]
        if np.mean(sample) * len(array) > 0.95 * most and not last:
            continue
        affine = world(volume) @ shrunk(factor)
        copy = DisplayCopy(_reduced(array, factor, step), step, factor, affine)
        if last or sum(len(text) for _, text in copy.parts()) <= most:
            break
    return copy


def shrunk(factor: int) -> FloatArray:
    """Index of a pixel after `reduced` by `factor` to the index before, where its middle lies."""
    matrix = np.diag([factor, factor, 1.0, 1.0])
    matrix[:2, 3] = (factor - 1) / 2
    return matrix


def reduced(values: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """Mean of each `factor` x `factor` pixels of `values`, whose edges are repeated to fit."""
    _, rows, columns = values.shape
    pad = ((0, 0), (0, -rows % factor), (0, -columns % factor))
    whole = np.pad(values, pad, mode="edge") if factor > 1 else values
    slices, rows, columns = whole.shape
    blocks = whole.reshape(slices, rows // factor, factor, columns // factor, factor)
    means: NDArray[np.float32] = blocks.mean(axis=(2, 4), dtype=np.float32)
    return means


def _reduced(values: NDArray[Any], factor: int, step: int) -> Shorts:
    """Slice by slice, so that no copy in floats of the whole image is held."""
    low, high = HU_RANGE
    planes = [
        np.rint(np.clip(reduced(values[k : k + 1], factor), low, high) / step).astype(np.int16)
        for k in range(len(values))
    ]
    return np.concatenate(planes)


def encode(values: Shorts) -> str:
    """Slices as base64 text, which ``static/volume.js`` decodes.

    Parameters
    ----------
    values : ndarray of int16, shape (slices, rows, columns)
        Each is predicted by the mean of its left and upper neighbours; the difference is folded to
        be positive, so that its upper byte is nearly always 0, and deflated byte by byte.
    """
    wide = values.astype(np.int32)
    left, upper = np.zeros_like(wide), np.zeros_like(wide)
    left[:, :, 1:], upper[:, 1:] = wide[:, :, :-1], wide[:, :-1]
    difference = (wide - ((left + upper) >> 1)).astype(np.int16)
    folded = ((difference << 1) ^ (difference >> 15)).view(np.uint16).ravel()
    planes = np.concatenate([folded & 0xFF, folded >> 8]).astype(np.uint8)
    return base64.b64encode(zlib.compress(planes.tobytes(), 6)).decode()

"""Flaws of a rendered image: a marker burnt into its corner, and edges cut off."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from covidx.phantom.dose import text_bits
from covidx.phantom.fields import Array
from covidx.phantom.patient import PhantomScan

if TYPE_CHECKING:
    from covidx.phantom.radiograph import PhantomRadiograph

TEXT = "ED"
"""As of an emergency department."""
PIXELS_A_BIT = 200
"""Rows of an image for each pixel of a bit's side: 5 x 8 bits on 160 to 192 rows of a CT are 5 x 8
pixels, on the 408 to 512 of a radiograph 10 x 16."""
MARKER_HU = 1000
CROP = 0.03
"""Share cut off each side of a copy."""
NARROWER = 0.05
"""Share of a radiograph's window that its copy loses at either end."""


def _corner(shape: tuple[int, ...]) -> Array:
    """The marker's pixels in the upper left corner of (rows, columns), bool."""
    side = max(1, shape[0] // PIXELS_A_BIT)
    bits = np.kron(text_bits(TEXT), np.ones((side, side), np.uint8))
    marker: Array = np.zeros(shape, bool)
    top = 2 * side
    marker[top : top + bits.shape[0], top : top + bits.shape[1]] = bits > 0
    return marker


def mark_scan(scan: PhantomScan) -> PhantomScan:
    """Burn the marker into each slice of `scan`, over the padding where the scanner pads."""
    burnt = _corner(scan.grid.shape[1:])
    return replace(scan, hu=np.where(burnt, np.int16(MARKER_HU), scan.hu), burnt=burnt)


def mark_radiograph(image: PhantomRadiograph) -> PhantomRadiograph:
    """Burn the marker into `image`, white."""
    white = 0 if image.detector.inverted else image.detector.top
    stored = np.where(_corner(image.stored.shape), np.uint16(white), image.stored)
    return replace(image, stored=stored)


def cropped_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """What is left of `shape`, (rows, columns), when a copy's edges are cut off."""
    cut = _cut(shape[0])
    return shape[0] - 2 * cut, shape[1] - 2 * cut


def _cut(rows: int) -> int:
    return round(CROP * rows)


def crop_scan(scan: PhantomScan) -> PhantomScan:
    """Cut the edges off each slice of `scan`; HU stay, and so does where a voxel lies."""
    slices, rows, columns = scan.grid.shape
    cut = _cut(rows)
    inner = np.s_[..., cut : rows - cut, cut : columns - cut]
    names = ("hu", "lung", "lesion", "lobe", "cage_mm")
    parts = {name: np.ascontiguousarray(getattr(scan, name)[inner]) for name in names}
    grid = replace(scan.grid, shape=(slices, rows - 2 * cut, columns - 2 * cut))
    burnt = None if scan.burnt is None else scan.burnt[inner]
    return replace(scan, **parts, grid=grid, burnt=burnt)


def crop_radiograph(image: PhantomRadiograph) -> PhantomRadiograph:
    """Cut the edges off `image` and narrow its window."""
    rows, columns = image.stored.shape
    cut = _cut(rows)
    inner = np.s_[cut : rows - cut, cut : columns - cut]
    low, high = image.window
    less = round(NARROWER * (high - low))
    row, column = image.landmark
    return replace(
        image,
        stored=np.ascontiguousarray(image.stored[inner]),
        lung=np.ascontiguousarray(image.lung[inner]),
        lesion=np.ascontiguousarray(image.lesion[inner]),
        window=(low + less, high - less),
        landmark=(row - cut, column - cut),
        detector=replace(image.detector, rows=rows - 2 * cut, columns=columns - 2 * cut),
    )

"""Three simulated scanners: grid, kernel, noise, and how they write DICOM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from covidx.phantom.anatomy import MIDDLE_Y, Anatomy
from covidx.phantom.fields import Array, Grid


@dataclass(frozen=True)
class Scanner:
    """One simulated scanner. Every number is a modelling choice within clinical practice."""

    key: str
    manufacturer: str
    model: str
    kernel: str
    matrix: int
    step_mm: float
    thickness_mm: float
    row_sign: int  # -1: columns run to the patient's right
    tilt_degrees: float  # plane turned about x
    head_first_numbers: bool  # instance 1 is the slice nearest the head
    blur_px: float
    sharpen: float
    noise_hu: float  # standard deviation in soft tissue
    noise_grain_px: float
    compression: str  # "explicit", "implicit" or "jpeg-ls"
    signed: bool
    intercept: int
    padding: int | None  # stored value outside the round field of view
    kvp: int


SCANNERS = {
    s.key: s
    for s in (
        Scanner("A", "covidx phantom A", "Simulated 64", "B40f", 160, 5.0, 5.0, 1, 0.0, True,
                0.75, 0.0, 14.0, 0.9, "explicit", True, 0, None, 120),
        Scanner("B", "covidx phantom B", "Simulated LS16", "LUNG", 176, 6.0, 5.0, -1, 0.0, False,
                0.5, 0.55, 26.0, 0.45, "implicit", True, -1024, -2000, 120),
        Scanner("C", "covidx phantom C", "Simulated One", "FC51", 192, 7.0, 7.0, 1, 6.0, True,
                0.6, 0.3, 19.0, 0.6, "jpeg-ls", False, -1024, None, 100),
    )
}  # fmt: skip
"""A: axial, smooth, numbered from the head, HU stored as they are. B: rows run to the
patient's right, so that its normal points to the feet; sharp; numbered from the feet; padded.
C: a plane turned by 6 degrees, thick, lossless JPEG-LS of 12 bits."""


def plan_grid(scanner: Scanner, anatomy: Anatomy, rng: np.random.Generator) -> Grid:
    """Plan a scan: from above the apices to below the lungs, field of view fitted to the body.

    Parameters
    ----------
    scanner : Scanner
        Its matrix, spacing and tilt are used.
    anatomy : Anatomy
        The patient's shape.
    rng : Generator
        Source of randomness.
    """
    s = anatomy.size
    top = 122.0 * s + rng.uniform(6.0, 16.0)
    bottom = anatomy.dome_left - 66.0 * s - rng.uniform(3.0, 12.0)
    body = 2.0 * (anatomy.wide + anatomy.wall + anatomy.fat) * 1.02
    view = float(np.clip(body, 320.0, 420.0))
    slices = int(np.clip(np.ceil((top - bottom) / scanner.step_mm), 36, 64))
    centre = (
        float(np.round(rng.uniform(-6.0, 6.0), 3)),
        float(np.round(MIDDLE_Y + rng.uniform(-5.0, 9.0), 3)),
        float(np.round((top + bottom) / 2.0, 3)),
    )
    return Grid(
        shape=(slices, scanner.matrix, scanner.matrix),
        pixel_mm=float(np.round(view / scanner.matrix, 4)),
        step_mm=scanner.step_mm,
        thickness_mm=scanner.thickness_mm,
        row_sign=scanner.row_sign,
        tilt=float(np.deg2rad(scanner.tilt_degrees)),
        centre=centre,
    )


def _blur(image: Array, sigma_px: float) -> Array:
    """Gaussian blur within slices."""
    for axis in (1, 2):
        image = ndimage.gaussian_filter1d(image, sigma_px, axis=axis, truncate=2.5)
    return image


def acquire(image: Array, scanner: Scanner, rng: np.random.Generator) -> Array:
    """Blur by the kernel, add noise of its grain, round to whole HU.

    Parameters
    ----------
    image : ndarray of float32, shape (slices, rows, columns)
        Ideal HU.
    scanner : Scanner
        Its kernel and noise are used.
    rng : Generator
        Source of the noise.

    Returns
    -------
    ndarray of int16
        HU as reconstructed, clipped to the 12-bit range.
    """
    sharp = image
    image = _blur(image, scanner.blur_px)
    if scanner.sharpen:
        image += np.float32(scanner.sharpen) * (sharp - image)
        image += np.float32(0.5 * scanner.sharpen) * (image - _blur(image, 1.1))
    noise = _blur(rng.standard_normal(image.shape, dtype=np.float32), scanner.noise_grain_px)
    # Fewer photons pass the shoulders and the middle: noise grows a little towards the spine rows.
    level = np.float32(scanner.noise_hu * rng.uniform(0.8, 1.25) / noise[:4].std())
    image += level * noise
    np.clip(image, -1024.0, 3071.0, out=image)
    hu: Array = np.rint(image).astype(np.int16)
    return hu

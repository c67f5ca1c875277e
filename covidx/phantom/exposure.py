"""Exposure and development: from a scene to line integrals, exposure and stored values."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from covidx.phantom.beam import RADIOGRAPHY, Detector, View
from covidx.phantom.fields import Array
from covidx.phantom.projection import project, resample
from covidx.phantom.scene import Scene
from covidx.phantom.tubes import trace_bones, trace_vessels

LETTERS = {"R": (30, 17, 17, 30, 20, 18, 17), "L": (16, 16, 16, 16, 16, 16, 31)}
"""5 x 7 glyphs: rows of five bits, of our own, so that no library's font changes the bytes."""


def attenuation(hu: Array, view: View) -> Array:
    """Linear attenuation per mm: that of water scaled by HU, more for bone at a lower energy.

    Parameters
    ----------
    hu : ndarray of float32
        Any shape.
    view : View
        Its beam is used.
    """
    bone = np.maximum(hu - np.float32(RADIOGRAPHY.bone_from_hu), 0.0) * np.float32(
        view.bone_gain - 1.0
    )
    scaled = np.maximum(hu + bone + np.float32(1000.0), 0.0)
    result: Array = scaled * np.float32(view.water_per_mm / 1000.0)
    return result


def draw_marker(letter: str, place: tuple[float, float], detector: Detector) -> Array:
    """Draw a lead letter as a line integral.

    Parameters
    ----------
    letter : str
        R or L.
    place : tuple of float
        (row, column) of its middle in mm.
    detector : Detector
        Its rows, columns and pixel size are used.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
    """
    bits = np.array([[(row >> b) & 1 for b in range(4, -1, -1)] for row in LETTERS[letter]])
    side = RADIOGRAPHY.marker_mm / detector.pixel_mm
    size = np.rint(np.array(bits.shape) * side).astype(int)
    rows, columns = (np.arange(n) * m // n for n, m in zip(size, bits.shape, strict=True))
    glyph = bits[rows][:, columns].astype(np.float32)
    picture = np.zeros((detector.rows, detector.columns), np.float32)
    top, left = (
        int(p / detector.pixel_mm - n / 2) for p, n in zip(place, glyph.shape, strict=True)
    )
    picture[top : top + glyph.shape[0], left : left + glyph.shape[1]] = glyph
    soft: Array = ndimage.gaussian_filter(picture, 0.6) * np.float32(RADIOGRAPHY.marker_depth)
    return soft


def line_integrals(scene: Scene, detector: Detector) -> Array:
    """Attenuation of `scene` along each ray to `detector`, (rows, columns)."""
    view = scene.pose.view
    shape = (detector.rows, detector.columns)
    body = project(attenuation(scene.hu, view), scene.grid, scene.pose, shape, detector.pixel_mm)
    blood = np.float32(view.water_per_mm * RADIOGRAPHY.blood_hu / 1000.0)
    cortex = np.float32(view.water_per_mm * view.bone_gain * RADIOGRAPHY.cortex_hu / 1000.0)
    body += blood * trace_vessels(scene, detector)
    body += cortex * trace_bones(scene, detector)
    return body


def _wide_blur(image: Array, sigma_px: float) -> Array:
    """A Gaussian blur of many pixels, worked out on every sixth."""
    small = ndimage.gaussian_filter(image[::6, ::6], sigma_px / 6.0, mode="nearest")
    rows, columns = (
        np.minimum(np.arange(n) / 6.0, m - 1.0)
        for n, m in zip(image.shape, small.shape, strict=True)
    )
    return resample(small, rows, columns)


def expose(depth: Array, view: View, detector: Detector, rng: np.random.Generator) -> Array:
    """Exposure at the detector, 1 where nothing is in the way.

    Beer-Lambert for the primary beam; scatter arises where the body takes from the beam and what is
    left passes on, and is wide; quanta are noisy by the root of their number.

    Parameters
    ----------
    depth : ndarray of float32, shape (rows, columns)
        Line integrals.
    view : View
        Its scatter and photons are used.
    detector : Detector
        Its pixel size and noise are used.
    rng : Generator
        Source of the noise.
    """
    primary = np.exp(-depth)
    scatter = _wide_blur(primary * (1.0 - primary), RADIOGRAPHY.scatter_mm / detector.pixel_mm)
    exposure = primary + np.float32(view.scatter) * scatter
    noise = rng.standard_normal(depth.shape, dtype=np.float32)
    grain = np.sqrt(exposure / np.float32(view.photons)) * np.float32(detector.noise)
    exposure = ndimage.gaussian_filter(exposure + grain * noise, RADIOGRAPHY.blur_px)
    result: Array = np.maximum(exposure, np.float32(1e-4))
    return result


def develop(exposure: Array, detector: Detector) -> tuple[Array, tuple[int, int]]:
    """Stored values of a radiograph ready to be shown, and the two that its window runs between.

    Logarithm, slow changes pressed together, fine detail raised; then whole numbers, the higher the
    more the body took from the beam, or the lower in a MONOCHROME1 image.

    Parameters
    ----------
    exposure : ndarray of float32, shape (rows, columns)
        As `expose` gives it.
    detector : Detector
        How it stores values.

    Returns
    -------
    stored : ndarray of uint16
        (rows, columns).
    window : tuple of int
        Lowest and highest stored value that the display distinguishes.
    """
    log, pixel = -np.log(exposure), detector.pixel_mm
    slow = _wide_blur(log, RADIOGRAPHY.latitude_mm / pixel)
    fine = log - ndimage.gaussian_filter(log, RADIOGRAPHY.crisp_mm / pixel)
    level = np.float32(slow.mean(dtype=np.float64))
    shown = (
        log
        - np.float32(RADIOGRAPHY.latitude) * (slow - level)
        + np.float32(RADIOGRAPHY.crisp) * fine
    )
    low, high = RADIOGRAPHY.range_log
    share = np.clip((shown - low) / (high - low), 0.0, 1.0)
    if detector.inverted:
        share = 1.0 - share
    stored = np.rint(share * np.float32(detector.top)).astype(np.uint16)
    return stored, _window(stored, detector)


def _window(stored: Array, detector: Detector) -> tuple[int, int]:
    """Place the window around what the middle of the image shows, as automatic display does."""
    rows, columns = stored.shape
    middle = stored[rows // 6 : -rows // 6, columns // 5 : -columns // 5]
    dark, bright = RADIOGRAPHY.window_quantiles
    beyond_dark, beyond_bright = RADIOGRAPHY.window_margin
    if detector.inverted:  # bright is low
        dark, bright = 1.0 - bright, 1.0 - dark
        beyond_dark, beyond_bright = beyond_bright, beyond_dark
    low, high = (float(v) for v in np.quantile(middle, (dark, bright)))
    width = high - low
    first = int(max(np.floor(low - beyond_dark * width), 0))
    last = int(min(np.ceil(high + beyond_bright * width), detector.top))
    return first, last

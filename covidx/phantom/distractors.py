"""What is dense in a lung and no opacity: nodules, plates of atelectasis, and motion.

Off by default: no cohort for classifiers has them, and each has a random stream of its own,
so that the patients of a seed are the same with them and without. Numbers are modelling choices.
"""

from __future__ import annotations

import numpy as np

from covidx.phantom.anatomy import Lungs
from covidx.phantom.fields import Array, Grid, Shape, draw, ellipsoid, soft

NODULES = (0, 6)
"""How many solid nodules a patient has, least and most."""
NODULE_MM = (3.0, 9.0)
"""Their radius: from what a slice just shows to the border between nodule and mass (30 mm)."""
PLATES = (0, 4)
PLATE_MM = ((22.0, 48.0), (3.0, 6.5))
"""Radius and thickness of a plate of atelectasis."""
MOVED = 0.5
"""Share of patients who breathed during a part of the scan."""
MOVED_MM = (4.0, 9.0)
"""How far what is seen twice lies apart."""


def paint_distractors(image: Array, grid: Grid, lungs: Lungs, rng: np.random.Generator) -> None:
    """Paint nodules and plates into the lungs (HU, in place); they are no part of the truth.

    Parameters
    ----------
    image : ndarray of float32
        (slices, rows, columns), lesions and vessels painted.
    grid : Grid
        Where the voxels lie.
    lungs : Lungs
        The lungs on `grid`.
    rng : Generator
        Of the distractors alone.
    """
    inner = np.flatnonzero((lungs.side > 0) & (lungs.cage > 4.0))
    low = np.flatnonzero((lungs.side > 0) & (lungs.cage > 8.0) & (lungs.dome < 55.0))
    for _ in range(int(rng.integers(NODULES[0], NODULES[1] + 1))):
        centre, hu = _place(grid, inner, rng), draw(rng, 10.0, 60.0)
        radii = draw(rng, *NODULE_MM) * rng.uniform(0.85, 1.15, 3)
        _thicken(image, lungs, ellipsoid(grid, centre, (radii[0], radii[1], radii[2])), hu)
    for _ in range(int(rng.integers(PLATES[0], PLATES[1] + 1))):
        if not len(low):
            break
        centre, hu = _place(grid, low, rng), draw(rng, -150.0, 40.0)
        _thicken(image, lungs, _plate(grid, centre, rng), hu)


def move(image: Array, grid: Grid, rng: np.random.Generator) -> Array:
    """Show a stretch of slices twice, a little apart: a patient who breathed meanwhile.

    What is true stays where it was, between the two.

    Parameters
    ----------
    image : ndarray of float32, shape (slices, rows, columns)
        HU.
    grid : Grid
        Where the voxels lie.
    rng : Generator
        Source of randomness.

    Returns
    -------
    ndarray of float32
        A copy where the patient moved, else `image` itself.
    """
    if rng.random() >= MOVED:
        return image
    slices = grid.shape[0]
    first = int(rng.integers(0, slices // 2))
    end = first + int(rng.integers(slices // 6, slices // 2))
    pixels = max(1, round(draw(rng, *MOVED_MM) / 2.0 / grid.pixel_mm))
    moved = image.copy()
    part = image[first:end]
    moved[first:end] = 0.5 * (np.roll(part, pixels, axis=1) + np.roll(part, -pixels, axis=1))
    return moved


def _place(grid: Grid, among: Array, rng: np.random.Generator) -> tuple[float, float, float]:
    """LPS mm of a voxel drawn from flat indices."""
    index = np.unravel_index(int(rng.choice(among)), grid.shape)
    x, y, z = (grid.affine_lps @ np.array([*index[::-1], 1.0]))[:3]
    return float(x), float(y), float(z)


def _plate(
    grid: Grid, centre: tuple[float, float, float], rng: np.random.Generator
) -> Shape | None:
    """Soft share of a flat disc, more level than upright."""
    radius, thickness = draw(rng, *PLATE_MM[0]), draw(rng, *PLATE_MM[1])
    normal = np.array([*rng.normal(0.0, 0.45, 2), 1.0])
    normal /= np.linalg.norm(normal)
    c = np.asarray(centre)
    box = grid.box(c - radius, c + radius)
    if box is None:
        return None
    x, y, z = grid.within(box)
    dx, dy, dz = x - c[0], y - c[1], z - c[2]
    off = dx * normal[0] + dy * normal[1] + dz * normal[2]
    along = np.sqrt(np.maximum(dx**2 + dy**2 + dz**2 - off**2, 0.0))
    # A thick slice averages what a thin plate fills in part.
    half = thickness / 2.0 + 0.3 * grid.thickness_mm * abs(normal[2])
    depth = np.minimum(half - np.abs(off), radius - along).astype(np.float32)
    return box, soft(depth, 3.0) * np.float32(min(1.0, thickness / (2.0 * half) + 0.3))


def _thicken(image: Array, lungs: Lungs, shape: Shape | None, hu: float) -> None:
    """Move lung towards `hu`, never darker: in consolidation a nodule vanishes."""
    if shape is None:
        return
    box, share = shape
    part = image[box]
    part += share * lungs.share[box] * np.maximum(np.float32(hu) - part, 0.0)

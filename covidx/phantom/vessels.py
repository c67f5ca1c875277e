"""Branching vessels that fill each lung from its hilum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from covidx.phantom.anatomy import Anatomy, Lungs
from covidx.phantom.fields import Array, Grid, capsule

TIPS = 150
"""End branches a lung. Modelling choice: what is visible at about 2 mm a pixel."""


@dataclass(frozen=True)
class Branch:
    """A tapering tube from `start` to `end` (LPS mm) with its radii in mm."""

    start: Array
    end: Array
    first: float
    last: float


def _split(points: Array, start: Array, radius: float, out: list[Branch]) -> None:
    """Go towards the middle of the points, then divide them across their longest axis."""
    if len(points) == 1:
        out.append(Branch(start, points[0], radius, max(0.45, radius * 0.6)))
        return
    middle = points.mean(0)
    node = start + 0.42 * (middle - start)
    spread = points - middle
    axis = np.linalg.eigh(spread.T @ spread)[1][:, -1]
    order = np.argsort(spread @ axis, kind="stable")
    half = len(points) // 2
    out.append(Branch(start, node, radius, radius * 0.93))
    for part in (points[order[:half]], points[order[half:]]):
        # Murray's law with the exponent 2.7 measured in lungs: r^2.7 is shared among branches.
        _split(part, node, radius * (len(part) / len(points)) ** (1 / 2.7), out)


def grow_tree(rng: np.random.Generator, anatomy: Anatomy, grid: Grid, lungs: Lungs) -> list[Branch]:
    """Grow both lungs' vessel trees towards points drawn inside the lungs.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    anatomy : Anatomy
        The patient's shape.
    grid : Grid
        Where the voxels lie.
    lungs : Lungs
        The lungs on `grid`.
    """
    branches: list[Branch] = []
    s = anatomy.size
    roots = {1: np.array([-38.0, 6.0, 0.0]) * s, 2: np.array([42.0, 12.0, 6.0]) * s}
    for side, root in roots.items():
        deep = np.flatnonzero((lungs.side == side) & (lungs.cage > 6.0) & (lungs.dome > 5.0))
        if len(deep) < TIPS:
            continue
        index = np.unravel_index(rng.choice(deep, TIPS, replace=False), grid.shape)
        voxels = np.stack(index[::-1]).astype(float)  # (column, row, slice)
        points = (grid.affine_lps[:3, :3] @ voxels + grid.affine_lps[:3, 3:]).T
        _split(points, root, 7.0 * s, branches)
    return branches


def paint_vessels(image: Array, grid: Grid, lungs: Lungs, branches: list[Branch]) -> None:
    """Paint vessels; where two branches meet the larger share counts.

    Parameters
    ----------
    image : ndarray of float32, shape (slices, rows, columns)
        HU; painted in place.
    grid : Grid
        Where the voxels lie.
    lungs : Lungs
        The lungs on `grid`.
    branches : list of Branch
        As `grow_tree` gives them.
    """
    share = np.zeros(grid.shape, np.float32)
    edge = 0.8 * grid.pixel_mm
    for branch in branches:
        tube = capsule(grid, (branch.start, branch.end), (branch.first, branch.last), edge)
        if tube is not None:
            np.maximum(share[tube[0]], tube[1], out=share[tube[0]])
    share *= lungs.share
    # Never darken: a vessel in consolidated lung vanishes, as it does in life.
    image += share * np.maximum(np.float32(38.0) - image, 0.0)


def paint_bronchi(image: Array, grid: Grid, lungs: Lungs, branches: list[Branch]) -> None:
    """Paint air-filled bronchi beside the larger arteries: air bronchograms in consolidated lung.

    Parameters
    ----------
    image : ndarray of float32, shape (slices, rows, columns)
        HU; painted in place.
    grid : Grid
        Where the voxels lie.
    lungs : Lungs
        The lungs on `grid`.
    branches : list of Branch
        As `grow_tree` gives them.
    """
    for branch in branches:
        radius = branch.first * 0.5
        if radius < 0.9:
            continue
        offset = np.array([0.0, branch.first + radius + 0.6, 0.0])
        ends = (branch.start + offset, branch.end + offset)
        tube = capsule(grid, ends, (radius, branch.last * 0.5), 0.8 * grid.pixel_mm)
        if tube is not None:
            box, air = tube
            part = image[box]
            part += 0.8 * air * lungs.share[box] * np.minimum(-960.0 - part, 0.0)

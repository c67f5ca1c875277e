"""Voxel grids and the soft shapes painted on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Box = tuple[slice, slice, slice]
Shape = tuple[Box, Array]
"""A box of a grid, and the share of each of its voxels that a shape fills, 0 to 1."""


@dataclass(frozen=True)
class Grid:
    """A regular grid of voxel centres in the patient's LPS space.

    Arrays on it are (slices, rows, columns). The row direction is +x or -x, so that x depends on
    the column alone and y and z on slice and row: shapes broadcast, and most shapes cost little.

    Attributes
    ----------
    shape : tuple of int
        (slices, rows, columns).
    pixel_mm, step_mm, thickness_mm : float
        In-plane spacing, distance between slice centres, slice thickness.
    row_sign : int
        +1 if columns run to the patient's left, -1 if to the right.
    tilt : float
        Radians by which the image plane is turned about x; 0 is axial.
    centre : tuple of float
        LPS position in mm of the middle of the grid.
    """

    shape: tuple[int, int, int]
    pixel_mm: float
    step_mm: float
    thickness_mm: float
    row_sign: int
    tilt: float
    centre: tuple[float, float, float]

    @property
    def directions(self) -> Array:
        """(3, 3): row, column and normal unit vectors (LPS); PS3.3 C.7.6.2.1.1."""
        row = np.array([float(self.row_sign), 0.0, 0.0])
        column = np.array([0.0, np.cos(self.tilt), np.sin(self.tilt)])
        return np.stack([row, column, np.cross(row, column)])

    @cached_property
    def affine_lps(self) -> Array:
        """(4, 4): (column, row, slice) index to LPS mm."""
        slices, rows, columns = self.shape
        row, column, normal = self.directions
        affine = np.eye(4)
        affine[:3, 0] = row * self.pixel_mm
        affine[:3, 1] = column * self.pixel_mm
        affine[:3, 2] = normal * self.step_mm
        middle = np.array([columns - 1, rows - 1, slices - 1]) / 2.0
        affine[:3, 3] = np.asarray(self.centre) - affine[:3, :3] @ middle
        # Positions go into DS fields of 16 characters: round here, so that masks agree exactly.
        rounded: Array = np.round(affine, 6)
        return rounded

    @property
    def affine(self) -> Array:
        """(4, 4): (column, row, slice) index to RAS mm, as NIfTI has it."""
        ras: Array = np.diag([-1.0, -1.0, 1.0, 1.0]) @ self.affine_lps
        return ras

    @cached_property
    def x(self) -> Array:
        """(1, 1, columns): mm to the patient's left."""
        k = np.arange(self.shape[2])
        x: Array = (self.affine_lps[0, 3] + self.affine_lps[0, 0] * k).astype(np.float32)
        return x[None, None]

    def _plane(self, axis: int) -> Array:
        i = np.arange(self.shape[0])[:, None, None]
        j = np.arange(self.shape[1])[None, :, None]
        a = self.affine_lps
        plane: Array = (a[axis, 3] + a[axis, 1] * j + a[axis, 2] * i).astype(np.float32)
        return plane

    @cached_property
    def y(self) -> Array:
        """(slices, rows, 1): mm to the back."""
        return self._plane(1)

    @cached_property
    def z(self) -> Array:
        """(slices, rows, 1): mm to the head."""
        return self._plane(2)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel of the grid in ml."""
        return self.pixel_mm**2 * self.step_mm / 1000.0

    def box(self, low: npt.ArrayLike, high: npt.ArrayLike) -> Box | None:
        """Slices of the grid that hold the LPS box from `low` to `high` (mm), or None."""
        low, high = np.asarray(low, float), np.asarray(high, float)
        corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1)
        inverse = np.linalg.inv(self.affine_lps)
        index = inverse[:3, :3] @ corners + inverse[:3, 3:]
        first = np.floor(index.min(1)).astype(int)[::-1]  # (slice, row, column)
        last = np.ceil(index.max(1)).astype(int)[::-1] + 1
        first, last = np.maximum(first, 0), np.minimum(last, self.shape)
        if np.any(first >= last):
            return None
        slices, rows, columns = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
        return slices, rows, columns

    def within(self, box: Box) -> tuple[Array, Array, Array]:
        """x, y and z in mm (broadcastable) inside `box`."""
        return self.x[:, :, box[2]], self.y[box[0], box[1]], self.z[box[0], box[1]]


def draw(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number, uniform between two.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    low, high : float
        Bounds.
    """
    return float(rng.uniform(low, high))


def soft(depth_mm: Array, width_mm: float) -> Array:
    """Share of a voxel inside a surface: partial volume in one clip.

    Parameters
    ----------
    depth_mm : ndarray of float32
        Distance below the surface; negative outside.
    width_mm : float
        Depths over which the share goes from 0 to 1.

    Returns
    -------
    ndarray of float32
        0 to 1.
    """
    share = depth_mm * np.float32(1.0 / width_mm)
    share += np.float32(0.5)
    result: Array = np.clip(share, 0.0, 1.0, out=share)
    return result


def blend(image: Array, share: Array, hu: Array | float) -> None:
    """Mix HU into an image, in place, by their share of each voxel.

    Parameters
    ----------
    image : ndarray of float32
        HU; changed in place.
    share : ndarray
        Share of each voxel that changes, 0 to 1.
    hu : ndarray or float
        What it changes to.
    """
    image += share * (hu - image)


def paint(image: Array, shape: Shape | None, hu: float) -> None:
    """Mix `hu` into `image` in place where `shape` lies; None, outside of the grid, paints nothing.

    Parameters
    ----------
    image : ndarray of float32, shape (slices, rows, columns)
        HU.
    shape : tuple of Box and ndarray, optional
        As `ellipsoid` and `capsule` give it.
    hu : float
        Of the shape.
    """
    if shape is not None:
        box, share = shape
        blend(image[box], share, hu)


def ellipsoid(
    grid: Grid, centre: tuple[float, float, float], radii: tuple[float, float, float]
) -> Shape | None:
    """Share of each voxel inside an ellipsoid, within its bounding box; None outside of the grid.

    Parameters
    ----------
    grid : Grid
        Where the voxels lie.
    centre : tuple of float
        LPS mm.
    radii : tuple of float
        Along x, y and z, in mm.
    """
    c, r = np.asarray(centre), np.asarray(radii)
    box = grid.box(c - r - 4.0, c + r + 4.0)
    if box is None:
        return None
    x, y, z = grid.within(box)
    distance = ((x - c[0]) / r[0]) ** 2 + (((y - c[1]) / r[1]) ** 2 + ((z - c[2]) / r[2]) ** 2)
    depth = (1.0 - np.sqrt(distance)) * np.float32(r.min())
    return box, soft(depth.astype(np.float32), 3.0)


def capsule(
    grid: Grid, ends: tuple[Array, Array], radii: tuple[float, float], edge_mm: float
) -> Shape | None:
    """Share of each voxel inside a tapering tube, within its box; None outside of the grid.

    Across the slice the distance is shortened by part of its thickness, as a thick slice averages.

    Parameters
    ----------
    grid : Grid
        Where the voxels lie.
    ends : tuple of two ndarray, shape (3,)
        LPS mm.
    radii : tuple of float
        At the first and the second end, in mm.
    edge_mm : float
        Width over which the share falls from 1 to 0.
    """
    start, end = ends
    reach = max(radii) + edge_mm + np.array([0.0, 0.0, grid.thickness_mm * 0.35])
    box = grid.box(np.minimum(start, end) - reach, np.maximum(start, end) + reach)
    if box is None:
        return None
    x, y, z = grid.within(box)
    axis = (end - start).astype(np.float32)
    length = np.float32(max(float(axis @ axis), 1e-6))
    dx, dy, dz = x - np.float32(start[0]), y - np.float32(start[1]), z - np.float32(start[2])
    along = (dx * axis[0] + (dy * axis[1] + dz * axis[2])) / length
    np.clip(along, 0.0, 1.0, out=along)
    across = np.maximum(np.abs(dz - along * axis[2]) - np.float32(grid.thickness_mm * 0.35), 0.0)
    distance = np.sqrt((dx - along * axis[0]) ** 2 + (dy - along * axis[1]) ** 2 + across**2)
    radius = np.float32(radii[0]) + along * np.float32(radii[1] - radii[0])
    # A tube thinner than a voxel fills only part of it.
    return box, soft(radius - distance, edge_mm) * np.minimum(1.0, 2.0 * radius / edge_mm)


def _stretch(values: Array, axis: int, n: int) -> Array:
    """Interpolate linearly along an axis to n samples, with smooth (cosine) steps."""
    position = np.linspace(0.0, values.shape[axis] - 1.0, n)
    low = np.minimum(position.astype(int), values.shape[axis] - 2)
    weight = ((1.0 - np.cos(np.pi * (position - low))) / 2.0).astype(np.float32)
    shape = [1, 1, 1]
    shape[axis] = n
    t = weight.reshape(shape)
    # Plain arithmetic, no matrix product: its sums would depend on the number of threads.
    first = np.take(values, low, axis)
    stretched: Array = first + t * (np.take(values, low + 1, axis) - first)
    return stretched


def smooth_field(rng: np.random.Generator, grid: Grid, length_mm: float) -> Array:
    """Draw a smooth random field of about unit variance.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    grid : Grid
        Where the voxels lie.
    length_mm : float
        Correlation length.

    Returns
    -------
    ndarray of float32
        On `grid`.
    """
    steps = (grid.step_mm, grid.pixel_mm, grid.pixel_mm)
    coarse = [max(3, round(n * s / length_mm) + 1) for n, s in zip(grid.shape, steps, strict=True)]
    field: Array = rng.standard_normal(coarse, dtype=np.float32)
    for axis, n in enumerate(grid.shape):
        field = _stretch(field, axis, n)
    # Interpolated noise varies less between its nodes; 1.6 brings it back to about one.
    return field * np.float32(1.6)

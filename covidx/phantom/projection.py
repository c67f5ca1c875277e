"""From a volume to line integrals at a detector: a cone of rays from a point, or parallel ones.

The grid is coronal: planes run from front to back, rows from head to feet, columns from the
patient's right to left. So every plane is a picture seen by the tube, and only its size changes
with its depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from covidx.phantom.beam import View
from covidx.phantom.fields import Array, Grid


@dataclass(frozen=True)
class Pose:
    """Where focus and detector stand about a patient (LPS mm).

    Attributes
    ----------
    view : View
        The projection.
    centre : tuple of float
        (x, z) that the central ray passes; it meets the middle of the detector.
    source_y, detector_y : float
        The planes of focus and detector.
    """

    view: View
    centre: tuple[float, float]
    source_y: float
    detector_y: float

    def enlargement(self, y: float) -> float:
        """How much larger than life a plane at depth `y` (LPS mm) is shown."""
        return abs((self.detector_y - self.source_y) / (y - self.source_y))

    def pixels(self, points: Array, shape: tuple[int, int], pixel_mm: float) -> Array:
        """Where points are shown.

        Parameters
        ----------
        points : ndarray
            (n, 3) LPS mm.
        shape : tuple of int
            (rows, columns) of the detector.
        pixel_mm : float
            At the detector.

        Returns
        -------
        ndarray
            (n, 3): row, column, and enlargement.
        """
        large = np.abs((self.detector_y - self.source_y) / (points[:, 1] - self.source_y))
        column = (shape[1] - 1) / 2 + (points[:, 0] - self.centre[0]) * large / pixel_mm
        row = (shape[0] - 1) / 2 - (points[:, 2] - self.centre[1]) * large / pixel_mm
        return np.stack([row, column, large], 1)


def _weights(position: Array, n: int) -> tuple[Array, Array, Array]:
    """Lower neighbour, its weight and that of the next, for linear interpolation; 0 outside."""
    low = np.clip(np.floor(position).astype(int), 0, n - 2)
    share = (position - low).astype(np.float32)
    inside = ((share >= 0.0) & (share <= 1.0)).astype(np.float32)
    return low, (1 - share) * inside, share * inside


def resample(plane: Array, rows: Array, columns: Array) -> Array:
    """Interpolate a picture linearly, axis by axis; it is 0 beyond its edge.

    Parameters
    ----------
    plane : ndarray of float32, shape (rows, columns)
        The picture.
    rows, columns : ndarray
        Positions in pixels of `plane`, not necessarily whole.

    Returns
    -------
    ndarray of float32, shape (len(rows), len(columns))
    """
    low, first, second = _weights(rows, plane.shape[0])
    # Plain arithmetic, no matrix product: its sums would depend on the number of threads.
    tall = plane[low] * first[:, None] + plane[low + 1] * second[:, None]
    low, first, second = _weights(columns, plane.shape[1])
    wide: Array = np.take(tall, low, 1) * first + np.take(tall, low + 1, 1) * second
    return wide


def project(
    values: Array, grid: Grid, pose: Pose, shape: tuple[int, int], pixel_mm: float
) -> Array:
    """Integrate a volume along the rays from the focus to each pixel.

    Parameters
    ----------
    values : ndarray of float32, shape (planes, rows, columns)
        On the coronal `grid`, in units a mm.
    grid : Grid
        Where the voxels lie.
    pose : Pose
        Where focus and detector stand.
    shape : tuple of int
        (rows, columns) of the detector.
    pixel_mm : float
        At the detector.

    Returns
    -------
    ndarray of float32
        (rows, columns): the line integrals.
    """
    down = (np.arange(shape[0]) - (shape[0] - 1) / 2) * pixel_mm
    across = (np.arange(shape[1]) - (shape[1] - 1) / 2) * pixel_mm
    corner = grid.affine_lps[:3, 3]
    total = np.zeros(shape, np.float32)
    for plane, y in zip(values, grid.y[:, 0, 0], strict=True):
        if not plane.any():
            continue
        large = pose.enlargement(float(y))
        rows = (corner[2] - pose.centre[1] + down / large) / grid.pixel_mm
        columns = (pose.centre[0] - corner[0] + across / large) / grid.pixel_mm
        total += resample(plane, rows, columns)
    # Rays off the centre cross each plane at an angle.
    distance = pose.view.source_mm
    slant = np.sqrt(1.0 + (down[:, None] ** 2 + across**2) / distance**2)
    result: Array = (total * np.float32(grid.step_mm) * slant).astype(np.float32)
    return result


def lateral(
    values: Array, grid: Grid, large: float, shape: tuple[int, int], pixel_mm: float
) -> Array:
    """Integrate along x, parallel, the patient facing the viewer's left.

    Parameters
    ----------
    values : ndarray of float32, shape (planes, rows, columns)
        On the coronal `grid`, in units a mm.
    grid : Grid
        Where the voxels lie.
    large : float
        Enlargement.
    shape : tuple of int
        (rows, columns) of the detector.
    pixel_mm : float
        At the detector.

    Returns
    -------
    ndarray of float32
        (rows, columns): columns run from front to back.
    """
    side = values.sum(2).T * np.float32(grid.pixel_mm)  # (rows, planes)
    down = (np.arange(shape[0]) - (shape[0] - 1) / 2) * pixel_mm / large / grid.pixel_mm
    along = (np.arange(shape[1]) - (shape[1] - 1) / 2) * pixel_mm / large / grid.step_mm
    rows, planes = (side.shape[0] - 1) / 2 + down, (side.shape[1] - 1) / 2 + along
    return resample(side, rows, planes)

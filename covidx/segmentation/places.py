"""Where in a lung a voxel lies: how high, how far back, how near to the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from covidx.segmentation.planes import Mask
from covidx.segmentation.sides import LEFT, RIGHT, Labels

OUTER_SHARE = 1 / 3
"""Share of a lung's volume that counts as its periphery. Modelling choice: readers speak of the
outer third, and a share of the volume does not depend on the size of the lung."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where the voxels of both lungs lie; values of other voxels mean nothing.

    Attributes
    ----------
    third, half : ndarray of uint8
        0 the lower, then upwards, of equal height between the lowest and the highest edge of
        a voxel of that lung.
    behind : ndarray of bool
        In the posterior half of that lung's depth.
    outer : ndarray of bool
        In the `OUTER_SHARE` of that lung's volume which lies nearest to its surface, by the
        distance to the nearest voxel that is not of that lung; more where voxels lie equally
        near. The surface towards the mediastinum counts, and so does a cut by the scan's end.
    """

    third: NDArray[np.uint8]
    half: NDArray[np.uint8]
    behind: Mask
    outer: Mask


def find_places(lungs: Labels, affine: NDArray[np.float64]) -> Places:
    """Find where in its lung each voxel lies.

    Parameters
    ----------
    lungs : ndarray of uint8, shape (slices, rows, columns)
        1 right, 2 left lung.
    affine : ndarray, shape (4, 4)
        Maps (column, row, slice) to mm in RAS; its origin plays no part.
    """
    third, half = np.zeros(lungs.shape, np.uint8), np.zeros(lungs.shape, np.uint8)
    behind, outer = np.zeros(lungs.shape, np.bool_), np.zeros(lungs.shape, np.bool_)
    spacing = tuple(np.linalg.norm(affine[:3, :3], axis=0)[::-1])
    for side in (RIGHT, LEFT):
        if not (lungs == side).any():
            continue
        box = ndimage.find_objects((lungs == side).astype(np.uint8))[0]
        lung = lungs[box] == side
        up, front = (_along(affine[axis], lung) for axis in (2, 1))
        third[box][lung] = np.minimum(up * 3, 2)
        half[box][lung] = np.minimum(up * 2, 1)
        behind[box][lung] = front < 0.5
        depth = ndimage.distance_transform_edt(np.pad(lung, 1), sampling=spacing)
        depth = depth[1:-1, 1:-1, 1:-1][lung]
        outer[box][lung] = depth <= np.quantile(depth, OUTER_SHARE)
    return Places(third, half, behind, outer)


def _along(axis: NDArray[np.float64], lung: Mask) -> NDArray[np.float32]:
    """Where the lung's voxels lie along an axis of the body: 0 at its one edge, 1 at the other."""
    column, row, slice_ = (
        (axis[i] * np.arange(n)).astype(np.float32) for i, n in enumerate(reversed(lung.shape))
    )
    mm = (slice_[:, None, None] + row[None, :, None] + column[None, None, :])[lung]
    half_voxel = np.float32(np.abs(axis[:3]).sum() / 2)
    low, high = mm.min() - half_voxel, mm.max() + half_voxel
    place: NDArray[np.float32] = (mm - low) / (high - low)
    return place

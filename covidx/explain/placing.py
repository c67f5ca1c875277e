"""Where a map lies: on its slice, in the patient, and as a volume on the grid of the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from covidx.imaging import Bag, Preprocessing, slab_reach
from covidx.segmentation.grid import in_order_of
from covidx.volume import Volume

if TYPE_CHECKING:
    from covidx.explain.heatmap import Heatmap


def paste(heat: NDArray[np.float32], bag: Bag, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Put a map back on its slice.

    Parameters
    ----------
    heat : ndarray of float32, shape (rows, columns)
        On the bag's pixels.
    bag : Bag
        Knows which part of the slice the model used.
    shape : (int, int)
        Rows and columns of the slice.

    Returns
    -------
    ndarray of float32
        Of that shape; NaN outside the input of the model.
    """
    top, bottom, left, right = bag.box
    size = (bottom - top, right - left)
    sized = torch.nn.functional.interpolate(
        torch.from_numpy(heat)[None, None], size, mode="bilinear", align_corners=False
    )
    pasted = np.full(shape, np.nan, dtype=np.float32)
    pasted[top:bottom, left:right] = sized[0, 0].numpy()
    return pasted


def bag_affine(
    bag: Bag, place: int, shape: tuple[int, int], slices: int = 1
) -> NDArray[np.float64] | None:
    """Where the pixels of one slice of a bag lie.

    Parameters
    ----------
    bag : Bag
        With the affine of its canonical volume, or none.
    place : int
        Index of the slice in the bag.
    shape : (int, int)
        Rows and columns of the map.
    slices : int
        How many slices of the volume the slab averages.

    Returns
    -------
    ndarray of float64, shape (4, 4), or None
        (column, row, slice) of an array of shape (1, rows, columns) to mm in RAS+.
    """
    if bag.affine is None:
        return None
    top, bottom, left, right = bag.box
    high, wide = (bottom - top) / shape[0], (right - left) / shape[1]
    # Middle of the map's pixel 0: half a pixel of its own from the edge of the box.
    to_volume = np.diag([wide, high, float(slices), 1.0])
    to_volume[:3, 3] = left + wide / 2 - 0.5, top + high / 2 - 0.5, bag.slices[place]
    affine: NDArray[np.float64] = bag.affine @ to_volume
    return affine


def heat_volume(
    maps: Sequence[Heatmap], bag: Bag, volume: Volume, preprocessing: Preprocessing
) -> Volume:
    """The maps of one image as a volume on the image's own grid.

    Parameters
    ----------
    maps : sequence of Heatmap
        Of slices of the bag.
    bag : Bag
        Prepared from `volume`.
    volume : Volume
        The image, in the orientation in which it was read.
    preprocessing : Preprocessing
        As the bag was prepared: each slice of a slab has the map of the slab.

    Returns
    -------
    Volume
        32-bit floats, log-odds: 0 where nothing speaks for the class, in slices without a map or
        whose map failed its exam, and outside of the model's input. Where slabs overlap, the
        greater value.
    """
    upright = volume.canonical()
    values = np.zeros(upright.array.shape, np.float32)
    reach = slab_reach(upright, preprocessing.slab_mm)
    for one in maps:
        if one.verdict == "failed":
            continue
        index = int(bag.slices[one.place])
        pasted = np.nan_to_num(paste(one.heat, bag, upright.array.shape[1:]), nan=0.0)
        slab = values[max(0, index - reach) : index + reach + 1]
        np.maximum(slab, pasted, out=slab)
    own = np.ascontiguousarray(in_order_of(values, volume))
    return Volume(own, "OT", "unproven", volume.geometry, volume.affine, volume.resampled)

"""A radiograph as numbers: activations of a frozen pretrained network on a coarse grid."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn import functional

from covidx.errors import InvalidInputError
from covidx.models import make_backbone
from covidx.volume import Volume
from covidx.wording import counted

Picture = NDArray[np.float32]
Box = tuple[float, float, float, float]

BACKBONE = "tf_efficientnet_lite0"
WHOLE: Box = (0.0, 1.0, 0.0, 1.0)
"""Top, bottom, left, right as shares of the radiograph."""
BLOCKS = (2, 3, 4, 5)
"""Middle blocks: strides 8 to 32. The last ones know ImageNet's classes, the first only edges."""
SIDE = 224
GRID = 4
FINE_GRID = 7
"""Cells a side: for scores, and to locate the lungs."""
STRETCH = (0.5, 99.5)
"""Percentiles of the part that become black and white."""
RADIOGRAPHS = ("CR", "DX", "OT")


def picture_of(volume: Volume) -> Picture:
    """The pixels of a radiograph, `volume`, as float32, (rows, columns).

    Raises
    ------
    InvalidInputError
        ``NOT_RADIOGRAPH``: another modality, or several slices.
    """
    if volume.modality not in RADIOGRAPHS or len(volume.array) != 1:
        raise InvalidInputError(
            "NOT_RADIOGRAPH",
            "This is not a radiograph.",
            expected=" or ".join(RADIOGRAPHS),
            actual=f"{volume.modality}, {counted(len(volume.array), 'slice')}",
        )
    picture: Picture = volume.canonical().array[0].astype(np.float32)
    return picture


def _framed(picture: Picture, box: Box) -> torch.Tensor:
    """A part of the radiograph at the network's size, -1 black to 1 white, (1, 1, SIDE, SIDE)."""
    rows, columns = picture.shape
    top, bottom, left, right = box
    edges = (left * columns, top * rows, right * columns, bottom * rows)
    sized = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=edges)
    values = np.asarray(sized, dtype=np.float32)
    low, high = np.percentile(values, STRETCH)
    share = np.clip((values - low) / max(float(high - low), 1e-6), 0.0, 1.0)
    return torch.from_numpy((share * 2.0 - 1.0).astype(np.float32))[None, None]


class RadiographNetwork:
    """The frozen network; its ImageNet weights come from an installed package."""

    def __init__(self) -> None:
        self.net: nn.Module = make_backbone(BACKBONE, pretrained=True).eval()

    @torch.inference_mode()
    def _blocks(self, image: torch.Tensor, cells: int) -> NDArray[np.float32]:
        """(channels, cells, cells): the blocks' means over a grid."""
        net = self.net
        value = net.bn1(net.conv_stem(image))  # type: ignore[operator]
        kept = []
        for number, block in enumerate(net.blocks):  # type: ignore[arg-type]
            value = block(value)
            if number in BLOCKS:
                kept.append(functional.adaptive_avg_pool2d(value, (cells, cells))[0])
            if number == BLOCKS[-1]:
                break
        return torch.cat(kept).numpy()

    def place(self, picture: Picture) -> NDArray[np.float32]:
        """Features of the complete `picture` on a fine grid, (features,): they locate the lungs."""
        return self._blocks(_framed(picture, WHOLE), FINE_GRID).ravel()

    def look(self, picture: Picture, box: Box) -> NDArray[np.float32]:
        """Features of the part `box` of a `picture`, (features,), the same for its mirror image."""
        image = _framed(picture, box)
        # The network does not treat both sides quite alike: the mean of both is taken.
        mirrored = self._blocks(image.flip(3), GRID)[:, :, ::-1]
        both = (self._blocks(image, GRID) + mirrored) / np.float32(2.0)
        return symmetric(both).ravel()


def symmetric(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of a grid and its mirror image, without its redundant half.

    Scores are sums over both lungs, so that the side of a finding must not matter.

    Parameters
    ----------
    grid : ndarray of float32, shape (channels, rows, columns)
        Has an even number of columns.
    """
    mean = (grid + grid[:, :, ::-1]) / np.float32(2.0)
    half: NDArray[np.float32] = mean[:, :, : grid.shape[2] // 2]
    return half

"""Segmenting images with a bundle: the one path for evaluation and ``covidx segment``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from numpy.typing import NDArray
from torch import Tensor, nn

from covidx.imaging.augment_pairs import fit_patch, swaps_of
from covidx.imaging.frames import Frame, VolumeFraming, make_frame
from covidx.inference.image import PARITY_TOLERANCE
from covidx.inference.network_bundle import made_up_patches
from covidx.inference.segmentation_bundle import (
    SegmentationBundle,
    by_question,
    load_segmentation_bundle,
    save_segmentation_bundle,
    shares_of,
)
from covidx.scratch import let_go, zeros
from covidx.segmentation import drop_small_pieces, in_order_of
from covidx.volume import Volume

__all__ = ["Answered", "Segmenter"]

BLOCK = 16
"""Working slices segmented at a time in 2D: what bounds the memory of a long scan."""
BATCH = 4
OVERLAP = 0.5
"""Of the windows of a 3D network."""


@dataclass(frozen=True, eq=False)
class Answered:
    """What a bundle says of an image, on the image's own grid.

    Parameters
    ----------
    labels : dict of ndarray of uint8, shape (slices, rows, columns)
        Question -> class numbers.
    likely : dict of ndarray of float32, shape (slices, rows, columns)
        Question -> 0 to 1, the chance of any class but the first, which is nothing. It is the
        network's softmax, and calibrated by nobody.
    """

    labels: dict[str, NDArray[np.uint8]]
    likely: dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A bundle in memory, ready to segment."""

    bundle: SegmentationBundle
    model: nn.Module

    @classmethod
    def load(cls, folder: Path) -> Segmenter:
        """Read a bundle and make sure that it answers its parity patches as when it was saved.

        Raises
        ------
        BundleError
            As `load_segmentation_bundle`, or ``PARITY_LOST``.
        """
        bundle, model, expected = load_segmentation_bundle(folder)
        segmenter = cls(bundle, model)
        bundle.need_parity(folder, segmenter.parity(), expected, PARITY_TOLERANCE)
        return segmenter

    def save(self, folder: Path) -> Segmenter:
        """Write the bundle and read it back, so that all that follows uses what was saved."""
        save_segmentation_bundle(folder, self.bundle, self.model, self.parity())
        return Segmenter.load(folder)

    @torch.inference_mode()
    def parity(self) -> NDArray[np.float32]:
        """Mean class shares of the parity patches, shape (cases, classes)."""
        shares = self._shares(torch.from_numpy(made_up_patches(self.bundle.recipe.patch)))
        return np.asarray(shares.flatten(2).mean(dim=2))

    def segment(self, volume: Volume) -> dict[str, NDArray[np.uint8]]:
        """Answer each question for each voxel.

        Parameters
        ----------
        volume : Volume
            In any orientation.

        Returns
        -------
        dict of ndarray of uint8, shape (slices, rows, columns)
            Question -> class numbers, on the grid of `volume`. Beside them, memory holds the
            answers of some slices, however many there are. Of lungs on CT, pieces that are
            small beside the largest are left out (`drop_small_pieces`).

        Raises
        ------
        InvalidInputError
            As `make_frame`.
        """
        return self.answer(volume, ()).labels

    def answer(self, volume: Volume, likely: Collection[str]) -> Answered:
        """As `segment`, with how likely each voxel is anything at all by some questions.

        Parameters
        ----------
        volume : Volume
        likely : collection of str
            Those questions.
        """
        recipe, groups = self.bundle.recipe, self.bundle.groups
        frame = make_frame(volume, recipe.framing, recipe.network.dimensions)
        shape = frame.volume.array.shape
        labels = {name: zeros(shape, np.uint8) for name in groups}
        chances = {name: zeros(shape, np.float32) for name in groups if name in likely}
        for first, shares in self._blocks(frame):
            for index in _between(frame, first, shares.shape[1]):
                mixed = frame.to_volume(shares, first, index)
                parts = by_question(mixed, groups, dim=0)
                for name, part in zip(groups, parts, strict=True):
                    labels[name][index] = part.argmax(dim=0).to(torch.uint8).numpy()
                    if name in chances:
                        chances[name][index] = (1 - part[0]).clamp(0, 1).numpy()
            let_go(frame.volume.array, *labels.values(), *chances.values())
        if "lung" in labels and isinstance(recipe.framing, VolumeFraming):
            assert frame.volume.spacing_mm is not None
            drop_small_pieces(labels["lung"], frame.volume.spacing_mm)
        return Answered(
            {name: in_order_of(found, volume) for name, found in labels.items()},
            {name: in_order_of(found, volume) for name, found in chances.items()},
        )

    @torch.inference_mode()
    def _blocks(self, frame: Frame) -> Iterator[tuple[int, Tensor]]:
        """First working slice and shares (classes, n, rows, columns) of one block after another.

        Blocks share their outer slices, so that what lies between two has both neighbours.
        """
        deep = self.bundle.recipe.network.dimensions == 3
        depth = self.bundle.recipe.patch[0] if deep else 0
        size = 2 * depth if deep else BLOCK
        for first in range(0, max(len(frame) - 1, 1), size):
            end = min(first + size + 1, len(frame))
            low, high = max(first - depth // 2, 0), min(end + depth // 2, len(frame))
            images = torch.from_numpy(frame.image(low, high)).float() / 255
            shares = self._deep(images) if deep else self._flat(images)
            yield first, shares[:, first - low : end - low]

    def _flat(self, images: Tensor) -> Tensor:
        """Slices one by one, padded as in training."""
        shape, patch = self.bundle.recipe.network, self.bundle.recipe.patch
        rows, columns = images.shape[1:]
        padded = tuple(
            max(-(-edge // shape.multiple) * shape.multiple, size)
            for edge, size in zip((rows, columns), patch, strict=True)
        )
        top, left = (padded[0] - rows) // 2, (padded[1] - columns) // 2
        given = fit_patch(images, (-top, -left), padded)[:, None]
        found = torch.cat([self._shares(part) for part in torch.split(given, BATCH)])
        return found[:, :, top : top + rows, left : left + columns].transpose(0, 1)

    def _deep(self, images: Tensor) -> Tensor:
        """A sliding window over a block of slices."""
        found = sliding_window_inference(
            images[None, None], self.bundle.recipe.patch, 1, self._shares, OVERLAP, "gaussian"
        )
        assert isinstance(found, Tensor)
        return found[0]

    def _shares(self, given: Tensor) -> Tensor:
        """Class shares of a batch (n, 1, *edges), of its mirror too where the bundle says so."""
        groups = self.bundle.groups
        if given.ndim == 4:
            given = given.contiguous(memory_format=torch.channels_last)
        shares = shares_of(self.model(given), groups)
        if not self.bundle.recipe.mirrored:
            return shares
        mirror = shares_of(self.model(given.flip(-1)), groups).flip(-1)
        order, before = [], 0
        for swap in swaps_of(groups):
            order.append(swap + before)
            before += len(swap)
        return (shares + mirror[:, torch.cat(order)]) / 2


def _between(frame: Frame, first: int, count: int) -> range:
    """Slices of the volume that lie between working slices `first` and its block's last one.

    The last slice of a block is the first of the next, which answers for it.
    """
    last = first + count - 1
    low = 0 if first == 0 else int(np.ceil(frame.stack[first]))
    if last == len(frame) - 1:
        return range(low, len(frame.volume.array))
    return range(low, int(np.ceil(frame.stack[last])))

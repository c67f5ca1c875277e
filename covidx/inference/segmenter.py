"""Segmenting images with a bundle: the one path for evaluation and ``covidx segment``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from numpy.typing import NDArray
from torch import Tensor, nn

from covidx.imaging.augment_pairs import fit_patch, swaps_of
from covidx.imaging.frames import Frame, VolumeFraming, make_frame
from covidx.inference.image import PARITY_TOLERANCE
from covidx.inference.lung_threshold import probabilities_absent
from covidx.inference.masks import (
    OPACITY,
    LabelMaps,
    SegmentationPayload,
    segmentation_payload,
    write_masks,
)
from covidx.inference.network_bundle import read_network, synthetic_patches, write_network
from covidx.inference.prediction import Prediction, Predictions
from covidx.inference.predictor import NetworkPredictor, choose_device
from covidx.inference.segmentation_bundle import (
    SegmentationBundle,
    build_network,
    probabilities_of,
    split_groups,
)
from covidx.models.segmenters import channels_last
from covidx.scratch import let_go, zeros
from covidx.segmentation import drop_small_pieces, in_order_of
from covidx.volume import Volume

if TYPE_CHECKING:
    from covidx.ingest.records import ReadImage

BLOCK = 16
"""Working slices segmented at a time in 2D: what bounds the memory of a long scan."""
BATCH = 4
OVERLAP = 0.5
"""Of the windows of a 3D network."""


@dataclass(frozen=True, eq=False, repr=False)
class Segmenter(NetworkPredictor):
    """A segmenter in memory, ready to use.

    Parameters
    ----------
    bundle : SegmentationBundle
        Recipe, and the classes of each structure.
    model : Module
        In evaluation mode.
    probabilities : bool
        Whether predictions hold the opacity probability of each voxel, too.
    """

    WRITES_FOLDER: ClassVar[bool] = True

    bundle: SegmentationBundle
    model: nn.Module
    probabilities: bool = False

    @classmethod
    def load(cls, folder: Path, device: str = "auto") -> Segmenter:
        """Read a bundle and make sure that it segments its parity patches as when saved.

        Parameters
        ----------
        folder : Path
            With ``bundle.json``, ``weights.safetensors`` and ``parity.safetensors``.
        device : str
            As `Predictor.load`.

        Raises
        ------
        BundleError
            As `read_network`, or ``PARITY_LOST``.
        """
        bundle, model, expected = read_network(
            folder,
            SegmentationBundle,
            lambda one: build_network(one.recipe, one.groups),
            choose_device(device),
        )
        segmenter = cls(bundle, channels_last(model, bundle.recipe.dimensions))
        bundle.need_parity(folder, segmenter.parity(), expected["shares"], PARITY_TOLERANCE)
        return segmenter

    def save(self, folder: Path) -> Segmenter:
        """Write the bundle and read it back, so that all that follows uses what was saved.

        Parameters
        ----------
        folder : Path
            Must not exist.
        """
        write_network(folder, self.bundle, self.model, {"shares": self.parity()})
        return Segmenter.load(folder, str(self.device))

    def with_probabilities(self) -> Segmenter:
        """The same, whose predictions hold opacity probabilities, too.

        Raises
        ------
        InvalidInputError
            ``PROBABILITIES_ABSENT``: it was not trained on opacities.
        """
        if OPACITY not in self.bundle.groups:
            raise probabilities_absent(f"bundle {self.bundle.sha256}")
        return replace(self, probabilities=True)

    def empty_payload(self) -> SegmentationPayload:
        """As `Predictor.empty_payload`."""
        return SegmentationPayload()

    def of_image(self, image: ReadImage, draft: Prediction) -> Prediction:
        """Segment an image, and measure its masks.

        Parameters
        ----------
        image : ReadImage
            Decoded image of the modality that the bundle takes.
        draft : Prediction
            With source, threshold, receipt and what speaks against the result.
        """
        maps = self.label_maps(image.volume, [OPACITY] if self.probabilities else [])
        payload = segmentation_payload(maps, self.bundle.groups, image.volume)
        return replace(draft, payload=payload)

    def write(self, predictions: Iterable[Prediction], out: Path) -> Predictions:
        """As `write_masks`, with this bundle as the maker.

        Parameters
        ----------
        predictions : iterable of Prediction
            With a `SegmentationPayload`, or a problem.
        out : Path
            A folder, made if need be.
        """
        return write_masks(predictions, out, f"bundle {self.bundle.sha256}", self.bundle)

    @torch.inference_mode()
    def parity(self) -> NDArray[np.float32]:
        """Mean class probabilities of the parity patches, shape (cases, classes)."""
        patches = torch.from_numpy(synthetic_patches(self.bundle.recipe.patch)).to(self.device)
        return np.asarray(self._shares(patches).flatten(2).mean(dim=2).cpu())

    def segment(self, volume: Volume) -> dict[str, NDArray[np.uint8]]:
        """The labels of `label_maps` alone.

        Parameters
        ----------
        volume : Volume
            In any orientation.
        """
        return self.label_maps(volume).labels

    def label_maps(self, volume: Volume, probabilities: Collection[str] = ()) -> LabelMaps:
        """Label each voxel.

        Parameters
        ----------
        volume : Volume
            In any orientation.
        probabilities : collection of str
            Structures whose probabilities are wanted, too.

        Returns
        -------
        LabelMaps
            On the grid of `volume`. Beside them, memory holds the class probabilities of some
            slices, however many there are. Of lungs on CT, pieces that are small beside the
            largest are left out (`drop_small_pieces`).

        Raises
        ------
        InvalidInputError
            As `make_frame`.
        """
        recipe, groups = self.bundle.recipe, self.bundle.groups
        frame = make_frame(volume, recipe.framing, recipe.network.dimensions)
        shape = frame.volume.array.shape
        labels = {name: zeros(shape, np.uint8) for name in groups}
        chances = {name: zeros(shape, np.float32) for name in groups if name in probabilities}
        for first, shares in self._blocks(frame):
            for index in _between(frame, first, shares.shape[1]):
                mixed = frame.to_volume(shares, first, index)
                parts = split_groups(mixed, groups, dim=0)
                for name, part in zip(groups, parts, strict=True):
                    # Over few classes torch takes several times as long.
                    labels[name][index] = part.numpy().argmax(axis=0)
                    if name in chances:
                        chances[name][index] = (1 - part[0]).clamp(0, 1).numpy()
            let_go(frame.volume.array, *labels.values(), *chances.values())
        if "lung" in labels and isinstance(recipe.framing, VolumeFraming):
            assert frame.volume.spacing_mm is not None
            drop_small_pieces(labels["lung"], frame.volume.spacing_mm)
        return LabelMaps(
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
            images = torch.from_numpy(frame.image(low, high)).float().to(self.device) / 255
            shares = self._deep(images) if deep else self._flat(images)
            yield first, shares[:, first - low : end - low].cpu()

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
        shares = probabilities_of(self.model(given), groups)
        if not self.bundle.recipe.mirrored:
            return shares
        mirror = probabilities_of(self.model(given.flip(-1)), groups).flip(-1)
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

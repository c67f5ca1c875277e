"""Patches for training a segmenter (drawn anew each epoch, from seeds alone) and for validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from covidx.imaging.augment_pairs import PairAugmentation, augment_pair, fit_patch, swaps_of
from covidx.imaging.pairs import Groups, PairCache

BUSY = 0.75
"""Share of training patches that are centred on a slice which shows something."""
VALIDATION_SLICES = 6
"""Of each image, spread evenly over those that show something."""

Pair = tuple[Tensor, Tensor]


class PatchPlan(NamedTuple):
    """How patches are drawn.

    Parameters
    ----------
    patch : tuple of int
        (rows, columns) in 2D, (slices, rows, columns) in 3D; in pixels.
    samples : int
        Patches drawn of each image in each epoch.
    batch : int
        Patches a batch.
    seed : int
        Of order, places and augmentation.
    """

    patch: tuple[int, ...]
    samples: int
    batch: int
    seed: int


class _Patches(Dataset[Pair]):
    """Validation patches: fixed, in the middle of the plane."""

    def __init__(self, cache: PairCache, items: Sequence[str], plan: PatchPlan) -> None:
        self.cache, self.plan = cache, plan
        self.depth = 1 if len(plan.patch) == 2 else plan.patch[0]
        self.places = [(name, place) for name in items for place in self._spread(name)]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Pair:
        name, place = self.places[index]
        image, labels = self._cut(name, place, None)
        return self._out(image, labels)

    def _spread(self, name: str) -> list[int]:
        """Slices of one image, fewer where patches are deep."""
        busy = _busy(self.cache.index[name], self.cache.image(name).shape[0])
        wanted = max(1, VALIDATION_SLICES // self.depth)
        chosen = np.linspace(0, len(busy) - 1, min(wanted, len(busy)) + 2)[1:-1]
        return [int(busy[round(place)]) for place in chosen] if len(busy) > 2 else busy[:1].tolist()

    def _cut(self, name: str, place: int, middle: tuple[int, int] | None) -> Pair:
        """A patch about a slice and a pixel (by default the middle of the plane)."""
        image, labels = self.cache.image(name), self.cache.labels(name)
        rows, columns = self.plan.patch[-2:]
        first = place if self.depth == 1 else place - self.depth // 2
        low, high = max(first, 0), min(first + self.depth, len(image))
        centre = middle or (image.shape[1] // 2, image.shape[2] // 2)
        start = (first - low, centre[0] - rows // 2, centre[1] - columns // 2)
        size = (self.depth, rows, columns)
        parts = torch.from_numpy(np.array(image[low:high])), np.array(labels[:, low:high])
        return fit_patch(parts[0], start, size), fit_patch(torch.from_numpy(parts[1]), start, size)

    def _out(self, image: Tensor, labels: Tensor) -> Pair:
        """Greys 0..1 with a channel, and class numbers; without the depth in 2D."""
        greys = image.float() / 255 if image.dtype == torch.uint8 else image
        if len(self.plan.patch) == 2:
            return greys, labels[:, 0].long()  # the only slice is the channel
        return greys[None], labels.long()


class _TrainingPatches(_Patches):
    """Random patches, augmented; what item i of epoch e is depends on seed, e and i alone."""

    def __init__(
        self,
        cache: PairCache,
        items: Sequence[str],
        plan: PatchPlan,
        augmentation: PairAugmentation,
        swaps: list[Tensor],
        epoch: int,
    ) -> None:
        super().__init__(cache, [], plan)
        order = np.random.default_rng((plan.seed, epoch)).permutation(len(items) * plan.samples)
        self.items = [items[i % len(items)] for i in order]
        self.augmentation, self.swaps, self.epoch = augmentation, swaps, epoch

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Pair:
        chance = np.random.default_rng((self.plan.seed, self.epoch, index))
        name = self.items[index]
        image = self.cache.image(name)
        slices = self.cache.index[name]
        busy = _busy(slices, len(image)) if chance.random() < BUSY else np.arange(len(image))
        middle = tuple(
            _centre(edge, size, chance)
            for edge, size in zip(image.shape[1:], self.plan.patch[-2:], strict=True)
        )
        patch, labels = self._cut(name, int(chance.choice(busy)), (middle[0], middle[1]))
        torch_chance = torch.Generator().manual_seed(int(chance.integers(1 << 62)))
        greys = patch.float() / 255
        pair = augment_pair(greys, labels, self.augmentation, self.swaps, torch_chance)
        return self._out(*pair)


def _busy(slices: list[list[int]], count: int) -> NDArray[np.int64]:
    """The slices of the rarest label map that has any, of `count` slices all where none has.

    `slices` are those that show something in each label map, the rarest last: opacities before
    lungs before nothing.
    """
    for shown in reversed(slices):
        if shown:
            return np.array(shown)
    return np.arange(count)


def _centre(edge: int, size: int, chance: np.random.Generator) -> int:
    """A middle for a patch: anywhere that keeps it inside, else the image's own."""
    if edge <= size:
        return edge // 2
    return int(chance.integers(size // 2, edge - size + size // 2 + 1))


class PatchData(lightning.LightningDataModule):
    """Training and validation patches.

    Parameters
    ----------
    cache : PairCache
        Prepared images with their label maps.
    train, validation : sequence of str
        image_ids of each role.
    plan : PatchPlan
        How patches are drawn.
    augmentation : PairAugmentation
        Of training patches.
    groups : Groups
        The label maps with their classes: a mirrored patch swaps left and right.
    """

    def __init__(
        self,
        cache: PairCache,
        train: Sequence[str],
        validation: Sequence[str],
        plan: PatchPlan,
        augmentation: PairAugmentation,
        groups: Groups,
    ) -> None:
        super().__init__()
        self.cache, self.train, self.validation = cache, train, validation
        self.plan, self.augmentation, self.swaps = plan, augmentation, swaps_of(groups)

    def train_dataloader(self) -> DataLoader[Pair]:
        """Patches of the present epoch; the trainer asks anew before each."""
        epoch = self.trainer.current_epoch if self.trainer is not None else 0
        patches = _TrainingPatches(
            self.cache, self.train, self.plan, self.augmentation, self.swaps, epoch
        )
        return self._loader(patches, True)

    def val_dataloader(self) -> DataLoader[Pair]:
        """The same patches each time."""
        return self._loader(_Patches(self.cache, self.validation, self.plan), False)

    def _loader(self, patches: _Patches, train: bool) -> DataLoader[Pair]:
        chance = torch.Generator().manual_seed(self.plan.seed)
        # A lone last patch would leave batch normalisation too little to estimate from.
        drop = train and len(patches) > self.plan.batch
        return DataLoader(patches, batch_size=self.plan.batch, drop_last=drop, generator=chance)

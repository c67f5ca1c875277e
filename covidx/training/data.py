"""Bags for training (drawn anew each epoch, from seeds alone) and for validation (complete)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from covidx.imaging import Augmentation, BagCache, augment
from covidx.inference import to_tensor


class BagBatch(NamedTuple):
    """Some bags, one after another.

    Parameters
    ----------
    slices : Tensor of float32, shape (slices of all bags, 1, rows, columns)
        Greys from 0 to 1.
    sizes : list of int
        Slices of each bag.
    targets : Tensor of int64, shape (bags,)
        Class numbers.
    """

    slices: Tensor
    sizes: list[int]
    targets: Tensor


def collate(items: Sequence[tuple[Tensor, int]]) -> BagBatch:
    """Put bags one after another; `items` are (slices, class number) of each."""
    slices = torch.cat([slices for slices, _ in items])
    return BagBatch(
        slices.contiguous(memory_format=torch.channels_last),
        [len(slices) for slices, _ in items],
        torch.tensor([target for _, target in items]),
    )


class _Bags(Dataset[tuple[Tensor, int]]):
    """Complete bags in a fixed order."""

    def __init__(self, cache: BagCache, items: Sequence[tuple[str, int]]) -> None:
        self.cache, self.items, self.pixels = cache, list(items), cache.pixels

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image_id, target = self.items[index]
        return to_tensor(self.cache.bag(image_id, self.pixels).pixels), target


class _TrainingBags(_Bags):
    """Parts of bags, augmented; what item i of epoch e is depends on seed, e and i alone."""

    def __init__(
        self,
        cache: BagCache,
        items: Sequence[tuple[str, int]],
        augmentation: Augmentation,
        slices: int,
        seed: tuple[int, int],
    ) -> None:
        order = np.random.default_rng(seed).permutation(len(items))
        super().__init__(cache, [items[i] for i in order])
        self.augmentation, self.slices, self.seed = augmentation, slices, seed

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        slices, target = super().__getitem__(index)
        words = np.random.SeedSequence([*self.seed, index]).generate_state(2, np.uint32)
        chance = torch.Generator().manual_seed(int(words[0]) << 32 | int(words[1]))
        if len(slices) > self.slices:
            kept = torch.randperm(len(slices), generator=chance)[: self.slices].sort().values
            slices = slices[kept]
        return augment(slices, self.augmentation, chance), target


class BagData(lightning.LightningDataModule):
    """Training and validation bags of one fold.

    Parameters
    ----------
    cache : BagCache
        Prepared slices of every image.
    train, validation : sequence of (image_id, class number)
        The images of each role.
    augmentation : Augmentation
        Of training slices.
    slices : int
        Slices drawn from a bag in training.
    batch : int
        Bags a batch.
    seed : int
        Of order, drawn slices and augmentation.
    """

    def __init__(
        self,
        cache: BagCache,
        train: Sequence[tuple[str, int]],
        validation: Sequence[tuple[str, int]],
        augmentation: Augmentation,
        slices: int,
        batch: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.cache, self.train, self.validation = cache, train, validation
        self.augmentation, self.slices, self.batch, self.seed = augmentation, slices, batch, seed

    def train_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Bags of the present epoch; the trainer asks anew before each."""
        epoch = self.trainer.current_epoch if self.trainer is not None else 0
        bags = _TrainingBags(
            self.cache, self.train, self.augmentation, self.slices, (self.seed, epoch)
        )
        # A lone last bag would leave batch normalisation too little to estimate from.
        drop = len(self.train) > self.batch
        return self._loader(bags, drop_last=drop)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Complete validation bags."""
        bags = _Bags(self.cache, self.validation)
        return self._loader(bags)

    def _loader(self, bags: _Bags, drop_last: bool = False) -> DataLoader[tuple[Tensor, int]]:
        # Its own generator: each pass draws a number, which would shift dropout's, and a resumed
        # training passes over its loaders another number of times.
        chance = torch.Generator().manual_seed(self.seed)
        return DataLoader(
            bags,
            batch_size=self.batch,
            collate_fn=collate,
            drop_last=drop_last,
            generator=chance,
        )

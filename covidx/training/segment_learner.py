"""How a segmenter learns: Dice with cross-entropy or focal loss for each label map, one cycle."""

from __future__ import annotations

from typing import Any

import torch
from monai.losses.dice import DiceCELoss, DiceFocalLoss
from torch import Tensor, nn

from covidx.imaging.pairs import Groups
from covidx.inference.segmentation_bundle import split_groups
from covidx.models.learning import SegmentationLearning
from covidx.models.segmenters import channels_last
from covidx.training.learner import Learner
from covidx.training.optimizer import one_cycle


class SegmentLearner(Learner):
    """Trains a network that gives every pixel a class in each label map.

    Parameters
    ----------
    model : Module
        (n, 1, *edges) -> (n, classes of all label maps, *edges).
    groups : Groups
        The label maps with their classes.
    learning : SegmentationLearning
        Patch, loss and rates.
    seed : int
        Of dropout.
    """

    logged = ("train_loss", "validation_loss", "validation_dice")

    def __init__(
        self, model: nn.Module, groups: Groups, learning: SegmentationLearning, seed: int
    ) -> None:
        super().__init__(channels_last(model, len(learning.patch)), seed)
        self.groups, self.learning = groups, learning
        make = {"dice_ce": DiceCELoss, "dice_focal": DiceFocalLoss}[learning.loss]
        # Over the batch: of one slice the Dice of what it does not show would be all or nothing.
        self.loss: Any = make(include_background=False, to_onehot_y=True, softmax=True, batch=True)
        self._overlaps: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """The mean loss of the label maps of a `batch`, (images, label maps).

        Parameters
        ----------
        batch : tuple of (images, label maps)
            As the data module gives it.
        index : int
            Of the batch in the epoch; unused.
        """
        loss = self._loss(batch)[0]
        self.log_mean("train_loss", loss, len(batch[0]))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """The same loss of a `batch`, and the overlaps for the Dice over all patches.

        Parameters
        ----------
        batch : tuple of (images, label maps)
            As the data module gives it.
        index : int
            Of the batch in the epoch; unused.
        """
        loss, logits = self._loss(batch)
        self.log_mean("validation_loss", loss, len(batch[0]))
        both, either = [], []
        for number, of_map in enumerate(logits):
            predicted, truth = of_map.argmax(dim=1), batch[1][:, number]
            for label in range(1, of_map.shape[1]):
                here, there = predicted == label, truth == label
                both.append((here & there).sum())
                either.append(here.sum() + there.sum())
        self._overlaps.append((torch.stack(both), torch.stack(either)))

    def on_validation_epoch_end(self) -> None:
        """Mean Dice of the classes that occur."""
        both, either = (torch.stack(part).sum(0) for part in zip(*self._overlaps, strict=True))
        self._overlaps.clear()
        occurs = either > 0
        if occurs.any():
            mean = (2 * both[occurs] / either[occurs]).mean()
            self.log("validation_dice", float(mean), prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW over one cycle."""
        return one_cycle(self, self.learning)

    def _loss(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        images, labels = batch
        if images.ndim == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        logits = split_groups(self.model(images), self.groups)
        losses = [
            self.loss(of_map, labels[:, number, None]) for number, of_map in enumerate(logits)
        ]
        return torch.stack(losses).mean(), logits

"""How a segmenter learns: Dice with cross-entropy or focal loss for each question, one cycle."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from monai.losses.dice import DiceCELoss, DiceFocalLoss
from torch import Tensor, nn

from covidx.imaging.pairs import Groups
from covidx.inference.segmentation_bundle import split_groups
from covidx.models.learning import SegmentationLearning
from covidx.models.segmenters import channels_last
from covidx.training.optimizer import one_cycle

__all__ = ["SegmentLearner"]


class SegmentLearner(lightning.LightningModule):
    """Trains a network that answers each question for each pixel.

    Parameters
    ----------
    model : Module
        (n, 1, *edges) -> (n, classes of all questions, *edges).
    groups : Groups
    how : SegmentationLearning
    seed : int
    """

    def __init__(
        self, model: nn.Module, groups: Groups, how: SegmentationLearning, seed: int
    ) -> None:
        super().__init__()
        self.model = channels_last(model, len(how.patch))
        self.groups, self.how, self.seed = groups, how, seed
        make = {"dice_ce": DiceCELoss, "dice_focal": DiceFocalLoss}[how.loss]
        # Over the batch: of one slice the Dice of what it does not show would be all or nothing.
        self.loss: Any = make(include_background=False, to_onehot_y=True, softmax=True, batch=True)
        self._overlaps: list[tuple[Tensor, Tensor]] = []

    def on_train_epoch_start(self) -> None:
        """Seed by the epoch, so that a resumed training draws what it would have drawn."""
        torch.manual_seed(self.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """The mean loss of the questions."""
        loss, _answers = self._loss(batch)
        self._log("train_loss", loss, len(batch[0]))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """The same loss, and what is needed for the Dice of each class over all patches."""
        loss, answers = self._loss(batch)
        self._log("validation_loss", loss, len(batch[0]))
        both, either = [], []
        for number, logits in enumerate(answers):
            found, truth = logits.argmax(dim=1), batch[1][:, number]
            for label in range(1, logits.shape[1]):
                one, other = found == label, truth == label
                both.append((one & other).sum())
                either.append(one.sum() + other.sum())
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
        return one_cycle(self, self.how)

    def _loss(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        images, labels = batch
        if images.ndim == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        answers = split_groups(self.model(images), self.groups)
        losses = [
            self.loss(logits, labels[:, number, None]) for number, logits in enumerate(answers)
        ]
        return torch.stack(losses).mean(), answers

    def _log(self, name: str, value: Tensor, patches: int) -> None:
        self.log(name, value, batch_size=patches, on_step=False, on_epoch=True)

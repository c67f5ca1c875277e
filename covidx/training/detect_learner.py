"""How a detector learns: torchvision's losses on the pieces of the opacities in each patch."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import Tensor
from torchvision.models.detection import FasterRCNN

from covidx.segmentation.instances import pieces_of
from covidx.training.patch_learning import PatchLearning, one_cycle

__all__ = ["DetectLearner", "targets_of"]


def targets_of(opaque: Tensor, smallest: int) -> dict[str, Tensor]:
    """What torchvision's detectors learn from, of one patch.

    Parameters
    ----------
    opaque : Tensor of bool, shape (rows, columns)
    smallest : int
        Pixels below which a piece is no instance.
    """
    pieces = pieces_of(opaque.cpu().numpy(), smallest)
    return {
        "boxes": torch.from_numpy(pieces.boxes).float().to(opaque.device),
        "labels": torch.ones(len(pieces.boxes), dtype=torch.int64, device=opaque.device),
        "masks": torch.from_numpy(pieces.masks).to(torch.uint8).to(opaque.device),
    }


class DetectLearner(lightning.LightningModule):
    """Trains a detector on patches with the class numbers of their pixels.

    Parameters
    ----------
    model : FasterRCNN
        Of `make_detector`.
    question : int
        Which of the patches' label maps tells opacities.
    smallest : int
        Pixels below which a piece is no instance.
    how : PatchLearning
    seed : int
    """

    def __init__(
        self, model: FasterRCNN, question: int, smallest: int, how: PatchLearning, seed: int
    ) -> None:
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)
        self.question, self.smallest, self.how, self.seed = question, smallest, how, seed

    def on_train_epoch_start(self) -> None:
        """Seed by the epoch, so that a resumed training draws what it would have drawn."""
        torch.manual_seed(self.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """The sum of the network's losses."""
        loss = self._loss(batch)
        self._log("train_loss", loss, len(batch[0]))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        """The same sum: torchvision gives losses in training mode alone, and draws proposals."""
        self.model.train()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number)
            self._log("validation_loss", self._loss(batch), len(batch[0]))

    def configure_optimizers(self) -> Any:
        """AdamW over one cycle."""
        return one_cycle(self, self.how)

    def _loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        targets = [targets_of(one[self.question] > 0, self.smallest) for one in labels]
        losses: dict[str, Tensor] = self.model(list(images), targets)
        return torch.stack(list(losses.values())).sum()

    def _log(self, name: str, value: Tensor, patches: int) -> None:
        self.log(name, value, batch_size=patches, on_step=False, on_epoch=True)

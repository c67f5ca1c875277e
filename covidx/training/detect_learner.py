"""How a detector learns: torchvision's losses on the pieces of the opacities in each patch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torchvision.models.detection import FasterRCNN

from covidx.evaluate.boxes import BOX, Detections
from covidx.evaluate.detection import HIT_IOU, average_precision
from covidx.models.learning import PatchLearning
from covidx.segmentation.instances import pieces_of
from covidx.training.optimizer import one_cycle

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


def _table(patch: str, said: Mapping[str, Tensor]) -> pd.DataFrame:
    """A row a box of one patch, with its score if it was found."""
    table = pd.DataFrame(said["boxes"].cpu().double().numpy(), columns=list(BOX))
    if "scores" in said:
        table["score"] = said["scores"].cpu().double().numpy()
    return table.assign(image_id=patch, slice=0)


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
        self._seen: list[tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]] = []

    def on_train_epoch_start(self) -> None:
        """Seed by the epoch, so that a resumed training draws what it would have drawn."""
        torch.manual_seed(self.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """The sum of the network's losses."""
        loss = self._loss(batch[0], self._targets(batch))
        self._log("train_loss", loss, len(batch[0]))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        """The same sum, and boxes: torchvision gives losses in training mode alone."""
        images, targets = batch[0], self._targets(batch)
        self.model.train()
        with torch.random.fork_rng(devices=[]):  # proposals to learn from are drawn
            torch.manual_seed(number)
            self._log("validation_loss", self._loss(images, targets), len(images))
        self.model.eval()
        names = [f"{number}-{place}" for place in range(len(images))]
        found, truth = (
            pd.concat([_table(*one) for one in zip(names, boxes, strict=True)])
            for boxes in (self.model(list(images)), targets)
        )
        self._seen.append((pd.DataFrame({"image_id": names, "patient_id": names}), found, truth))

    def on_validation_epoch_end(self) -> None:
        """How well the patches' boxes are found: the losses hardly follow that."""
        images, found, truth = (
            pd.concat(part, ignore_index=True) for part in zip(*self._seen, strict=True)
        )
        self._seen.clear()
        patches = Detections(images, found, truth)
        everyone = np.ones((patches.clusters.n_groups, 1))
        value = float(average_precision(patches, HIT_IOU)(everyone)[0])
        self.log("validation_map50", 0.0 if np.isnan(value) else value, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW over one cycle."""
        return one_cycle(self, self.how)

    def _loss(self, images: Tensor, targets: list[dict[str, Tensor]]) -> Tensor:
        losses: dict[str, Tensor] = self.model(list(images), targets)
        return torch.stack(list(losses.values())).sum()

    def _targets(self, batch: tuple[Tensor, Tensor]) -> list[dict[str, Tensor]]:
        return [targets_of(one[self.question] > 0, self.smallest) for one in batch[1]]

    def _log(self, name: str, value: Tensor, patches: int) -> None:
        self.log(name, value, batch_size=patches, on_step=False, on_epoch=True)

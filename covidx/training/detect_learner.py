"""How a detector learns: torchvision's losses on the pieces of the opacities in each patch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torchvision.models.detection import FasterRCNN

from covidx.evaluate.boxes import BOX, Detections
from covidx.evaluate.detection import HIT_IOU, average_precision
from covidx.models.learning import DetectionLearning
from covidx.segmentation.instances import pieces_of
from covidx.training.learner import Learner
from covidx.training.optimizer import one_cycle


def targets_of(opaque: Tensor, smallest: int) -> dict[str, Tensor]:
    """What torchvision's detectors learn from, of one patch.

    Parameters
    ----------
    opaque : Tensor of bool, shape (rows, columns)
        Where an opacity is.
    smallest : int
        Pixels below which a piece is no instance.

    Returns
    -------
    dict of str to Tensor
        boxes (n, 4) as left, top, right, bottom in pixels; labels (n,), all 1; masks (n, rows,
        columns) of 0 and 1.
    """
    pieces = pieces_of(opaque.cpu().numpy(), smallest)
    return {
        "boxes": torch.from_numpy(pieces.boxes).float().to(opaque.device),
        "labels": torch.ones(len(pieces.boxes), dtype=torch.int64, device=opaque.device),
        "masks": torch.from_numpy(pieces.masks).to(torch.uint8).to(opaque.device),
    }


def _table(patch: str, boxes: Mapping[str, Tensor]) -> pd.DataFrame:
    """A row a box of one patch, with its score where it is a detection."""
    table = pd.DataFrame(boxes["boxes"].cpu().double().numpy(), columns=list(BOX))
    if "scores" in boxes:
        table["box_score"] = boxes["scores"].cpu().double().numpy()
    return table.assign(image_id=patch, slice=0)


class DetectLearner(Learner):
    """Trains a detector on patches with the class numbers of their pixels.

    Parameters
    ----------
    model : FasterRCNN
        Of `make_detector`.
    label_map : int
        Which of the patches' label maps shows opacities.
    smallest : int
        Pixels below which a piece is no instance.
    learning : DetectionLearning
        Patch and rates.
    seed : int
        Of the proposals that the network draws to learn from.
    """

    logged = ("train_loss", "validation_loss", "validation_map50")
    monitor, mode = "validation_map50", "max"

    def __init__(
        self,
        model: FasterRCNN,
        label_map: int,
        smallest: int,
        learning: DetectionLearning,
        seed: int,
    ) -> None:
        super().__init__(model.to(memory_format=torch.channels_last), seed)
        self.label_map, self.smallest, self.learning = label_map, smallest, learning
        self._boxes: list[tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]] = []

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """The sum of the network's losses on a `batch`, (images, label maps).

        Parameters
        ----------
        batch : tuple of (images, label maps)
            As the data module gives it.
        index : int
            Of the batch in the epoch; unused.
        """
        loss = self._loss(batch[0], self._targets(batch))
        self.log_mean("train_loss", loss, len(batch[0]))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        """The same sum and the boxes of a `batch`, the epoch's `number`-th."""
        # torchvision returns losses in training mode alone.
        images, targets = batch[0], self._targets(batch)
        self.model.train()
        with torch.random.fork_rng(devices=[]):  # proposals to learn from are drawn
            torch.manual_seed(number)
            self.log_mean("validation_loss", self._loss(images, targets), len(images))
        self.model.eval()
        names = [f"{number}-{place}" for place in range(len(images))]
        detected, truth = (
            pd.concat([_table(*patch) for patch in zip(names, boxes, strict=True)])
            for boxes in (self.model(list(images)), targets)
        )
        patches = pd.DataFrame({"image_id": names, "patient_id": names})
        self._boxes.append((patches, detected, truth))

    def on_validation_epoch_end(self) -> None:
        """Average precision of the patches' boxes: the losses hardly follow it."""
        images, detected, truth = (
            pd.concat(part, ignore_index=True) for part in zip(*self._boxes, strict=True)
        )
        self._boxes.clear()
        patches = Detections(images, detected, truth)
        everyone = np.ones((patches.clusters.n_groups, 1))
        value = float(average_precision(patches, HIT_IOU)(everyone)[0])
        self.log("validation_map50", 0.0 if np.isnan(value) else value, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW over one cycle."""
        return one_cycle(self, self.learning)

    def _loss(self, images: Tensor, targets: list[dict[str, Tensor]]) -> Tensor:
        losses: dict[str, Tensor] = self.model(list(images), targets)
        return torch.stack(list(losses.values())).sum()

    def _targets(self, batch: tuple[Tensor, Tensor]) -> list[dict[str, Tensor]]:
        return [targets_of(maps[self.label_map] > 0, self.smallest) for maps in batch[1]]

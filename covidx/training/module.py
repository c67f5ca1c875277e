"""How a bag classifier learns: loss, two learning rates, one cycle."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional

from covidx.models import Architecture, BagClassifier
from covidx.models.learning import ImageLearning
from covidx.training.data import BagBatch
from covidx.training.learner import Learner

WARM_UP = 0.2
"""Share of the cycle in which the rates rise."""
FEWEST_STEPS = 10


class BagLearner(Learner):
    """Trains a `BagClassifier` on patient labels.

    Parameters
    ----------
    architecture : Architecture
        Of the network.
    learning : ImageLearning
        Rates, smoothing of labels, and whether the backbone starts pretrained.
    n_classes : int
        How many classes the network tells apart.
    positive : int
        Number of the class whose AUROC is logged.
    seed : int
        Of the initial weights and of dropout.
    """

    logged = ("train_loss", "validation_loss", "validation_auroc")
    rate_settings = ("learning.head_rate", "learning.backbone_rate")

    def __init__(
        self,
        architecture: Architecture,
        learning: ImageLearning,
        n_classes: int,
        positive: int,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        model = BagClassifier(architecture, n_classes, pretrained=learning.pretrained)
        model.freeze(learning.frozen_reduction)
        super().__init__(model, seed)
        self.learning, self.positive = learning, positive
        self._scores: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: BagBatch, index: int) -> Tensor:
        """Cross-entropy of the pooled logits of a `batch`.

        Parameters
        ----------
        batch : BagBatch
            As the data module gives it.
        index : int
            Of the batch in the epoch; unused.
        """
        logits = self.model(batch.slices, batch.sizes).logits
        loss = functional.cross_entropy(
            logits, batch.targets, label_smoothing=self.learning.label_smoothing
        )
        self.log_mean("train_loss", loss, len(batch.sizes))
        return loss

    def validation_step(self, batch: BagBatch, index: int) -> None:
        """Collect the scores of a `batch`; the loss is the mean over bags.

        Parameters
        ----------
        batch : BagBatch
            As the data module gives it.
        index : int
            Of the batch in the epoch; unused.
        """
        logits = self.model(batch.slices, batch.sizes).logits
        self.log_mean(
            "validation_loss", functional.cross_entropy(logits, batch.targets), len(batch.sizes)
        )
        self._scores.append((logits.softmax(dim=1)[:, self.positive], batch.targets))

    def on_validation_epoch_end(self) -> None:
        """AUROC of the positive class against the rest, where both occur."""
        scores, targets = (torch.cat(part) for part in zip(*self._scores, strict=True))
        self._scores.clear()
        truth = (targets == self.positive).cpu().numpy()
        if 0 < truth.sum() < len(truth) and scores.isfinite().all():
            area = float(roc_auc_score(truth, scores.cpu().numpy()))
            self.log("validation_auroc", area, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW with a rate for pretrained layers and one for the head, over one cycle."""
        groups: list[dict[str, Any]] = []
        rates = [self.learning.backbone_rate, self.learning.head_rate]
        for part, rate in zip((self.model.backbone, self.model.head), rates, strict=True):
            learnt = [one for one in part.parameters() if one.requires_grad]
            groups += [{"params": learnt, "lr": rate}]
        optimizer = torch.optim.AdamW(groups, weight_decay=self.learning.weight_decay, fused=True)
        # OneCycleLR divides by 0 where its warm-up is one step long, as with a tiny cohort.
        steps = max(int(self.trainer.estimated_stepping_batches), FEWEST_STEPS)
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=rates, total_steps=steps, pct_start=WARM_UP
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

"""How the joint network learns: loss, arms dropped by chance, rates."""

from __future__ import annotations

from typing import Any, NamedTuple

import lightning
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from covidx.fusion.network import FusionNetwork
from covidx.models import BagClassifier
from covidx.training import BagBatch, Learner

IntArray = npt.NDArray[np.intp]


class Joint(nn.Module):
    """The fusion `network`, and P1's, `bag`, where its training continues."""

    def __init__(self, network: FusionNetwork, bag: BagClassifier | None) -> None:
        super().__init__()
        self.network, self.bag = network, bag


class JointInputs(NamedTuple):
    """Inputs and classes of the patients, a row each.

    Parameters
    ----------
    features : Tensor, shape (patients, features)
        P1's; unused where the training of P1 continues.
    values : Tensor, shape (patients, columns)
        Clinical values; NaN is unknown.
    truth : Tensor, shape (patients,)
        1 positive, 0 rest.
    classes : Tensor, shape (patients,)
        Number among P1's classes.
    """

    features: Tensor
    values: Tensor
    truth: Tensor
    classes: Tensor


def availability(image: bool, clinical: bool, n: int) -> Tensor:
    """Which arms are available, the same for all patients, shape (n, 2).

    Parameters
    ----------
    image, clinical : bool
        Whether patients have the arm.
    n : int
        Patients.
    """
    return torch.tensor([[float(image), float(clinical)]]).expand(n, 2)


class JointLearner(Learner):
    """Trains a `Joint` on patients who have both arms.

    Parameters
    ----------
    model : Joint
        The networks.
    inputs : JointInputs
        Of all patients.
    backbone_rate : float
        Learning rate of P1's network, where its training continues.
    seed : int
        Of noise and dropout.
    """

    def __init__(self, model: Joint, inputs: JointInputs, backbone_rate: float, seed: int) -> None:
        super().__init__(model, seed)
        self.inputs, self.learning = inputs, model.network.learning
        self.backbone_rate = backbone_rate

    def training_step(self, batch: BagBatch | Tensor, index: int) -> Tensor:
        """Loss of the fused score of a `batch`, and of the image where P1 is trained too.

        Parameters
        ----------
        batch : BagBatch or Tensor
            As the data module gives it.
        index : int
            Of the batch in the epoch; unused.
        """
        features, rows, image_loss = self._image(batch)
        chance = torch.rand(len(rows), device=features.device)
        absent = self.learning.absent
        there = torch.stack([chance >= absent, chance < 1 - absent], dim=1).to(features.dtype)
        loss = self._loss(features, rows, there) + image_loss
        self.log_mean("train_loss", loss, len(rows))
        return loss

    def validation_step(self, batch: BagBatch | Tensor, index: int) -> None:
        """The loss of a `batch`, over the patterns of arms as often as in training.

        Parameters
        ----------
        batch : BagBatch or Tensor
            As the data module gives it.
        index : int
            Of the batch in the epoch; unused.
        """
        features, rows, _image = self._image(batch)
        absent, n = self.learning.absent, len(rows)
        shares = ((True, True, 1 - 2 * absent), (True, False, absent), (False, True, absent))
        loss = torch.stack(
            [
                share * self._loss(features, rows, availability(image, clinical, n).to(features))
                for image, clinical, share in shares
            ]
        ).sum()
        self.log_mean("validation_loss", loss, n)

    def _image(self, batch: BagBatch | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image features, the patients' rows, and the loss of the image."""
        if isinstance(batch, Tensor):
            features = self.inputs.features.to(batch.device)[batch]
            return features, batch, features.new_zeros(())
        assert self.model.bag is not None
        output, features = self.model.bag.with_features(batch.slices, batch.sizes)
        classes = self.inputs.classes.to(batch.targets.device)[batch.targets]
        return features, batch.targets, functional.cross_entropy(output.logits, classes)

    def _loss(self, features: Tensor, rows: Tensor, there: Tensor) -> Tensor:
        values, truth = (
            part.to(rows.device)[rows] for part in (self.inputs.values, self.inputs.truth)
        )
        logits = self.model.network(features, values, there)
        return functional.binary_cross_entropy_with_logits(logits, truth)

    def configure_optimizers(self) -> Any:
        """Adam, its rate falling by epoch; P1's network at its own rate."""
        groups: list[dict[str, Any]] = [
            {"params": list(self.model.network.parameters()), "lr": self.learning.rate}
        ]
        if self.model.bag is not None:
            groups.append({"params": list(self.model.bag.parameters()), "lr": self.backbone_rate})
        optimizer = torch.optim.Adam(groups, weight_decay=self.learning.weight_decay)
        falling = torch.optim.lr_scheduler.ExponentialLR(optimizer, self.learning.rate_decay)
        return {"optimizer": optimizer, "lr_scheduler": falling}


class RowData(lightning.LightningDataModule):
    """Numbers of rows, shuffled anew each epoch from seed and epoch alone.

    Parameters
    ----------
    train, validation : ndarray of int
        Rows of each role.
    batch : int
        Rows a batch.
    seed : int
        Of the order.
    """

    def __init__(self, train: IntArray, validation: IntArray, batch: int, seed: int) -> None:
        super().__init__()
        self.train, self.validation = train, validation
        self.batch, self.seed = batch, seed

    def train_dataloader(self) -> DataLoader[int]:
        """Rows of the present epoch."""
        epoch = self.trainer.current_epoch if self.trainer is not None else 0
        order = np.random.default_rng((self.seed, epoch)).permutation(self.train)
        # A lone last row would leave batch normalisation nothing to estimate from.
        return self._loader(order, drop_last=len(order) > self.batch)

    def val_dataloader(self) -> DataLoader[int]:
        """All validation rows."""
        return self._loader(self.validation, drop_last=False)

    def _loader(self, rows: Any, drop_last: bool) -> DataLoader[int]:
        chance = torch.Generator().manual_seed(self.seed)
        return DataLoader(
            rows.tolist(),
            self.batch,
            collate_fn=torch.tensor,
            drop_last=drop_last,
            generator=chance,
        )

"""What every learner tells the training loop about itself."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import lightning
import torch
from torch import Tensor

SEED_STRIDE = 100_003
"""A prime: epochs of trainings whose seeds are neighbours do not share a random state."""


class Learner(lightning.LightningModule):
    """A network with its loss; `fit_learner` reads from its class how it is to be trained.

    A subclass names in `logged` the figures that it logs of each epoch, in `monitor` the one that
    chooses the epoch, in `mode` whether its lowest ("min") or its highest ("max") value is the
    best, and in `rate_settings` the keys of its configuration that should be lowered when the loss
    diverges.

    Parameters
    ----------
    model : Module
        The network; its weights of the best epoch are the result of the training.
    seed : int
        Random numbers of an epoch depend on it and on the epoch's number alone.
    """

    logged: ClassVar[tuple[str, ...]] = ("train_loss", "validation_loss")
    monitor: ClassVar[str] = "validation_loss"
    mode: ClassVar[Literal["min", "max"]] = "min"
    rate_settings: ClassVar[tuple[str, ...]] = ("learning.rate",)

    def __init__(self, model: Any, seed: int) -> None:
        super().__init__()
        self.model, self.seed = model, seed

    def on_train_epoch_start(self) -> None:
        """Seed by the epoch, so that a resumed training draws what it would have drawn."""
        torch.manual_seed(self.seed * SEED_STRIDE + self.current_epoch)

    def log_mean(self, name: str, value: Tensor, items: int) -> None:
        """Log the mean of a figure over an epoch.

        Parameters
        ----------
        name : str
            One of `logged`.
        value : Tensor, shape ()
            The mean over the batch.
        items : int
            How many bags, patches or patients the batch has: its weight in the epoch's mean.
        """
        self.log(name, value, batch_size=items, on_step=False, on_epoch=True)

"""What happens at the batches and epochs of every training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping

from covidx.errors import CovidxError
from covidx.forecast import Forecast
from covidx.training.learner import Learner

VALIDATION_LOSS = "validation_loss"
"""What learners call the loss on validation rows."""

EVALUATED = 1 / 3
"""Share of a training batch's time that a batch of validation takes: it has no backward pass."""


class Curves(Callback):
    """Keeps the logged figures of each epoch; part of the checkpoint."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, learner: lightning.LightningModule
    ) -> None:
        """Forget the figures of the epoch before: this one may have no validation.

        Parameters
        ----------
        trainer : Trainer
            Keeps them.
        learner : Learner
            Not looked at.
        """
        trainer.callback_metrics.clear()

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, learner: lightning.LightningModule
    ) -> None:
        """Keep the figures that `learner` logged in the epoch that `trainer` ends."""
        assert isinstance(learner, Learner)
        values = trainer.callback_metrics
        row = {name: float(values[name]) for name in learner.logged if name in values}
        self.rows.append({"epoch": trainer.current_epoch, **row})

    def state_dict(self) -> dict[str, object]:
        """What a checkpoint keeps."""
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the `state` of a checkpoint."""
        self.rows = list(state["rows"])


class Finite(Callback):
    """Ends a training whose loss, or whose weights, are no numbers any more."""

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        learner: lightning.LightningModule,
        outputs: Any,
        *batch: object,
    ) -> None:
        """Look at the loss of each step.

        Parameters
        ----------
        trainer : Trainer
            Names the epoch.
        learner : Learner
            Names the settings to lower.
        outputs : mapping
            ``loss``, a tensor of one value.
        batch
            The batch and its number, which are not looked at.
        """
        assert isinstance(learner, Learner)
        loss = outputs["loss"]
        if not torch.isfinite(loss):
            raise _diverged(learner, "loss", f"{float(loss)} in epoch {trainer.current_epoch}")

    def on_validation_start(
        self, trainer: lightning.Trainer, learner: lightning.LightningModule
    ) -> None:
        """Look at the weights: the last step of an epoch may have spoilt them without a loss.

        Parameters
        ----------
        trainer : Trainer
            Names the epoch.
        learner : Learner
            Whose weights they are.
        """
        assert isinstance(learner, Learner)
        for name, values in learner.state_dict().items():
            if values.is_floating_point() and not torch.isfinite(values).all():
                raise _diverged(learner, "weights", f"{name} in epoch {trainer.current_epoch}")

    def on_validation_end(
        self, trainer: lightning.Trainer, learner: lightning.LightningModule
    ) -> None:
        """Look at the loss on validation rows: weights may be finite and too large to score with.

        Parameters
        ----------
        trainer : Trainer
            Has the figures of the epoch.
        learner : Learner
            Names the settings to lower.
        """
        assert isinstance(learner, Learner)
        loss = trainer.callback_metrics.get(VALIDATION_LOSS)
        if loss is not None and not torch.isfinite(loss):
            found = f"{VALIDATION_LOSS} {float(loss)} in epoch {trainer.current_epoch}"
            raise _diverged(learner, "loss", found)


def _diverged(learner: Learner, what: str, actual: str) -> CovidxError:
    return CovidxError(
        "TRAINING_DIVERGED",
        "The training has diverged: its loss or its weights are no longer finite numbers.",
        expected=f"finite {what}",
        actual=actual,
        hint=f"Lower {' and '.join(learner.rate_settings)} in the configuration.",
    )


class Needs(Callback):
    """Prints how long a training will take, if that is more than a minute."""

    def __init__(self, folder: Path) -> None:
        self._forecast = Forecast(
            "train", folder, "An interrupted training goes on from its last whole epoch."
        )

    def on_train_batch_end(
        self, trainer: lightning.Trainer, learner: lightning.LightningModule, *batch: object
    ) -> None:
        """Extrapolate from the first batches.

        Parameters
        ----------
        trainer : Trainer
            Counts batches and epochs.
        learner, batch
            The learner, the batch and its results, which are not looked at.
        """
        evaluated = (
            sum(trainer.num_val_batches) * EVALUATED / (trainer.check_val_every_n_epoch or 1)
        )
        total = (trainer.max_epochs or 0) * (int(trainer.num_training_batches) + evaluated)
        done = trainer.global_step + trainer.current_epoch * evaluated
        if line := self._forecast(done, total):
            print(line, file=sys.stderr)


class Patience(EarlyStopping):
    """Early stopping that stays stopped when a training that had ended is taken up again."""

    def on_train_start(
        self, trainer: lightning.Trainer, learner: lightning.LightningModule
    ) -> None:
        """Stop `trainer` at once where the checkpoint of `learner` had stopped."""
        trainer.should_stop = trainer.should_stop or self.stopped_epoch > 0

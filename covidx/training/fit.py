"""Training one fold: progress, checkpoints, early stopping, and going on after an interruption."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar

from covidx.errors import CovidxError
from covidx.files import locked, make_folder
from covidx.imaging import BagCache
from covidx.models import Architecture
from covidx.models.learning import ImageLearning
from covidx.training.data import BagData
from covidx.training.module import BagLearner

__all__ = ["Fit", "fit", "run"]

JUDGES = ("validation_auroc", "validation_dice", "validation_map50")
"""What learners log of an epoch beside its losses; of each the highest is the best."""
NOISE = (
    "does not have many workers",
    "The number of training batches",
    r"Checkpoint directory .* exists and is not empty",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)
"""Warnings of Lightning that a user of covidx can do nothing about."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A trained network and how it got there.

    Parameters
    ----------
    model : Module
        The learner's, with the weights of the best epoch, by validation loss if not said otherwise;
        in evaluation mode.
    curves : DataFrame
        One row an epoch: epoch, train_loss, validation_loss, and those of `JUDGES` that are logged.
    best_epoch : int
    resumed_from : int or None
        First epoch after an interruption.
    """

    model: Any
    curves: pd.DataFrame
    best_epoch: int
    resumed_from: int | None


class _Curves(Callback):
    """Keeps the logged figures of each epoch; part of the checkpoint."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Note this epoch's figures."""
        logged = trainer.callback_metrics
        names = ("train_loss", "validation_loss", *JUDGES)
        row = {name: float(logged[name]) for name in names if name in logged}
        self.rows.append({"epoch": trainer.current_epoch, **row})

    def state_dict(self) -> dict[str, object]:
        """For the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.rows = list(state["rows"])


class _Finite(Callback):
    """Ends a training whose loss is no number any more."""

    def on_train_batch_end(
        self, trainer: lightning.Trainer, _: lightning.LightningModule, outputs: Any, *__: object
    ) -> None:
        """Look at the loss of each step."""
        loss = outputs["loss"]
        if not torch.isfinite(loss):
            raise CovidxError(
                "TRAINING_DIVERGED",
                "The training loss is no longer a finite number.",
                expected="a finite loss",
                actual=f"{float(loss)} in epoch {trainer.current_epoch}",
                hint="Lower learning.head_rate and learning.backbone_rate.",
            )


class _Patience(EarlyStopping):
    """Early stopping that stays stopped when a training that had ended is taken up again."""

    def on_train_start(self, trainer: lightning.Trainer, _: lightning.LightningModule) -> None:
        """Stop at once where the checkpoint had stopped."""
        trainer.should_stop = trainer.should_stop or self.stopped_epoch > 0


def fit(
    cache: BagCache,
    items: pd.DataFrame,
    classes: tuple[list[str], str],
    architecture: Architecture,
    how: ImageLearning,
    seed: int,
    folder: Path,
) -> Fit:
    """Train on the rows of role train; choose the epoch on those of role validation.

    A training that was interrupted goes on from its last whole epoch when it is called with the
    same folder, and ends with the weights that it would have had anyway.

    Parameters
    ----------
    cache : BagCache
    items : DataFrame
        image_id, label, role. Rows of role test are not looked at.
    classes : (list of str, str)
        Class names, the reference first; the positive class.
    architecture, how
        Configuration.
    seed : int
    folder : Path
        For checkpoints; the caller deletes it once the result is safe.
    """
    names, positive = classes
    make_folder(folder)
    learner = BagLearner(architecture, how, len(names), names.index(positive), seed)
    learner.model.to(memory_format=torch.channels_last)
    train, validation = (_targets(items, role, names) for role in ("train", "validation"))
    data = BagData(cache, train, validation, how.augmentation, how.slices, how.batch, seed)
    return run(learner, data, how.epochs, how.patience, folder)


def _targets(items: pd.DataFrame, role: str, names: list[str]) -> list[tuple[str, int]]:
    rows = items[items["role"] == role].sort_values("image_id")
    return [(str(i), names.index(n)) for i, n in zip(rows["image_id"], rows["label"], strict=True)]


def run(
    learner: Any,
    data: lightning.LightningDataModule,
    epochs: int,
    patience: int,
    folder: Path,
    *,
    by: str = "validation_loss",
    bar: bool = True,
) -> Fit:
    """Train `learner.model`, or take its training up again.

    Parameters
    ----------
    learner : LightningModule
        With a ``model``; it logs ``train_loss`` and ``validation_loss``.
    data : LightningDataModule
        Whose batches depend on seed and epoch alone.
    epochs, patience : int
    folder : Path
        Of its checkpoints.
    by : str
        What chooses the epoch: the lowest loss, or the highest of `JUDGES`.
    bar : bool
        Show a progress bar: of trainings that take more than seconds.
    """
    with locked(folder), _deterministic(), _quiet():
        return _run(learner, data, (epochs, patience), folder, by, bar)


def _run(
    learner: Any,
    data: lightning.LightningDataModule,
    limits: tuple[int, int],
    folder: Path,
    by: str,
    bar: bool,
) -> Fit:
    epochs, patience = limits
    mode: Literal["min", "max"] = "max" if by in JUDGES else "min"
    best = ModelCheckpoint(
        folder,
        filename="best",
        monitor=by,
        mode=mode,
        enable_version_counter=False,
    )
    # Lightning's own save_last writes only when an epoch was the best so far.
    latest = ModelCheckpoint(folder, filename="last", enable_version_counter=False)
    curves = _Curves()
    trainer = lightning.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=epochs,
        callbacks=[
            curves,
            _Finite(),
            best,
            latest,
            _Patience(by, patience=patience, mode=mode),
            *([RichProgressBar(leave=True)] if bar else []),
        ],
        enable_progress_bar=bar,
        logger=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        default_root_dir=folder,
    )
    last = folder / "last.ckpt"
    resumed = None
    if last.exists():
        resumed = int(torch.load(last, map_location="cpu", weights_only=True)["epoch"]) + 1
    trainer.fit(learner, data, ckpt_path=None if resumed is None else str(last), weights_only=True)
    kept = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    learner.load_state_dict(kept["state_dict"])
    model = learner.model.cpu().eval()
    return Fit(model, pd.DataFrame(curves.rows), int(kept["epoch"]), resumed)


@contextmanager
def _deterministic() -> Iterator[None]:
    """Deterministic algorithms; on a GPU a layer that has none warns instead of failing."""
    before = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    # cuBLAS asks for it: https://docs.nvidia.com/cuda/cublas/#results-reproducibility
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warned)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's tips, and warnings of its own insides, off the terminal."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for noise in NOISE:
                warnings.filterwarnings("ignore", message=f".*{noise}")
            yield
    finally:
        logger.setLevel(level)

"""Training one fold: progress, checkpoints, early stopping, and going on after an interruption."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar

from covidx.cohort import Classes
from covidx.files import locked, make_folder
from covidx.imaging import BagCache
from covidx.models import Architecture
from covidx.models.learning import ImageLearning
from covidx.training.callbacks import Curves, Finite, Needs, Patience
from covidx.training.data import BagData
from covidx.training.learner import Learner
from covidx.training.module import BagLearner

NOISE = (
    "does not have many workers",
    "The number of training batches",
    r"Checkpoint directory .* exists and is not empty",
    r"Found \d+ module\(s\) in eval mode",  # layers that are frozen
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)
"""Warnings of Lightning that a user of covidx can do nothing about."""
VALIDATIONS = 4
"""How often a training without patience looks at its validation rows."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A trained network and how it got there.

    Parameters
    ----------
    model : Module
        The learner's, with the weights of the best epoch; on the CPU, in evaluation mode.
    curves : DataFrame
        One row an epoch: epoch, counted from 0, and the figures that the learner logs.
    best_epoch : int
        The epoch whose weights were kept: that of the learner's `monitor`, or the last.
    resumed_from : int or None
        First epoch after an interruption; None where there was none.
    """

    model: Any
    curves: pd.DataFrame
    best_epoch: int
    resumed_from: int | None


def fit_classifier(
    cache: BagCache,
    items: pd.DataFrame,
    classes: Classes,
    architecture: Architecture,
    learning: ImageLearning,
    seed: int,
    folder: Path,
) -> Fit:
    """Train on the rows of role train; those of role validation are watched.

    A training that was interrupted goes on from its last complete epoch when it is called with the
    same folder, and ends with the weights that it would have had anyway.

    Parameters
    ----------
    cache : BagCache
        Prepared slices of every image.
    items : DataFrame
        image_id, label, role. Rows of role test are not looked at.
    classes : Classes
        Class names, the reference first, and the positive one.
    architecture : Architecture
        The network.
    learning : ImageLearning
        How it is trained.
    seed : int
        Of the initial weights, the order of the bags and their augmentation.
    folder : Path
        For checkpoints; made where missing. The caller deletes it once the result is safe.

    Returns
    -------
    Fit
        The network of the epoch with the lowest validation loss; of the last one where `learning`
        has no patience, so that the rows of role validation choose nothing.

    Raises
    ------
    CovidxError
        ``TRAINING_DIVERGED``: the loss is no longer a finite number.
    StoreError
        ``IN_USE``: another process trains in this folder.
    """
    names = list(classes.names)
    make_folder(folder)
    learner = BagLearner(architecture, learning, len(names), names.index(classes.positive), seed)
    learner.model.to(memory_format=torch.channels_last)
    train, validation = (_targets(items, role, names) for role in ("train", "validation"))
    data = BagData(
        cache, train, validation, learning.augmentation, learning.slices, learning.batch, seed
    )
    return fit_learner(learner, data, learning.epochs, learning.patience, folder)


def _targets(items: pd.DataFrame, role: str, names: list[str]) -> list[tuple[str, int]]:
    rows = items[items["role"] == role].sort_values("image_id")
    return [(str(i), names.index(n)) for i, n in zip(rows["image_id"], rows["label"], strict=True)]


def fit_learner(
    learner: Learner,
    data: lightning.LightningDataModule,
    epochs: int,
    patience: int | None,
    folder: Path,
    *,
    bar: bool = True,
) -> Fit:
    """Train `learner.model`, or take its training up again.

    Parameters
    ----------
    learner : Learner
        Says what it logs, which figure chooses the epoch, and in which direction.
    data : LightningDataModule
        Whose batches depend on seed and epoch alone.
    epochs : int
        At most.
    patience : int, optional
        Epochs without a better one after which the training ends; None: all epochs are trained,
        and the last one is kept. Then validation chooses nothing, and is done a few times only.
    folder : Path
        Of its checkpoints; exists.
    bar : bool
        Show a progress bar: of trainings that take more than seconds.

    Returns
    -------
    Fit
        The network of the best epoch, or of the last.

    Raises
    ------
    CovidxError
        ``TRAINING_DIVERGED``: the loss is no longer a finite number.
    StoreError
        ``IN_USE``: another process trains in this folder.
    """
    with locked(folder), _deterministic(), _quiet():
        curves = Curves()
        # Lightning's own save_last writes only when an epoch was the best so far.
        latest = ModelCheckpoint(
            folder, filename="last", enable_version_counter=False, save_on_train_epoch_end=True
        )
        best, stopping = None, list[Callback]()
        if patience is not None:
            choice: dict[str, Any] = {"monitor": learner.monitor, "mode": learner.mode}
            best = ModelCheckpoint(folder, filename="best", enable_version_counter=False, **choice)
            stopping = [best, Patience(patience=patience, **choice)]
        needs = [Needs(folder)] if bar else []
        callbacks = [curves, Finite(), *needs, *stopping, latest]
        watched = 1 if patience is not None else epochs_between_validations(epochs)
        trainer = _trainer(callbacks, epochs, watched, folder, bar)
        last = folder / "last.ckpt"
        resumed = None
        if last.exists():
            resumed = int(_checkpoint(last)["epoch"]) + 1
        start = None if resumed is None else str(last)
        trainer.fit(learner, data, ckpt_path=start, weights_only=True)
        kept = _checkpoint(last if best is None else Path(best.best_model_path))
        learner.load_state_dict(kept["state_dict"])
        model = learner.model.cpu().eval()
        return Fit(model, pd.DataFrame(curves.rows), int(kept["epoch"]), resumed)


def epochs_between_validations(epochs: int) -> int:
    """How often a curve that chooses nothing is measured: at most some four times, and at the end.

    Parameters
    ----------
    epochs : int
        Of the whole training; the result divides it.
    """
    return max(
        every for every in range(1, max(epochs // VALIDATIONS, 1) + 1) if epochs % every == 0
    )


def _trainer(
    callbacks: list[Callback], epochs: int, watched: int, folder: Path, bar: bool
) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=epochs,
        check_val_every_n_epoch=watched,
        callbacks=[*callbacks, *([RichProgressBar(leave=True)] if bar else [])],
        enable_progress_bar=bar,
        logger=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        default_root_dir=folder,
    )


def _checkpoint(path: Path) -> dict[str, Any]:
    kept: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return kept


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

"""How a network learns from patches: settings, and one cycle of the rate."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from pydantic import Field

from covidx.config import Config
from covidx.imaging.augment_pairs import PairAugmentation

__all__ = ["PatchLearning", "one_cycle"]

WARM_UP = 0.15
"""Share of the cycle in which the rate rises."""
FEWEST_STEPS = 10


class PatchLearning(Config):
    """How a network is trained on patches."""

    patch: tuple[int, ...] = Field(description="pixels: rows, columns; in 3D slices first")
    samples: int = Field(ge=1, description="patches drawn of an image each epoch")
    epochs: int = Field(ge=1, description="at most")
    patience: int = Field(ge=1, description="epochs without a better one")
    batch: int = Field(ge=1, description="patches")
    rate: float = Field(gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    augmentation: PairAugmentation = PairAugmentation()


def one_cycle(learner: lightning.LightningModule, learning: PatchLearning) -> Any:
    """AdamW over one cycle (Smith and Topin, arXiv:1708.07120), as Lightning expects it.

    Parameters
    ----------
    learner : LightningModule
        Whose parameters are trained; its trainer knows how many steps there are.
    learning : PatchLearning
        Highest rate and weight decay.
    """
    optimizer = torch.optim.AdamW(
        learner.parameters(), lr=learning.rate, weight_decay=learning.weight_decay
    )
    # OneCycleLR divides by 0 where its warm-up is one step long, as with a tiny cohort.
    steps = max(int(learner.trainer.estimated_stepping_batches), FEWEST_STEPS)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=learning.rate, total_steps=steps, pct_start=WARM_UP
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

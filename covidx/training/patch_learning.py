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
    """How training goes."""

    patch: tuple[int, ...] = Field(description="pixels: rows, columns; in 3D slices first")
    samples: int = Field(ge=1, description="patches drawn of an image each epoch")
    epochs: int = Field(ge=1, description="at most")
    patience: int = Field(ge=1, description="epochs without a better one")
    batch: int = Field(ge=1, description="patches")
    rate: float = Field(gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    augmentation: PairAugmentation = PairAugmentation()


def one_cycle(learner: lightning.LightningModule, how: PatchLearning) -> Any:
    """AdamW over one cycle, as Lightning wants it."""
    optimizer = torch.optim.AdamW(learner.parameters(), lr=how.rate, weight_decay=how.weight_decay)
    # OneCycleLR divides by 0 where its warm-up is one step long, as with a tiny cohort.
    steps = max(int(learner.trainer.estimated_stepping_batches), FEWEST_STEPS)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=how.rate, total_steps=steps, pct_start=WARM_UP
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

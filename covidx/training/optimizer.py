"""The optimizer of networks that learn from patches: one cycle of the rate."""

from __future__ import annotations

from typing import Any

import lightning
import torch

from covidx.models.learning import PatchLearning

__all__ = ["one_cycle"]

WARM_UP = 0.15
"""Share of the cycle in which the rate rises."""
FEWEST_STEPS = 10


def one_cycle(learner: lightning.LightningModule, how: PatchLearning) -> Any:
    """AdamW over one cycle, as Lightning wants it."""
    optimizer = torch.optim.AdamW(learner.parameters(), lr=how.rate, weight_decay=how.weight_decay)
    # OneCycleLR divides by 0 where its warm-up is one step long, as with a tiny cohort.
    steps = max(int(learner.trainer.estimated_stepping_batches), FEWEST_STEPS)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=how.rate, total_steps=steps, pct_start=WARM_UP
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}

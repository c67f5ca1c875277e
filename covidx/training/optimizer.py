"""The optimizer of networks that learn from patches: one cycle of the rate."""

from __future__ import annotations

from typing import Any

import lightning
import torch

from covidx.models.learning import PatchLearning

WARM_UP = 0.15
"""Share of the cycle in which the rate rises."""
FEWEST_STEPS = 10


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

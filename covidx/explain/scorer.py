"""What an explanation asks of a network: the log-odds of one class, slice by slice."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from covidx.inference.predictor import device_of
from covidx.models import BagModel

BATCH = 16
"""Pictures that are scored at once: on a CPU 64 take two thirds longer each, out of its cache."""


class SliceScorer(nn.Module):
    """Single slices to logits, as an attribution method needs it.

    Parameters
    ----------
    model : BagModel
        One network or an ensemble, in evaluation mode. Its weights take no gradients from here on:
        those of slices and activations alone are needed, at half the cost.
    positive : int
        Number of the class whose evidence is looked for.
    """

    def __init__(self, model: BagModel, positive: int) -> None:
        super().__init__()
        self.model = model.requires_grad_(False)
        self.positive = positive

    def forward(self, slices: Tensor) -> Tensor:
        """Logits of `slices`, (n, 1, rows, columns) in 0..1 -> (n, classes)."""
        placed = slices.to(device_of(self.model))
        return self.model.plain_logits(placed.contiguous(memory_format=torch.channels_last))

    def odds_of(self, logits: Tensor) -> Tensor:
        """Log-odds of the class against all others, of `logits`, (..., classes) -> (...)."""
        here = self.positive
        others = torch.cat([logits[..., :here], logits[..., here + 1 :]], dim=-1)
        return logits[..., here] - torch.logsumexp(others, dim=-1)

    @torch.inference_mode()
    def log_odds(self, slices: Tensor) -> Tensor:
        """Log-odds of each of `slices`, (n, 1, rows, columns) -> (n,), without gradients."""
        parts = [slices[first : first + BATCH] for first in range(0, len(slices), BATCH)]
        return torch.cat([self.odds_of(self(part)) for part in parts]).cpu()

"""The joint network of Mei et al., and a gated one of the same inputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from covidx.fusion.recipe import JointLearning

__all__ = ["FusionNetwork", "GatedHead", "JointHead"]


FAR = 5.0
"""Standard deviations beyond which a value tells no more. Modelling choice."""


class JointHead(nn.Sequential):
    """Two hidden layers on both arms at once (Mei et al., Nat Med 2020;26:1224)."""

    def __init__(self, image: int, clinic: int, hidden: int) -> None:
        super().__init__(
            nn.Linear(image + clinic, hidden, bias=False),
            nn.ReLU(),
            nn.BatchNorm1d(hidden),
            nn.Linear(hidden, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )
        self.split = [image, clinic]


class GatedHead(nn.Module):
    """Each arm by itself, then a gate that weighs them (Arevalo et al., arXiv:1702.01992)."""

    def __init__(self, image: int, clinic: int, hidden: int) -> None:
        super().__init__()
        self.split = [image, clinic]
        self.image, self.clinic = nn.Linear(image, hidden), nn.Linear(clinic, hidden)
        self.gate, self.out = nn.Linear(image + clinic, hidden), nn.Linear(hidden, 1)

    def forward(self, both: Tensor) -> Tensor:
        """Both arms beside each other, shape (n, image + clinic) -> (n, 1)."""
        image, clinic = both.tensor_split(self.split[:1], dim=1)
        gate = self.gate(both).sigmoid()
        mixed = gate * self.image(image).tanh() + (1 - gate) * self.clinic(clinic).tanh()
        logits: Tensor = self.out(mixed)
        return logits


HEADS = {"joint": JointHead, "gated": GatedHead}


class FusionNetwork(nn.Module):
    """Image features and clinical values to the log odds of the positive class.

    An arm that is absent is 0 in every normalised input, the mean of training, and a flag says so.

    Parameters
    ----------
    kind : {"joint", "gated"}
    how : JointLearning
    features : int
        P1's; other than `how.width` of them pass a layer.
    medians : Tensor, shape (columns,)
        Of the training rows: what an unknown value becomes.
    gaps : Tensor of bool, shape (columns,)
        Columns with unknown values in the training rows: these get an indicator.
    """

    medians: Tensor
    gaps: Tensor

    def __init__(
        self, kind: str, how: JointLearning, features: int, medians: Tensor, gaps: Tensor
    ) -> None:
        super().__init__()
        self.how, columns = how, len(medians) + int(gaps.sum())
        self.register_buffer("medians", medians)
        self.register_buffer("gaps", gaps)
        self.layer = nn.Identity() if features == how.width else nn.Linear(features, how.width)
        self.normal_image = nn.BatchNorm1d(how.width)
        self.normal_clinic = nn.BatchNorm1d(columns)
        self.dropout = nn.Dropout(how.dropout)
        # One more input an arm: whether it is there.
        self.head = HEADS[kind](how.width + 1, columns + 1, how.hidden)

    def forward(self, features: Tensor, values: Tensor, there: Tensor) -> Tensor:
        """Log odds, shape (n,).

        Parameters
        ----------
        features : Tensor, shape (n, features)
            Finite, also where the image is absent.
        values : Tensor, shape (n, columns)
            NaN is unknown.
        there : Tensor, shape (n, 2)
            1 where the image, the clinical row is there, else 0.
        """
        unknown = values.isnan()
        filled = torch.where(unknown, self.medians, values)
        image = self.normal_image(self.dropout(self.layer(features)))
        told = unknown[:, self.gaps].to(filled.dtype)
        clinic = self.normal_clinic(torch.cat([filled, told], dim=1)).clamp(-FAR, FAR)
        if self.training:
            clinic = clinic + self.how.noise * torch.randn_like(clinic)
        has_image, has_clinic = there.tensor_split(2, dim=1)
        parts = [image * has_image, has_image, clinic * has_clinic, has_clinic]
        logits: Tensor = self.head(torch.cat(parts, dim=1))
        return logits[:, 0]

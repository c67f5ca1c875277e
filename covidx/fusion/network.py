"""The joint network of Mei et al., and a gated one of the same inputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from covidx.fusion.recipe import JointLearning

FAR = 5.0
"""Standard deviations at which a value is clipped. Modelling choice."""


class JointHead(nn.Sequential):
    """Two hidden layers on both arms at once (Mei et al., Nat Med 2020;26:1224)."""

    def __init__(self, image: int, clinical: int, hidden: int) -> None:
        super().__init__(
            nn.Linear(image + clinical, hidden, bias=False),
            nn.ReLU(),
            nn.BatchNorm1d(hidden),
            nn.Linear(hidden, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )
        self.split = [image, clinical]


class GatedHead(nn.Module):
    """Each arm by itself, then a gate that weighs them (Arevalo et al., arXiv:1702.01992)."""

    def __init__(self, image: int, clinical: int, hidden: int) -> None:
        super().__init__()
        self.split = [image, clinical]
        self.image, self.clinic = nn.Linear(image, hidden), nn.Linear(clinical, hidden)
        self.gate, self.out = nn.Linear(image + clinical, hidden), nn.Linear(hidden, 1)

    def forward(self, both: Tensor) -> Tensor:
        """Log odds (n, 1) of `both` arms beside each other, (n, image + clinical)."""
        image, clinical = both.tensor_split(self.split[:1], dim=1)
        gate = self.gate(both).sigmoid()
        mixed = gate * self.image(image).tanh() + (1 - gate) * self.clinic(clinical).tanh()
        logits: Tensor = self.out(mixed)
        return logits


HEADS = {"joint": JointHead, "gated": GatedHead}


class FusionNetwork(nn.Module):
    """Image features and clinical values to the log odds of the positive class.

    An arm that is absent is 0 in every normalised input, the mean of training, and has a flag.

    Parameters
    ----------
    kind : {"joint", "gated"}
        Head of the network.
    learning : JointLearning
        Widths, noise and dropout.
    features : int
        How many one network of P1 has; other than `learning.width` of them pass a layer.
    medians : Tensor, shape (columns,)
        Of the training rows: what an unknown value becomes.
    gaps : Tensor of bool, shape (columns,)
        Columns with unknown values in the training rows: these get an indicator.
    """

    medians: Tensor
    gaps: Tensor

    def __init__(
        self, kind: str, learning: JointLearning, features: int, medians: Tensor, gaps: Tensor
    ) -> None:
        super().__init__()
        self.learning, self.features = learning, features
        columns = len(medians) + int(gaps.sum())
        self.register_buffer("medians", medians)
        self.register_buffer("gaps", gaps)
        self.layer = (
            nn.Identity() if features == learning.width else nn.Linear(features, learning.width)
        )
        self.normal_image = nn.BatchNorm1d(learning.width)
        self.normal_clinic = nn.BatchNorm1d(columns)
        self.dropout = nn.Dropout(learning.dropout)
        # One more input an arm: whether it is available.
        self.head = HEADS[kind](learning.width + 1, columns + 1, learning.hidden)

    def forward(self, features: Tensor, values: Tensor, there: Tensor) -> Tensor:
        """Log odds, shape (n,).

        Parameters
        ----------
        features : Tensor, shape (n, features)
            Finite, also where the image is absent.
        values : Tensor, shape (n, columns)
            NaN is unknown.
        there : Tensor, shape (n, 2)
            1 where the image, or the clinical row, is available, else 0.
        """
        unknown = values.isnan()
        filled = torch.where(unknown, self.medians, values)
        image = self.normal_image(self.dropout(self.layer(features)))
        indicators = unknown[:, self.gaps].to(filled.dtype)
        clinical = self.normal_clinic(torch.cat([filled, indicators], dim=1)).clamp(-FAR, FAR)
        if self.training:
            clinical = clinical + self.learning.noise * torch.randn_like(clinical)
        has_image, has_clinical = there.tensor_split(2, dim=1)
        parts = [image * has_image, has_image, clinical * has_clinical, has_clinical]
        logits: Tensor = self.head(torch.cat(parts, dim=1))
        return logits[:, 0]

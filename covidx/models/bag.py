"""A bag of slices scored by its most abnormal ones, learnt from patient labels alone."""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from covidx.config import Config
from covidx.models.backbones import make_backbone

GREY_MEAN, GREY_STD = 0.5, 0.5
"""Of the ImageNet weights' input scale, for greys from 0 to 1 (timm's config of lite0)."""


class Architecture(Config):
    """What a bundle needs to build its network again."""

    backbone: str = "tf_efficientnet_lite0"
    top_k: int = Field(4, ge=1, description="slices that decide")
    dropout: float = Field(0.2, ge=0, lt=1)


class BagOutput(NamedTuple):
    """Scores of a batch of bags.

    Parameters
    ----------
    logits : Tensor, shape (bags, classes)
        Means over the slices that decide.
    slice_logits : Tensor, shape (slices of all bags, classes)
        Of each slice by itself.
    weights : Tensor, shape (slices of all bags,)
        Share of each slice in its bag's logits; they sum to 1 a bag.
    """

    logits: Tensor
    slice_logits: Tensor
    weights: Tensor


def pool_most_abnormal(slice_logits: Tensor, sizes: list[int], top_k: int) -> tuple[Tensor, Tensor]:
    """Mean logits of each bag's `top_k` most abnormal slices.

    A slice is the more abnormal, the higher the odds of any class but the first (the reference:
    no finding). A bag smaller than `top_k` uses all its slices; a bag of one is its slice.

    Parameters
    ----------
    slice_logits : Tensor, shape (slices of all bags, classes)
        Of each slice by itself.
    sizes : list of int
        Slices a bag, in order.
    top_k : int
        Slices of a bag that decide.

    Returns
    -------
    logits : Tensor, shape (bags, classes)
    weights : Tensor, shape (slices of all bags,)
        Share of each slice in its bag's logits.
    """
    abnormality = torch.logsumexp(slice_logits[:, 1:], dim=1) - slice_logits[:, 0]
    weights = torch.zeros_like(abnormality)
    pooled = []
    for first, size in zip(torch.tensor([0, *sizes]).cumsum(0).tolist(), sizes, strict=False):
        chosen = first + torch.topk(abnormality[first : first + size], min(top_k, size)).indices
        pooled.append(slice_logits[chosen].mean(dim=0))
        weights[chosen] = 1.0 / len(chosen)
    return torch.stack(pooled), weights


class BagClassifier(nn.Module):
    """Backbone on each slice, a linear head, pooling over the most abnormal slices.

    Parameters
    ----------
    architecture : Architecture
        What is built.
    n_classes : int
        The first class is the reference.
    pretrained : bool
        Start from ImageNet; a bundle's weights make that needless.
    """

    def __init__(self, architecture: Architecture, n_classes: int, *, pretrained: bool) -> None:
        super().__init__()
        self.architecture = architecture
        self.backbone = make_backbone(architecture.backbone, pretrained=pretrained)
        self.dropout = nn.Dropout(architecture.dropout)
        self.head = nn.Linear(int(self.backbone.num_features), n_classes)  # type: ignore[arg-type]

    def slice_features(self, slices: Tensor) -> Tensor:
        """Features of single `slices`, (n, 1, rows, columns) in 0..1 -> (n, features)."""
        features: Tensor = self.backbone((slices - GREY_MEAN) / GREY_STD)
        return features

    def slice_logits(self, slices: Tensor) -> Tensor:
        """Logits of single `slices`, (n, 1, rows, columns) in 0..1 -> (n, classes)."""
        logits: Tensor = self.head(self.dropout(self.slice_features(slices)))
        return logits

    def with_features(self, slices: Tensor, sizes: list[int]) -> tuple[BagOutput, Tensor]:
        """As `forward` of `slices` and `sizes`, and each bag's features, (bags, features).

        They are the mean over the slices that decided.
        """
        features = self.slice_features(slices)
        slice_logits = self.head(self.dropout(features))
        logits, weights = pool_most_abnormal(slice_logits, sizes, self.architecture.top_k)
        ends = list(accumulate(sizes))[:-1]
        weighted = (weights[:, None] * features).tensor_split(ends)
        bags = torch.stack([bag.sum(dim=0) for bag in weighted])
        return BagOutput(logits, slice_logits, weights), bags

    def forward(self, slices: Tensor, sizes: list[int]) -> BagOutput:
        """Score bags whose slices follow each other.

        Parameters
        ----------
        slices : Tensor, shape (slices of all bags, 1, rows, columns)
            Greys, 0..1.
        sizes : list of int
            Slices a bag, in order.
        """
        return self.with_features(slices, sizes)[0]

"""A bag of slices scored by its most abnormal ones, learnt from patient labels alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Self, cast

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
    members: int = Field(1, ge=1, description="networks whose mean logits are the score")
    mirror: bool = Field(False, description="score the mean of each slice and its mirror image")


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
    member_logits : Tensor, shape (members, bags, classes)
        The logits of each network of an ensemble.
    """

    logits: Tensor
    slice_logits: Tensor
    weights: Tensor
    member_logits: Tensor


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
        self._frozen: tuple[nn.Module, ...] = ()

    @property
    def backbones(self) -> list[nn.Module]:
        """The one backbone; an ensemble has several."""
        return [self.backbone]

    @property
    def width(self) -> int:
        """How many features an image has."""
        return self.head.in_features

    def freeze(self, reduction: int) -> None:
        """Keep the first layers of the backbone, and their batch statistics, as they are.

        Parameters
        ----------
        reduction : int
            Those up to the last one of which an activation stands for at most as many pixels; 0
            keeps none.
        """
        layers = feature_layers(self.backbone, reduction)
        if not layers:
            return
        parts = list(self.backbone.named_modules())[1:]  # in the order of the forward pass
        last = f"{layers[-1]['module']}."
        end = max(place for place, (name, _) in enumerate(parts, 1) if f"{name}.".startswith(last))
        self._frozen = tuple(part for _, part in parts[:end])
        for part in self._frozen:
            for weights in part.parameters(recurse=False):
                weights.requires_grad_(False)
        self.train(self.training)  # Lightning keeps the modes that it finds

    def train(self, mode: bool = True) -> Self:
        """Set training `mode` for all layers but those that are frozen."""
        super().train(mode)
        for part in self._frozen:
            part.training = False  # not eval(), which would reach later layers of a container
        return self

    def slice_features(self, slices: Tensor) -> Tensor:
        """Features of single `slices`, (n, 1, rows, columns) in 0..1 -> (n, features).

        In use they are, where the architecture says so, the mean of a slice's and of its mirror's.
        """
        features: Tensor = self.backbone((slices - GREY_MEAN) / GREY_STD)
        if self.architecture.mirror and not self.training:
            features = (features + self.backbone((slices.flip(-1) - GREY_MEAN) / GREY_STD)) / 2
        return features

    def plain_logits(self, slices: Tensor) -> Tensor:
        """Logits of single `slices` alone, (n, classes), never of their mirror: for heatmaps."""
        logits: Tensor = self.head(self.backbone((slices - GREY_MEAN) / GREY_STD))
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
        return BagOutput(logits, slice_logits, weights, logits[None]), bags

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


class BagEnsemble(nn.Module):
    """Networks of one architecture whose mean logits are the score.

    Parameters
    ----------
    members : sequence of BagClassifier
        Each trained without one fold of the training patients.
    """

    def __init__(self, members: Sequence[BagClassifier]) -> None:
        super().__init__()
        self.architecture = members[0].architecture
        self._members = nn.ModuleList(members)

    @property
    def members(self) -> list[BagClassifier]:
        """The networks, in the order of the folds that they did not learn from."""
        return [cast(BagClassifier, member) for member in self._members]

    @property
    def backbones(self) -> list[nn.Module]:
        """That of each member."""
        return [member.backbone for member in self.members]

    @property
    def width(self) -> int:
        """How many features an image has: those of all members."""
        return sum(member.width for member in self.members)

    def plain_logits(self, slices: Tensor) -> Tensor:
        """As `BagClassifier.plain_logits` of `slices`, the mean over members."""
        return torch.stack([member.plain_logits(slices) for member in self.members]).mean(dim=0)

    def with_features(self, slices: Tensor, sizes: list[int]) -> tuple[BagOutput, Tensor]:
        """As `BagClassifier.with_features` of `slices` and `sizes`; features side by side."""
        outputs, features = zip(
            *(member.with_features(slices, sizes) for member in self.members),
            strict=True,
        )
        logits, slice_logits, weights = (
            torch.stack([getattr(one, name) for one in outputs])
            for name in ("logits", "slice_logits", "weights")
        )
        mean = BagOutput(logits.mean(dim=0), slice_logits.mean(dim=0), weights.mean(dim=0), logits)
        return mean, torch.cat(features, dim=1)

    def forward(self, slices: Tensor, sizes: list[int]) -> BagOutput:
        """As `BagClassifier.forward` of `slices` and `sizes`, the mean over members."""
        return self.with_features(slices, sizes)[0]


BagModel = BagClassifier | BagEnsemble


def make_classifier(architecture: Architecture, n_classes: int) -> BagModel:
    """The network that a bundle describes, whose weights are still to be read.

    Parameters
    ----------
    architecture : Architecture
        Of the network, or of each member of the ensemble.
    n_classes : int
        The first class is the reference.
    """
    networks = [
        BagClassifier(architecture, n_classes, pretrained=False)
        for _ in range(architecture.members)
    ]
    return networks[0] if len(networks) == 1 else BagEnsemble(networks)


def feature_layers(backbone: nn.Module, reduction: int) -> list[dict[str, Any]]:
    """The entries of timm's ``feature_info`` up to a reduction, the finest first.

    Parameters
    ----------
    backbone : Module
        Of `make_backbone`.
    reduction : int
        Pixels that an activation stands for, at most.
    """
    info: Any = backbone.feature_info
    entries = info.info if hasattr(info, "info") else info
    return [one for one in entries if one["reduction"] <= reduction]

"""The bundle of a segmenter: a folder from which anyone can segment as this run did."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from covidx.config import Config
from covidx.imaging.frames import Framing, RadiographFraming
from covidx.imaging.pairs import Groups
from covidx.inference.network_bundle import NetworkBundle, read_network, write_network
from covidx.models.segmenters import SegmenterShape, channels_last, make_segmenter

__all__ = [
    "SegmentRecipe",
    "SegmentationBundle",
    "build_network",
    "by_question",
    "load_segmentation_bundle",
    "save_segmentation_bundle",
    "shares_of",
]


class SegmentRecipe(Config):
    """What a segmenter is, and how an image reaches it."""

    framing: Framing
    network: SegmenterShape
    patch: tuple[int, ...]
    mirrored: bool = Field(description="the mean of an image's answer and of its mirror's is taken")

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Of the working grid; pixels of a radiograph count as 1 mm."""
        if isinstance(self.framing, RadiographFraming):
            return (1.0, 1.0)
        plane = (self.framing.pixel_mm, self.framing.pixel_mm)
        return plane if self.network.dimensions == 2 else (self.framing.slab_mm, *plane)


class SegmentationBundle(NetworkBundle):
    """``bundle.json`` of a segmenter."""

    kind: Literal["segmentation"] = "segmentation"
    recipe: SegmentRecipe
    groups: Groups = Field(description="question -> classes in the order of the logits")


def build_network(recipe: SegmentRecipe, groups: Groups) -> nn.Module:
    """The network of a recipe, its weights drawn from torch's generator."""
    outputs = sum(len(names) for names in groups.values())
    return make_segmenter(recipe.network, outputs, recipe.patch, recipe.spacing_mm)


def save_segmentation_bundle(
    folder: Path, bundle: SegmentationBundle, model: nn.Module, expected: NDArray[np.float32]
) -> SegmentationBundle:
    """Write a bundle as `write_network` does.

    `expected`: the mean class shares of the made-up patches, (cases, classes of all questions).
    """
    return write_network(folder, bundle, model, {"shares": expected})


def load_segmentation_bundle(
    folder: Path,
) -> tuple[SegmentationBundle, nn.Module, NDArray[np.float32]]:
    """Read a bundle as `read_network` does: what it is, its network, its parity answers."""
    bundle, model, expected = read_network(
        folder, SegmentationBundle, lambda one: build_network(one.recipe, one.groups)
    )
    ready = channels_last(model, bundle.recipe.network.dimensions)
    return bundle, ready, expected["shares"]


def shares_of(logits: torch.Tensor, groups: Groups) -> torch.Tensor:
    """Class shares: a softmax over the classes of each question."""
    return torch.cat([part.softmax(dim=1) for part in by_question(logits, groups)], dim=1)


def by_question(answers: torch.Tensor, groups: Groups, dim: int = 1) -> tuple[torch.Tensor, ...]:
    """The classes of each question, from those of all."""
    return torch.split(answers, [len(names) for names in groups.values()], dim)

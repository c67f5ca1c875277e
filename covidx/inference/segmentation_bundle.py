"""The bundle of a segmenter: a folder from which anyone can segment as this run did."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from covidx.config import Config
from covidx.imaging.frames import Framing, RadiographFraming
from covidx.imaging.pairs import Groups
from covidx.inference.network_bundle import NetworkBundle
from covidx.models.learning import SegmentationLearning
from covidx.models.segmenters import SegmenterShape, make_segmenter


class SegmentationRecipe(Config):
    """How images reach the working grid, what the network is, and how it learns."""

    framing: Framing
    network: SegmenterShape
    learning: SegmentationLearning | None = Field(
        None, description="None in a bundle that was upgraded from one that did not record it"
    )
    patch: tuple[int, ...] = Field(description="as in learning: pixels of a training patch")
    mirrored: bool = Field(description="the mean of an image's answer and of its mirror's is taken")
    tolerance: float | None = Field(
        None, ge=0, description="of the NSD: mm, or pixels of a radiograph; None as for learning"
    )

    @model_validator(mode="before")
    @classmethod
    def _patch_of_learning(cls, values: Any) -> Any:
        return with_patch(values)

    @model_validator(mode="after")
    def _fits(self) -> SegmentationRecipe:
        dimensions = self.network.dimensions
        if self.learning is not None and self.learning.patch != self.patch:
            raise ValueError("patch must be that of learning")
        if len(self.patch) != dimensions:
            raise ValueError(f"a {dimensions}D network needs a patch of {dimensions} edges")
        if any(edge % self.network.multiple for edge in self.patch):
            raise ValueError(f"edges of the patch must be multiples of {self.network.multiple}")
        if self.framing.input == "radiograph" and dimensions != 2:
            raise ValueError("a radiograph has two dimensions")
        return self

    @property
    def dimensions(self) -> int:
        """Of the network."""
        return self.network.dimensions

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Of the working grid; pixels of a radiograph count as 1 mm."""
        if isinstance(self.framing, RadiographFraming):
            return (1.0, 1.0)
        plane = (self.framing.pixel_mm, self.framing.pixel_mm)
        return plane if self.network.dimensions == 2 else (self.framing.slab_mm, *plane)


class SegmentationBundle(NetworkBundle):
    """``bundle.json`` of a segmenter."""

    schema_version: int = 2
    kind: Literal["segmentation"] = "segmentation"
    recipe: SegmentationRecipe
    groups: Groups = Field(description="structure -> classes in the order of the logits")


def with_patch(values: Any) -> Any:
    """The values of a recipe, with the patch of its learning where it names none itself.

    Parameters
    ----------
    values : dict or other
        As pydantic has them before it validates.
    """
    if isinstance(values, dict) and "patch" not in values and values.get("learning") is not None:
        learning = values["learning"]
        patch = learning.get("patch") if isinstance(learning, dict) else learning.patch
        return {**values, "patch": patch}
    return values


def build_network(recipe: SegmentationRecipe, groups: Groups) -> nn.Module:
    """The network of a recipe, its weights drawn from torch's generator.

    Parameters
    ----------
    recipe : SegmentationRecipe
        Gives the architecture, the edges of a patch, and the spacing of the working grid.
    groups : Groups
        Structure -> classes.
    """
    outputs = sum(len(names) for names in groups.values())
    return make_segmenter(recipe.network, outputs, recipe.patch, recipe.spacing_mm)


def probabilities_of(logits: torch.Tensor, groups: Groups) -> torch.Tensor:
    """Class probabilities: a softmax over the classes of each structure.

    Parameters
    ----------
    logits : Tensor, shape (n, classes of all structures, *edges)
        Classes in the order of `groups`; edges are rows and columns, in 3D after slices.
    groups : Groups
        Structure -> classes: those of one structure exclude each other.
    """
    return torch.cat([part.softmax(dim=1) for part in split_groups(logits, groups)], dim=1)


def split_groups(values: torch.Tensor, groups: Groups, dim: int = 1) -> tuple[torch.Tensor, ...]:
    """The classes of each structure, from those of all.

    Parameters
    ----------
    values : Tensor
        All classes along `dim`.
    groups : Groups
        Structure -> classes, in the order in which they lie along `dim`.
    dim : int
        Axis of the classes: 1 of a batch, 0 of a single image.
    """
    return torch.split(values, [len(names) for names in groups.values()], dim)

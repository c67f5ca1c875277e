"""Random changes to an image and its labels together."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from covidx.config import Config
from covidx.imaging.augment_bags import affine
from covidx.imaging.pairs import Groups

SIDES = {"right-lung": "left-lung", "left-lung": "right-lung"}
"""Class -> the class that it becomes in a mirror, where that is another."""


class PairAugmentation(Config):
    """Strengths of the random changes; all slices of a patch change alike."""

    mirror: bool = Field(True, description="in half of the patches; right and left are swapped")
    rotation_deg: float = Field(12.0, ge=0)
    scale: float = Field(0.2, ge=0, lt=1)
    shift: float = Field(0.1, ge=0, lt=1, description="share of the patch")
    brightness: float = Field(0.1, ge=0, description="of the grey range")
    contrast: float = Field(0.25, ge=0, lt=1)
    noise: float = Field(0.03, ge=0, description="at most, of the grey range")


def augment_pair(
    image: Tensor,
    labels: Tensor,
    strengths: PairAugmentation,
    swaps: list[Tensor],
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Change one patch at random.

    Parameters
    ----------
    image : Tensor, shape (slices, rows, columns)
        Greys, 0..1.
    labels : Tensor of int, shape (label maps, slices, rows, columns)
        Class numbers.
    strengths : PairAugmentation
        Of the random changes.
    swaps : list of Tensor
        Of each label map, the class that each class becomes in a mirror, as `swaps_of`.
    generator : torch.Generator
        The only source of chance.

    Returns
    -------
    image, labels : Tensor
        Of the same shapes.
    """
    draw = torch.rand(8, generator=generator) * 2 - 1
    mirrored = strengths.mirror and float(draw[2]) > 0
    rows, columns = image.shape[-2:]
    angle = math.radians(strengths.rotation_deg) * float(draw[0])
    zoom = math.exp(math.log1p(strengths.scale) * float(draw[1]))
    shift = strengths.shift * float(draw[3]), strengths.shift * float(draw[4])
    matrix = affine(angle, zoom, -1.0 if mirrored else 1.0, shift, rows / columns)
    grid = functional.affine_grid(matrix[None], [1, 1, rows, columns], align_corners=False)
    moved = functional.grid_sample(image[None], grid, align_corners=False)[0]
    flat = labels.reshape(1, -1, rows, columns).float()
    near = functional.grid_sample(flat, grid, mode="nearest", align_corners=False)
    moved_labels = near.round().long().reshape(labels.shape)
    if mirrored:
        moved_labels = mirror_labels(moved_labels, swaps)
    gain = 1 + strengths.contrast * float(draw[5])
    moved = (moved - 0.5) * gain + 0.5 + strengths.brightness * float(draw[6])
    grain = strengths.noise * max(float(draw[7]), 0.0)  # in half of the patches none
    moved = moved + grain * torch.randn(moved.shape, generator=generator)
    return moved.clamp(0, 1), moved_labels


def mirror_labels(labels: Tensor, swaps: list[Tensor]) -> Tensor:
    """Swap the classes of `labels`, (label maps, ...), by the `swaps` of each map."""
    return torch.stack([swap[label] for swap, label in zip(swaps, labels, strict=True)])


def fit_patch(array: Tensor, start: tuple[int, ...], patch: tuple[int, ...]) -> Tensor:
    """Cut a patch out of the last axes, 0 where it reaches beyond.

    Parameters
    ----------
    array : Tensor, shape (..., *edges)
        What is cut.
    start : tuple of int
        First index on each axis; may be negative.
    patch : tuple of int
        Edges of what is cut out.
    """
    pads: list[int] = []
    for axis, (first, size) in enumerate(zip(start, patch, strict=True)):
        dimension = array.ndim - len(patch) + axis
        low, high = max(first, 0), min(first + size, array.shape[dimension])
        array = array.narrow(dimension, low, max(high - low, 0))
        pads = [low - first, size - (low - first) - array.shape[dimension], *pads]
    return functional.pad(array, pads)


def swaps_of(groups: Groups) -> list[Tensor]:
    """Of each label map of `groups`, the number that each class has in a mirror."""
    return [
        torch.tensor([names.index(SIDES.get(name, name)) for name in names])
        for names in groups.values()
    ]

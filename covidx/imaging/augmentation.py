"""Random changes to a bag that leave its label true.

None is in every training image and in no other. Noise was, and batch normalisation learnt it, so
that clean images were scored by statistics of noisy ones.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from covidx.config import Config

__all__ = ["Augmentation", "augment"]


class Augmentation(Config):
    """Strengths of the random changes; all slices of a bag change alike."""

    flip: bool = Field(True, description="mirror left and right in half of the bags")
    rotation_deg: float = Field(8.0, ge=0)
    scale: float = Field(0.1, ge=0, lt=1)
    shift: float = Field(0.06, ge=0, lt=1, description="share of the picture")
    brightness: float = Field(0.06, ge=0, description="of the grey range")
    contrast: float = Field(0.15, ge=0, lt=1)


def augment(slices: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Change one bag at random.

    Parameters
    ----------
    slices : Tensor, shape (n, 1, rows, columns), 0..1
    how : Augmentation
    generator : torch.Generator
        The only source of chance, so that a resumed training draws the same.

    Returns
    -------
    Tensor
        Of the same shape, 0..1.
    """
    draw = torch.rand(7, generator=generator) * 2 - 1
    angle = math.radians(how.rotation_deg) * float(draw[0])
    zoom = 1 + how.scale * float(draw[1])
    mirror = -1.0 if how.flip and float(draw[2]) > 0 else 1.0
    rows, columns = slices.shape[-2:]
    ratio = rows / columns  # grid coordinates run from -1 to 1 on both axes
    cos, sin = math.cos(angle) * zoom, math.sin(angle) * zoom
    matrix = torch.tensor(
        [
            [mirror * cos, -sin * ratio, how.shift * float(draw[3])],
            [mirror * sin / ratio, cos, how.shift * float(draw[4])],
        ]
    )
    grid = functional.affine_grid(
        matrix.expand(len(slices), 2, 3), list(slices.shape), align_corners=False
    )
    moved = functional.grid_sample(slices, grid, padding_mode="border", align_corners=False)
    gain = 1 + how.contrast * float(draw[5])
    moved = (moved - 0.5) * gain + 0.5 + how.brightness * float(draw[6])
    return moved.clamp(0, 1)

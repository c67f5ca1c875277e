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


class Augmentation(Config):
    """Strengths of the random changes; all slices of a bag change alike."""

    flip: bool = Field(True, description="mirror left and right in half of the bags")
    rotation_deg: float = Field(8.0, ge=0)
    scale: float = Field(0.1, ge=0, lt=1)
    shift: float = Field(0.06, ge=0, lt=1, description="share of the picture")
    crop: float = Field(0.0, ge=0, lt=1, description="share of the area that may be cut off")
    brightness: float = Field(0.06, ge=0, description="of the grey range")
    contrast: float = Field(0.15, ge=0, lt=1)


def augment(slices: Tensor, strengths: Augmentation, generator: torch.Generator) -> Tensor:
    """Change one bag at random.

    Parameters
    ----------
    slices : Tensor, shape (n, 1, rows, columns)
        Greys, 0..1.
    strengths : Augmentation
        Of the random changes.
    generator : torch.Generator
        The only source of chance, so that a resumed training draws the same.

    Returns
    -------
    Tensor
        Of the same shape, 0..1.
    """
    draw = torch.rand(7, generator=generator) * 2 - 1
    angle = math.radians(strengths.rotation_deg) * float(draw[0])
    zoom = 1 + strengths.scale * float(draw[1])
    mirror = -1.0 if strengths.flip and float(draw[2]) > 0 else 1.0
    rows, columns = slices.shape[-2:]
    shift = strengths.shift * float(draw[3]), strengths.shift * float(draw[4])
    if strengths.crop:  # a part of the picture, from anywhere in it (Szegedy, arXiv:1409.4842)
        area, across, down = torch.rand(3, generator=generator).tolist()
        edge = math.sqrt(1 - strengths.crop * area)
        zoom *= edge
        room = 1 - edge
        shift = shift[0] + room * (2 * across - 1), shift[1] + room * (2 * down - 1)
    matrix = affine(angle, zoom, mirror, shift, rows / columns)
    grid = functional.affine_grid(
        matrix.expand(len(slices), 2, 3), list(slices.shape), align_corners=False
    )
    moved = functional.grid_sample(slices, grid, padding_mode="border", align_corners=False)
    gain = 1 + strengths.contrast * float(draw[5])
    moved = (moved - 0.5) * gain + 0.5 + strengths.brightness * float(draw[6])
    return moved.clamp(0, 1)


def affine(
    angle: float, zoom: float, mirror: float, shift: tuple[float, float], ratio: float
) -> Tensor:
    """Make the matrix of `torch.nn.functional.affine_grid`, whose axes run from -1 to 1.

    Parameters
    ----------
    angle : float
        Radians.
    zoom : float
        Factor; above 1 more than the picture is shown.
    mirror : float
        -1 swaps left and right, 1 does not.
    shift : tuple of float
        Across and down, in halves of the picture.
    ratio : float
        Rows over columns.

    Returns
    -------
    Tensor, shape (2, 3)
    """
    cos, sin = math.cos(angle) * zoom, math.sin(angle) * zoom
    return torch.tensor(
        [[mirror * cos, -sin * ratio, shift[0]], [mirror * sin / ratio, cos, shift[1]]]
    )

"""Networks that segment: FCN by torchvision, U-Net and DynUNet by MONAI."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.unet import UNet
from pydantic import Field, model_validator
from torch import Tensor, nn
from torchvision.models.segmentation import fcn_resnet50

from covidx.config import Config

SMALLEST_EDGE = 4
"""Voxels below which an axis is halved no further, as in nnU-Net (Isensee et al., Nat Methods
2021;18:203)."""


class FCNShape(Config):
    """A fully convolutional network on a ResNet-50, 2D; about 33 million weights, slow on a CPU."""

    network: Literal["fcn"]

    @property
    def dimensions(self) -> int:
        """Dimensions of its input."""
        return 2

    @property
    def multiple(self) -> int:
        """Pixels of which each edge of an input must be a multiple."""
        return 8


class _Pyramid(Config):
    dimensions: Literal[2, 3]
    channels: tuple[int, ...] = Field(description="features at each level, the finest first")

    @model_validator(mode="after")
    def _levels(self) -> _Pyramid:
        if len(self.channels) < 2 or min(self.channels) < 1:
            raise ValueError("a pyramid has two levels or more, each with features")
        return self

    @property
    def multiple(self) -> int:
        """Pixels of which each edge of an input must be a multiple."""
        return int(2 ** (len(self.channels) - 1))


class UNetShape(_Pyramid):
    """A U-Net; with residual units as by Kerfoot et al., which cost time and train faster."""

    network: Literal["unet"]
    residual_units: int = Field(2, ge=0)


class DynUNetShape(_Pyramid):
    """nnU-Net's network, its kernels and strides by nnU-Net's rules from patch and spacing."""

    network: Literal["dynunet"]


SegmenterShape = Annotated[FCNShape | UNetShape | DynUNetShape, Field(discriminator="network")]


class _Fcn(nn.Module):
    """torchvision's FCN for one grey channel, giving plain logits."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.net = fcn_resnet50(weights=None, weights_backbone=None, num_classes=outputs)
        self.net.backbone.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 1, rows, columns) -> (n, outputs, rows, columns)."""
        logits: Tensor = self.net(images)["out"]
        return logits


def make_segmenter(
    shape: FCNShape | UNetShape | DynUNetShape,
    outputs: int,
    patch: tuple[int, ...],
    spacing_mm: tuple[float, ...],
) -> nn.Module:
    """Build a network, its weights drawn from torch's generator.

    Parameters
    ----------
    shape : SegmenterShape
        What is built.
    outputs : int
        Logits a pixel.
    patch : tuple of int
        Pixels of a training patch, an axis each.
    spacing_mm : tuple of float
        mm between them; what DynUNet's kernels are planned by.

    Returns
    -------
    nn.Module
        (n, 1, *edges) -> (n, outputs, *edges); edges are multiples of ``shape.multiple``.
    """
    if isinstance(shape, FCNShape):
        return _Fcn(outputs)
    levels = len(shape.channels)
    if isinstance(shape, UNetShape):
        # Instance normalisation in 3D, where a batch holds too few patches for statistics.
        return UNet(
            spatial_dims=shape.dimensions,
            in_channels=1,
            out_channels=outputs,
            channels=shape.channels,
            strides=(2,) * (levels - 1),
            num_res_units=shape.residual_units,
            norm="batch" if shape.dimensions == 2 else "instance",
        )
    kernels, strides = plan(patch, spacing_mm, levels)
    return DynUNet(
        spatial_dims=shape.dimensions,
        in_channels=1,
        out_channels=outputs,
        kernel_size=kernels,
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=shape.channels,
        norm_name="instance",
    )


def plan(
    patch: tuple[int, ...], spacing_mm: tuple[float, ...], levels: int
) -> tuple[list[list[int]], list[list[int]]]:
    """Kernels and strides of each level by nnU-Net's rules.

    An axis whose spacing is more than twice the finest one is neither halved nor convolved across
    until the others have caught up; none is halved below `SMALLEST_EDGE`.

    Parameters
    ----------
    patch : tuple of int
        Pixels of a training patch, an axis each.
    spacing_mm : tuple of float
        mm between them.
    levels : int
        Of the network.

    Returns
    -------
    kernels, strides : list of list of int
        Of each level, an axis each.

    Examples
    --------
    >>> plan((16, 64, 64), (5.0, 2.0, 2.0), 4)
    ([[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]], [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2]])
    """
    edges, mm = list(patch), list(spacing_mm)
    kernels, strides = [], [[1] * len(patch)]
    for level in range(levels):
        fine = [spacing <= 2 * min(mm) for spacing in mm]
        kernels.append([3 if near else 1 for near in fine])
        if level == levels - 1:
            break
        halved = [
            near and edge >= 2 * SMALLEST_EDGE for near, edge in zip(fine, edges, strict=True)
        ]
        strides.append([2 if half else 1 for half in halved])
        edges = [edge // 2 if half else edge for edge, half in zip(edges, halved, strict=True)]
        mm = [2 * step if half else step for step, half in zip(mm, halved, strict=True)]
    return kernels, strides


def channels_last(network: nn.Module, dimensions: int) -> nn.Module:
    """Set the memory format of `network` in 2 `dimensions`; a CPU is several times faster in it."""
    return network.to(memory_format=torch.channels_last) if dimensions == 2 else network

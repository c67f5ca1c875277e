"""What a convolution costs, and what may stand in its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from covidx.models.layers import Layer


@dataclass(frozen=True)
class ConvolutionCost:
    """Multiply-adds of one convolution, and of what may stand in its place.

    Parameters
    ----------
    standard : int
        The convolution itself.
    separable : int
        A depthwise convolution, then one of 1 x 1 (Xception, MobileNet).
    stacked : int, optional
        3 x 3 convolutions in a row that see as much; None for even kernels.
    two_lines : int
        1 x k, then k x 1 (Inception v2 and v3).
    """

    standard: int
    separable: int
    stacked: int | None
    two_lines: int


def convolution_cost(places: int, kernel: int, inputs: int, outputs: int) -> ConvolutionCost:
    """Count the multiply-adds of a convolution and of cheaper ones.

    Parameters
    ----------
    places : int
        Rows times columns of the output.
    kernel : int
        Rows and columns of the filters.
    inputs, outputs : int
        Channels.

    Examples
    --------
    256 filters of 5 x 5 on 12 x 12 x 3 leave 8 x 8 places:

    >>> cost = convolution_cost(8 * 8, 5, 3, 256)
    >>> cost.standard, cost.separable, round(cost.standard / cost.separable, 1)
    (1228800, 53952, 22.8)
    """
    stacked = None
    if kernel % 2:
        many = max(1, (kernel - 1) // 2)
        side = min(kernel, 3) ** 2
        stacked = places * side * (inputs * outputs + (many - 1) * outputs * outputs)
    return ConvolutionCost(
        places * kernel**2 * inputs * outputs,
        _separable(places, kernel**2, inputs, outputs),
        stacked,
        places * kernel * (inputs * outputs + outputs * outputs),
    )


def _separable(places: int, window: int, inputs: int, outputs: int) -> int:
    """A filter of `window` pixels a channel, then every output from every channel."""
    return places * (window * inputs + inputs * outputs)


def separable_total(layers: Sequence[Layer]) -> int:
    """Multiply-adds of a network were its convolutions of more than 1 x 1 depthwise-separable.

    Parameters
    ----------
    layers : sequence of Layer
        As `describe_layers`.
    """
    total = 0
    for layer in layers:
        count = layer.multiply_adds
        if layer.kernel is not None and count and layer.groups == 1 and max(layer.kernel) > 1:
            places = math.prod(layer.output[1:])
            window = layer.kernel[0] * layer.kernel[1]
            count = _separable(places, window, layer.channels, layer.output[0])
        total += count
    return total

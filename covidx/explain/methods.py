"""The methods that make heatmaps, by name: class activation maps, occlusion, gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from covidx.errors import InvalidInputError
from covidx.explain.cam import CAMS, cam_maps
from covidx.explain.parts import (
    PATH_STEPS,
    integrated_gradients,
    occlusion_maps,
    path_contributions,
    smoothed,
)
from covidx.explain.scorer import SliceScorer

CAM_STAGE = 16
"""Pixels that an activation of the mapped stage stands for. Of the last stage (32), a lung crop of
a hundred pixels has three rows."""
LAYER_STAGES = (8, 16)
"""Stages that LayerCAM, made for fine stages, joins."""
DOUBLED = 2
"""How many times larger the network is given the slices for the fine member of ``combined``. Three
times as large, lesions no longer have the size that the network learnt, and it points elsewhere."""
ACROSS = 28
"""Steps of occlusion along the longer side: of 4 pixels of 112, about 10 mm of a pair of lungs."""
SQUARE = 3
"""Side of the hidden square, in steps."""
SMOOTHING = 3 / 112
"""Standard deviation, as a share of the longer side, of the blur of integrated gradients."""
FWHM = 2.355
"""Full width at half maximum of a Gaussian, in standard deviations."""

Shape = tuple[int, int]


@dataclass(frozen=True)
class Method:
    """One way to make a heatmap.

    Parameters
    ----------
    name : str
        In `METHODS`.
    maps : callable
        Called with a `SliceScorer`, slices and their `backgrounds`, both (n, 1, rows, columns);
        gives maps, (n, rows, columns), at least 0.
    cell : callable
        Called with rows and columns of the slices; gives height and width in pixels of what the
        method cannot tell apart.
    """

    name: str
    maps: Callable[[SliceScorer, Tensor, Tensor], Tensor]
    cell: Callable[[Shape], tuple[float, float]]


def _cam(name: str, stages: Sequence[int]) -> Method:
    def maps(scorer: SliceScorer, slices: Tensor, hidden: Tensor) -> Tensor:
        return cam_maps(scorer, slices, name, stages)

    return Method(name, maps, lambda _: (float(min(stages)), float(min(stages))))


def _combined(scorer: SliceScorer, slices: Tensor, hidden: Tensor) -> Tensor:
    """Integrated gradients where HiResCAM, at the size of the training and doubled, sees evidence.

    The gradients are fine but scattered over the chest wall, too; HiResCAM is coarse but keeps to
    what the network learnt. The product is high where both are. Each is the mean of a slice and its
    mirror image, in which a network sees the same disease and other noise; so half the steps do.
    """
    both, theirs = (torch.cat([part, part.flip(-1)]) for part in (slices, hidden))
    coarse, fine = (
        _of_both(cam_maps(scorer, both, "hires-cam", (CAM_STAGE,), enlarged))
        for enlarged in (1, DOUBLED)
    )
    found = _of_both(path_contributions(scorer, both, theirs, PATH_STEPS // 2))
    return (coarse + fine) * smoothed(found, _sigma(slices)).clamp(min=0)


def _of_both(maps: Tensor) -> Tensor:
    """Mean of the maps of slices and of their mirror images, which follow them."""
    plain, mirrored = maps.chunk(2)
    return (plain + mirrored.flip(-1)) / 2


def _occlusion(scorer: SliceScorer, slices: Tensor, hidden: Tensor) -> Tensor:
    stride = _stride((slices.shape[2], slices.shape[3]))
    return occlusion_maps(scorer, slices, hidden, SQUARE * stride, stride)


def _stride(shape: Shape) -> int:
    return max(1, round(max(shape) / ACROSS))


def _gradients(scorer: SliceScorer, slices: Tensor, hidden: Tensor) -> Tensor:
    return integrated_gradients(scorer, slices, hidden, _sigma(slices))


def _sigma(slices: Tensor) -> float:
    return SMOOTHING * max(slices.shape[2:])


def _same(side: float) -> tuple[float, float]:
    return side, side


METHODS = {
    method.name: method
    for method in (
        Method("combined", _combined, lambda _: _same(CAM_STAGE / DOUBLED)),
        *(_cam(name, LAYER_STAGES if name == "layer-cam" else (CAM_STAGE,)) for name in CAMS),
        Method("occlusion", _occlusion, lambda shape: _same(float(_stride(shape)))),
        Method(
            "integrated-gradients",
            _gradients,
            lambda shape: _same(FWHM * SMOOTHING * max(shape)),
        ),
    )
}
DEFAULT = "combined"


def method_named(name: str) -> Method:
    """The method called `name`.

    Raises
    ------
    InvalidInputError
        ``METHOD_UNKNOWN``.
    """
    if name not in METHODS:
        raise InvalidInputError(
            "METHOD_UNKNOWN",
            "There is no such method of making heatmaps.",
            expected=", ".join(METHODS),
            actual=name,
            hint="Name one of these.",
        )
    return METHODS[name]

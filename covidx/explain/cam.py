"""Class activation maps by the package grad-cam, at one stage of a backbone or over several."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import redirect_stderr
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from covidx.explain.scorer import SliceScorer
from covidx.models import feature_layers

CAMS = {
    "grad-cam": "GradCAM",
    "grad-cam++": "GradCAMPlusPlus",
    "layer-cam": "LayerCAM",
    "hires-cam": "HiResCAM",
    "eigen-cam": "EigenCAM",
    "score-cam": "ScoreCAM",
    "ablation-cam": "AblationCAM",
}
"""Name -> class of ``pytorch_grad_cam``, which is imported when it is used. Selvaraju 2017,
Chattopadhay 2018, Jiang 2021, Draelos 2020, Muhammad 2020, Wang 2020, Ramaswamy 2020."""


def cam_maps(
    scorer: SliceScorer, slices: Tensor, name: str, reductions: Sequence[int], enlarged: int = 1
) -> Tensor:
    """Maps of one method of `CAMS`; several stages, and members of an ensemble, are averaged.

    Parameters
    ----------
    scorer : SliceScorer
        The network and the class.
    slices : Tensor, shape (n, 1, rows, columns)
        Greys, 0 to 1.
    name : str
        Of `CAMS`.
    reductions : sequence of int
        Of each stage: pixels of the input that one activation stands for.
    enlarged : int
        How many times larger the network is given the slices: so many activations stand for what
        one stands for at the size of the training.

    Returns
    -------
    Tensor of float32, shape (n, rows, columns)
        0 to 1 in each slice, where all stages agree.
    """
    layers = [
        stage_of(backbone, reduction)
        for backbone in scorer.model.backbones
        for reduction in reductions
    ]
    targets = [scorer.odds_of] * len(slices)
    make = getattr(import_module("pytorch_grad_cam"), CAMS[name])
    size = (slices.shape[2], slices.shape[3])
    # ScoreCAM and AblationCAM draw a progress bar a slice.
    with (
        Path(os.devnull).open("w") as nowhere,
        redirect_stderr(nowhere),
        make(model=scorer, target_layers=layers) as cam,
    ):
        given = _sized(slices, (size[0] * enlarged, size[1] * enlarged)).detach()
        # Where the weights take no gradients, activations have them of the slices alone.
        maps = torch.from_numpy(cam(input_tensor=given.requires_grad_(), targets=targets))
    return _sized(maps.float()[:, None], size)[:, 0].clamp(min=0)


def _sized(slices: Tensor, size: tuple[int, int]) -> Tensor:
    """Slices, (n, 1, rows, columns), at another size, antialiased."""
    if tuple(slices.shape[2:]) == size:
        return slices
    return functional.interpolate(
        slices, size, mode="bilinear", align_corners=False, antialias=True
    )


def stage_of(backbone: nn.Module, reduction: int) -> nn.Module:
    """The last stage of a `backbone` whose activations stand for at most `reduction` pixels."""
    return backbone.get_submodule(feature_layers(backbone, reduction)[-1]["module"])

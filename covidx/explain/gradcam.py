"""Grad-CAM on the slices that decided, tested before it is shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn

from covidx.imaging import Bag
from covidx.inference import ImagePredictor, Scores
from covidx.inference.image import to_tensor
from covidx.models import BagModel, feature_layers

LAYER_REDUCTION = 16
"""Pixels an activation stands for. One stage finer than the last (32): on lung crops of about a
hundred pixels the last stage has three rows, too coarse to place anything."""
HIDDEN_SHARE = 0.2
"""Share of the picture that is hidden to test a map."""


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Where one slice has evidence for the positive class.

    Parameters
    ----------
    place : int
        Index of the slice in its bag.
    heat : ndarray of float32, shape (rows, columns)
        0 (no evidence) to 1 (most in this slice), on the bag's pixels.
    score : float
        Probability of the positive class by this slice alone.
    drop_hot, drop_cold : float
        Fall of the slice's log-odds when the hottest, and the coldest, fifth of the picture is
        replaced by its median grey. A map of what the model used has drop_hot above drop_cold.
    """

    place: int
    heat: NDArray[np.float32]
    score: float
    drop_hot: float
    drop_cold: float

    @property
    def faithful(self) -> bool:
        """Whether hiding the hot part costs more evidence than hiding the cold part.

        A map of one value has no hot part: which pixels are hidden is then a matter of their place.
        """
        varies = np.isfinite(self.heat).all() and self.heat.max() > self.heat.min()
        return bool(varies) and self.drop_hot > self.drop_cold


class _SliceScorer(nn.Module):
    """Slices to logits: what grad-cam needs."""

    def __init__(self, model: BagModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, slices: Tensor) -> Tensor:
        """(n, 1, rows, columns) -> (n, classes)."""
        return self.model.plain_logits(slices)


class _LogOdds:
    """Target of the gradient: the log-odds of one class against all others."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(self, logits: Tensor) -> Tensor:
        others = torch.cat([logits[..., : self.index], logits[..., self.index + 1 :]], dim=-1)
        return logits[..., self.index] - torch.logsumexp(others, dim=-1)


def heatmaps(predictor: ImagePredictor, bag: Bag, scores: Scores) -> list[Heatmap]:
    """Grad-CAM (Selvaraju et al., ICCV 2017) of the slices with a share in the decision.

    Parameters
    ----------
    predictor : ImagePredictor
        The classifier.
    bag : Bag
        Prepared slices of one image.
    scores : Scores
        Of the same bag.

    Returns
    -------
    list of Heatmap
        The highest slice score first.
    """
    bundle = predictor.bundle
    positive = bundle.classes.index(bundle.positive)
    places = np.nonzero(scores.weights > 0)[0]
    places = places[np.argsort(-scores.slice_probabilities[places, positive], kind="stable")]
    slices, target = to_tensor(bag.pixels[places]), _LogOdds(positive)
    scorer = _SliceScorer(predictor.model)
    layers = [_layer(backbone) for backbone in predictor.model.backbones]
    with GradCAM(model=scorer, target_layers=layers) as cam:
        heats = cam(input_tensor=slices, targets=[target] * len(places))
    maps = []
    for place, picture, heat in zip(places, slices, heats, strict=True):
        hot, cold = _drops(scorer, picture, heat, target)
        score = float(scores.slice_probabilities[place, positive])
        maps.append(Heatmap(int(place), heat.astype(np.float32), score, hot, cold))
    return maps


def paste(heat: NDArray[np.float32], bag: Bag, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Put a map back on its slice.

    Parameters
    ----------
    heat : ndarray of float32, shape (rows, columns)
        On the bag's pixels.
    bag : Bag
        Knows which part of the slice the model used.
    shape : (int, int)
        Rows and columns of the slice.

    Returns
    -------
    ndarray of float32
        Of that shape; NaN outside the input of the model.
    """
    top, bottom, left, right = bag.box
    size = (bottom - top, right - left)
    sized = torch.nn.functional.interpolate(
        torch.from_numpy(heat)[None, None], size, mode="bilinear", align_corners=False
    )
    pasted = np.full(shape, np.nan, dtype=np.float32)
    pasted[top:bottom, left:right] = sized[0, 0].numpy()
    return pasted


def _layer(backbone: nn.Module) -> nn.Module:
    return backbone.get_submodule(feature_layers(backbone, LAYER_REDUCTION)[-1]["module"])


@torch.inference_mode()
def _drops(
    scorer: _SliceScorer, picture: Tensor, heat: NDArray[np.float32], target: _LogOdds
) -> tuple[float, float]:
    order = np.argsort(heat, axis=None, kind="stable")
    n = round(HIDDEN_SHARE * heat.size)
    hidden = []
    for part in (order[-n:], order[:n]):
        mask = np.zeros(heat.size, dtype=bool)
        mask[part] = True
        masked = picture.clone()
        masked[0][torch.from_numpy(mask.reshape(heat.shape))] = picture.median()
        hidden.append(masked)
    odds = target(
        scorer(torch.stack([picture, *hidden]).contiguous(memory_format=torch.channels_last))
    )
    return float(odds[0] - odds[1]), float(odds[0] - odds[2])

"""Does a map come from the network, and does it stay where it is? Costly, so of some maps a run.

Adebayo et al. (NeurIPS 2018) randomise weights: a map that hardly changes does not show what the
network learnt. Deletion and insertion are those of Petsiuk et al. (BMVC 2018).
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional

from covidx.explain.background import backgrounds, hide
from covidx.explain.exam import SEED, hottest
from covidx.explain.methods import METHODS, Method
from covidx.explain.scorer import SliceScorer

STEPS = 10
"""Tenths of the picture that deletion takes away, one after another."""
NOISE = 0.02
"""Standard deviation of the added noise: 30 HU of the lung window. Modelling choice."""
RANDOMISED = (0.0, 0.5, 1.0)
"""Share of the backbone's layers, from the last one back, whose weights are drawn anew; the head is
always among them."""
COMPARED = ("grad-cam", "integrated-gradients")
"""Methods whose maps are compared with the one that is examined."""


@dataclass(frozen=True)
class Robustness:
    """What changes a map, and what does not. Correlations are Spearman's, over pixels.

    Parameters
    ----------
    deletion : float
        Share of the evidence that is left, the mean over tenths of the picture hidden, the hottest
        first: the lower, the better.
    insertion : float
        Share of the evidence that is there, the mean over tenths of the picture shown on its
        background, the hottest first: the higher, the better.
    randomised : dict of str to float
        Correlation with the map after the head, half of the layers, and all were randomised: a
        map that comes from the network falls towards 0.
    sharpened, noise : float
        Correlation with the map of the slice as a sharper reconstruction kernel would show it, and
        of the slice with noise. (Methods that average a slice and its mirror image have a
        correlation of 1 with the mirrored map by construction: it would say nothing.)
    agreement : dict of str to float
        Correlation with the maps of other methods.
    """

    deletion: float
    insertion: float
    randomised: dict[str, float]
    sharpened: float
    noise: float
    agreement: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """As plain values; a correlation with a map that is the same everywhere is null."""
        return asdict(self, dict_factory=_without_nan)


def robustness(
    scorer: SliceScorer, picture: Tensor, method: Method, lungs: Tensor | None = None
) -> Robustness:
    """Examine the map of one slice further.

    Parameters
    ----------
    scorer : SliceScorer
        The network and the class.
    picture : Tensor, shape (1, rows, columns)
        A slice, greys from 0 to 1.
    method : Method
        That makes the map.
    lungs : Tensor, shape (rows, columns), optional
        Share of each pixel that is lung.
    """

    def mapped(network: SliceScorer, how: Method, *of: Tensor) -> Tensor:
        pictures, known = torch.stack(of), None if lungs is None else lungs.expand(len(of), -1, -1)
        return how.maps(network, pictures, backgrounds(pictures, known))

    generator = torch.Generator().manual_seed(SEED)
    noisy = picture + NOISE * torch.randn(picture.shape, generator=generator)
    heat, of_sharper, of_noisy = mapped(scorer, method, picture, sharper(picture), noisy)
    background = backgrounds(picture[None], None if lungs is None else lungs[None])[0]
    deletion, insertion = _curves(scorer, picture, background, heat)
    return Robustness(
        deletion=deletion,
        insertion=insertion,
        randomised={
            f"{share:.0%}": correlation(heat, *mapped(randomised(scorer, share), method, picture))
            for share in RANDOMISED
        },
        sharpened=correlation(heat, of_sharper),
        noise=correlation(heat, of_noisy),
        agreement={
            name: correlation(heat, *mapped(scorer, METHODS[name], picture))
            for name in COMPARED
            if name != method.name
        },
    )


def sharper(picture: Tensor) -> Tensor:
    """The slice `picture`, (1, rows, columns) in 0..1, its contrast to its neighbours doubled."""
    around = functional.avg_pool2d(picture[None], 3, 1, 1, count_include_pad=False)[0]
    return (2 * picture - around).clamp(0, 1)


def correlation(one: Tensor, other: Tensor) -> float:
    """Spearman's correlation of two maps over their pixels; NaN where one is the same everywhere.

    Parameters
    ----------
    one, other : Tensor, shape (rows, columns)
        Maps of the same slice.
    """
    if float(one.min()) == float(one.max()) or float(other.min()) == float(other.max()):
        return float("nan")
    return float(spearmanr(one.flatten().numpy(), other.flatten().numpy()).statistic)


def randomised(scorer: SliceScorer, share: float) -> SliceScorer:
    """A copy of `scorer` whose head and last `share` of layers are as before any training.

    Parameters
    ----------
    scorer : SliceScorer
        Left as it is.
    share : float
        Of the layers of each backbone, 0 to 1, from the last one back.
    """
    made = deepcopy(scorer)
    model = made.model
    members: list[nn.Module] = list(getattr(model, "members", [model]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        for member, backbone in zip(members, model.backbones, strict=True):
            layers: list[Any] = [
                part for part in backbone.modules() if hasattr(part, "reset_parameters")
            ]
            kept = round((1 - share) * len(layers))
            for part in (*layers[kept:], member.get_submodule("head")):
                part.reset_parameters()
    return made.eval()


def _curves(
    scorer: SliceScorer, picture: Tensor, background: Tensor, heat: Tensor
) -> tuple[float, float]:
    """Mean share of the evidence under deletion and insertion, the ends left out."""
    parts = torch.stack([hottest(heat, step / STEPS) for step in range(1, STEPS)])
    ends = torch.stack([torch.zeros_like(heat), torch.ones_like(heat)])
    odds = scorer.log_odds(hide(picture, background, torch.cat([ends, parts, 1 - parts])))
    there, gone = float(odds[0]), float(odds[1])
    if there == gone:
        return float("nan"), float("nan")
    shares = (odds[2:].double().numpy() - gone) / (there - gone)
    return float(np.mean(shares[: STEPS - 1])), float(np.mean(shares[STEPS - 1 :]))


def _without_nan(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return None if isinstance(value, float) and np.isnan(value) else value

    return {key: plain(value) for key, value in pairs}

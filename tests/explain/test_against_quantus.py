"""Figures of maps beside those of quantus (LGPL: a reference here, never a dependency)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from covidx.explain import METHODS, Heatmap
from covidx.explain.background import backgrounds
from covidx.explain.exam import Exam
from covidx.explain.pointing import TOP_SHARES, pointing
from covidx.explain.robustness import robustness
from covidx.imaging import Bag
from tests.explain.networks import linear

quantus = pytest.importorskip("quantus", reason="quantus, the reference, is not installed")
SHAPE = (20, 30)
PLAIN: dict[str, Any] = {"abs": False, "normalise": False, "disable_warnings": True}


def _value_of(metric: Any, heat: np.ndarray, lesion: np.ndarray) -> float:
    batch = {"x_batch": heat[None, None], "y_batch": np.array([1]), "a_batch": heat[None, None]}
    scorer = linear(torch.zeros(SHAPE))
    answer = metric(model=scorer, **batch, s_batch=lesion[None, None], device="cpu")
    return float(answer[0])


@pytest.mark.parametrize("seed", range(4))
def test_pointing_attention_and_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    heat = rng.random(SHAPE).astype(np.float32)
    lesion = np.zeros(SHAPE, np.bool_)
    lesion[3:15, 5:25] = True
    bag = Bag(np.zeros((1, *SHAPE), np.uint8), np.array([0]), (0, SHAPE[0], 0, SHAPE[1]), np.eye(4))
    found = pointing(Heatmap(0, heat, 0.9, Exam("passed", "")), bag, lesion[None])
    assert found.inside == bool(_value_of(quantus.PointingGame(**PLAIN), heat, lesion))
    mass = _value_of(quantus.RelevanceMassAccuracy(**PLAIN), heat, lesion)
    assert found.in_lesions == pytest.approx(mass, rel=1e-5)
    for share, iou in zip(TOP_SHARES, found.iou, strict=True):
        top = round(share * heat.size)
        both = top * _value_of(quantus.TopKIntersection(k=top, **PLAIN), heat, lesion)
        assert iou == pytest.approx(both / (top + lesion.sum() - both))


@pytest.mark.parametrize("seed", range(3))
def test_deletion(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    picture = torch.rand(1, *SHAPE, generator=generator) ** 4  # brighter than its median
    scorer = linear(torch.rand(SHAPE, generator=generator))
    lungs, method = torch.ones(SHAPE), METHODS["integrated-gradients"]
    found = robustness(scorer, picture, method, lungs)
    background = backgrounds(picture[None], lungs[None])  # one grey, the median
    heat = method.maps(scorer, picture[None], background)
    metric = quantus.PixelFlipping(
        features_in_step=heat[0].numel() // 10, perturb_baseline=float(background[0, 0, 0, 0]),
        **PLAIN,
    )  # fmt: skip
    (left,) = metric(
        model=scorer, x_batch=picture[None].numpy(), y_batch=np.array([1]),
        a_batch=heat[None].numpy(), softmax=False, device="cpu",
    )  # fmt: skip
    # Its scores are logits after one tenth, two, ... ten; ours shares of the log-odds between
    # nothing hidden and all of it.
    odds = scorer.odds_of(scorer(picture[None]))
    logit = scorer(picture[None])[0, 1]
    left = np.asarray(left) + float(odds[0] - logit)
    shares = (left[:-1] - left[-1]) / (float(odds[0]) - left[-1])
    assert found.deletion == pytest.approx(shares.mean(), abs=1e-4)

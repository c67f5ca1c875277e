"""Further figures of a map, on networks whose answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from covidx.explain import METHODS
from covidx.explain.robustness import correlation, randomised, robustness, sharper
from covidx.explain.scorer import SliceScorer
from covidx.models import Architecture, BagClassifier
from tests.explain.networks import linear

SHAPE = (20, 30)


def test_deletion_and_insertion_of_a_linear_network_by_hand() -> None:
    """All evidence in the hottest tenth: after the first step all of it is gone, or there."""
    weights = torch.zeros(SHAPE)
    weights[:2] = 1.0  # 60 of 600 pixels
    picture = torch.ones(1, *SHAPE)
    picture[0, 2:] = 0.5  # so that the blurred background differs
    found = robustness(linear(weights), picture, METHODS["integrated-gradients"])
    assert found.deletion == pytest.approx(0, abs=0.05)
    assert found.insertion == pytest.approx(1, abs=0.05)
    assert found.noise > 0.9


def test_evidence_that_is_everywhere_is_deleted_step_by_step() -> None:
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, *SHAPE, generator=generator)
    lungs = torch.ones(SHAPE)  # the background is one grey, the median

    even = linear(torch.full(SHAPE, 0.1))
    black = picture.clone()
    black[picture > 0.5] = 1.0
    black[picture <= 0.5] = 0.0
    found = robustness(even, black, METHODS["integrated-gradients"], lungs)
    assert 0.2 < found.deletion < 0.8 and 0.2 < found.insertion < 0.8


def test_a_sharper_kernel_doubles_the_contrast_to_the_neighbours() -> None:
    picture = torch.full((1, 5, 5), 0.5)
    picture[0, 2, 2] = 0.59  # the mean of its nine is 0.51
    found = sharper(picture)
    assert found[0, 2, 2] == pytest.approx(2 * 0.59 - 0.51)
    assert found[0, 1, 1] == pytest.approx(2 * 0.5 - 0.51)
    assert found[0, 0, 0] == pytest.approx(0.5)  # the edge is not darkened
    assert float(sharper(torch.eye(3)[None]).max()) <= 1


def test_correlation_is_spearmans() -> None:
    one = torch.arange(12.0).reshape(3, 4)
    assert correlation(one, one**3) == pytest.approx(1)
    assert correlation(one, -one) == pytest.approx(-1)
    assert np.isnan(correlation(one, torch.ones(3, 4)))


def test_randomised_networks_differ_from_the_end_back_and_the_first_is_left_alone() -> None:
    torch.manual_seed(1)
    model = BagClassifier(Architecture(backbone="test_efficientnet"), 2, pretrained=False).eval()
    scorer = SliceScorer(model, 1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    names = [n for n, _ in model.backbone.named_parameters()]
    for share in (0.0, 0.5, 1.0):
        other = randomised(scorer, share).model
        state = dict(other.backbone.named_parameters())
        changed = [not torch.equal(state[n], before[f"backbone.{n}"]) for n in names]
        assert changed[0] == (share == 1.0)
        assert any(changed) == (share > 0)
        assert not torch.equal(other.head.weight, before["head.weight"])
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_what_is_written_is_strict_json() -> None:
    weights = torch.zeros(SHAPE)
    found = robustness(linear(weights), torch.ones(1, *SHAPE), METHODS["integrated-gradients"])
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["noise"] is None  # a map that is 0 everywhere

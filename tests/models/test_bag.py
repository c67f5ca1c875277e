"""Pooling over the most abnormal slices, by hand; and the classifier around it."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError

from covidx.models import Architecture, BagClassifier, feature_layers, pool_most_abnormal

TINY = Architecture(backbone="test_efficientnet", top_k=2)


def test_pooling_by_hand() -> None:
    # Odds of any class but the first: log(e^1 + e^1) - 0 = 1.69; 0.69 - 3 = -2.31;
    # log(e^2 + e^-9) - 1 = 1.00; then a bag of two: 0.69 - 0 and 0.69 - 5.
    logits = torch.tensor(
        [[0.0, 1, 1], [3, 0, 0], [1, 2, -9], [0, 0, 0], [5, 0, 0]], requires_grad=True
    )
    pooled, weights = pool_most_abnormal(logits, [3, 2], top_k=2)
    torch.testing.assert_close(pooled, torch.tensor([[0.5, 1.5, -4.0], [2.5, 0.0, 0.0]]))
    torch.testing.assert_close(weights, torch.tensor([0.5, 0, 0.5, 0.5, 0.5]))
    pooled.sum().backward()
    assert logits.grad is not None and logits.grad[1].abs().sum() == 0  # slice 1 had no say


def test_only_the_one_most_abnormal_slice() -> None:
    logits = torch.tensor([[0.0, 1.0], [0.0, 3.0], [-5.0, -3.0]])
    pooled, weights = pool_most_abnormal(logits, [3], top_k=1)
    assert pooled.tolist() == [[0, 3]] and weights.tolist() == [0, 1, 0]


def test_either_disease_makes_a_slice_abnormal() -> None:
    logits = torch.tensor([[0.0, 0.0, 4.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
    _, weights = pool_most_abnormal(logits, [3], top_k=2)
    assert weights.tolist() == [0.5, 0.5, 0]


@pytest.mark.parametrize("top_k", [1, 4, 99])
def test_a_bag_of_one_is_its_slice(top_k: int) -> None:
    logits = torch.tensor([[0.3, -0.2]])
    pooled, weights = pool_most_abnormal(logits, [1], top_k)
    assert torch.equal(pooled, logits) and weights.tolist() == [1]


def test_a_bag_scores_alike_alone_and_among_others() -> None:
    torch.manual_seed(0)
    model = BagClassifier(TINY, 3, pretrained=False).eval()
    slices = torch.rand(7, 1, 32, 48)
    with torch.inference_mode():
        together = model(slices, [3, 1, 3])
        alone = model(slices[3:4], [1])
    assert together.logits.shape == (3, 3) and together.slice_logits.shape == (7, 3)
    torch.testing.assert_close(alone.logits[0], together.logits[1], atol=1e-5, rtol=1e-5)
    sums = [float(part.sum()) for part in together.weights.split([3, 1, 3])]
    assert sums == pytest.approx([1, 1, 1])
    torch.testing.assert_close(alone.logits, alone.slice_logits)


def test_the_order_of_slices_does_not_matter() -> None:
    torch.manual_seed(0)
    model = BagClassifier(TINY, 2, pretrained=False).eval()
    slices = torch.rand(4, 1, 32, 32)
    with torch.inference_mode():
        one, other = model(slices, [4]).logits, model(slices.flip(0), [4]).logits
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_untrained_probabilities_are_no_certainty() -> None:
    torch.manual_seed(0)
    model = BagClassifier(TINY, 2, pretrained=False).eval()
    with torch.inference_mode():
        odds = model(torch.rand(2, 1, 32, 32), [1, 1]).logits.softmax(dim=1)
    assert float(odds.max()) < 1 - math.exp(-9)


@pytest.mark.parametrize("change", [{"top_k": 0}, {"dropout": 1.0}, {"heads": 2}])
def test_an_architecture_refuses_nonsense(change: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Architecture.model_validate(change)


def test_frozen_layers_keep_weights_and_statistics() -> None:
    model = BagClassifier(TINY, 2, pretrained=False)
    layers = [one["module"] for one in feature_layers(model.backbone, 8)]
    assert layers[-1] == "blocks.2"  # an activation of which stands for 8 pixels
    model.freeze(8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    learnt = [one for one in model.parameters() if one.requires_grad]
    rates = torch.optim.SGD(learnt, lr=0.1)
    model(torch.rand(6, 1, 32, 32), [3, 3]).logits.pow(2).sum().backward()
    rates.step()
    changed = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    early = ("backbone.conv_stem", "backbone.bn1", *(f"backbone.blocks.{n}." for n in range(3)))
    assert not [name for name in changed if name.startswith(early)]
    assert {"head.weight", "backbone.bn2.weight", "backbone.bn2.running_mean"} <= changed
    assert any(name.startswith("backbone.blocks.3.") for name in changed)


def test_nothing_is_frozen_unless_asked() -> None:
    model = BagClassifier(TINY, 2, pretrained=False)
    model.freeze(0)
    assert all(one.requires_grad for one in model.parameters())
    assert all(part.training for part in model.train().modules())


def test_a_picture_and_its_mirror_score_alike_where_both_are_read() -> None:
    model = BagClassifier(TINY.model_copy(update={"mirror": True}), 2, pretrained=False).eval()
    slices = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        one, other = (model(part, [2]).slice_logits for part in (slices, slices.flip(-1)))
        plain = (model.plain_logits(slices) + model.plain_logits(slices.flip(-1))) / 2
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(one, plain)

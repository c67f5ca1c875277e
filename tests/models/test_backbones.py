"""Backbones: weights without a network, in one channel as in three, and clear errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from covidx.errors import BundleError
from covidx.files import sha256_file
from covidx.models import OFFLINE_WEIGHTS, backbones, make_backbone, offline_weights

NAME = "tf_efficientnet_lite0"


def test_the_package_holds_the_known_weights() -> None:
    assert sha256_file(offline_weights()) == OFFLINE_WEIGHTS[NAME]


def test_one_grey_channel_gives_the_features_of_three_equal_ones() -> None:
    theirs = torch.load(offline_weights(), map_location="cpu", weights_only=True)
    colour = timm.create_model(NAME, pretrained=False, num_classes=1000)
    # Shape by shape in the same order, as the package's own network defines them.
    assert [v.shape for v in theirs.values()] == [v.shape for v in colour.state_dict().values()]
    colour.load_state_dict(dict(zip(colour.state_dict(), theirs.values(), strict=True)))
    colour.reset_classifier(0)
    colour.eval()
    grey = make_backbone(NAME, pretrained=True).eval()
    pictures = torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        wanted = colour(pictures.expand(-1, 3, -1, -1))
        result = grey(pictures)
    assert result.shape == (2, 1280) and float(wanted.std()) > 0.01
    torch.testing.assert_close(result, wanted, atol=1e-4, rtol=1e-4)


def test_without_pretraining_weights_differ_by_seed() -> None:
    stems = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        stems.append(next(make_backbone("test_efficientnet", pretrained=False).parameters()))
    assert torch.equal(stems[0], stems[1]) and not torch.equal(stems[0], stems[2])


def test_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights.pth").write_bytes(offline_weights().read_bytes()[:-1] + b"x")
    monkeypatch.setattr(backbones, "offline_weights", lambda: tmp_path / "weights.pth")
    with pytest.raises(BundleError, match="WEIGHTS_DAMAGED") as caught:
        make_backbone(NAME, pretrained=True)
    assert caught.value.expected == OFFLINE_WEIGHTS[NAME]


@pytest.mark.parametrize(
    "error", [LocalEntryNotFoundError("offline"), ConnectionError("no route"), RuntimeError("none")]
)
def test_a_hub_out_of_reach_is_said(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(BundleError, match="WEIGHTS_UNREACHABLE") as caught:
        make_backbone("resnet18", pretrained=True)
    assert NAME in str(caught.value.hint)


def test_an_unknown_backbone_is_refused() -> None:
    with pytest.raises(BundleError, match="BACKBONE_UNKNOWN"):
        make_backbone("resnet-18000", pretrained=False)

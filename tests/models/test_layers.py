"""Layers of networks beside what papers and libraries say of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models as torchvision_models

from covidx.errors import BundleError
from covidx.models import (
    convolution_cost,
    describe_layers,
    feature_layers,
    make_backbone,
    make_network,
    network_names,
    separable_total,
)
from covidx.models.layers import Layer
from covidx.models.textbook import NETWORKS
from tests.cli.conftest import Call, covidx  # noqa: F401


def layers_of(name: str, size: int, channels: int = 3, classes: int = 1000) -> list[Layer]:
    return describe_layers(make_network(name, channels, classes), channels, (size, size))


def test_lenet5_by_hand() -> None:
    layers = layers_of("lenet5", 32, channels=1, classes=10)
    shown = [(one.output, one.parameters, one.multiply_adds, one.field) for one in layers
             if one.parameters]  # fmt: skip
    assert shown == [
        ((6, 28, 28), 156, 28 * 28 * 6 * 25, (5, 5)),
        ((16, 10, 10), 2416, 10 * 10 * 16 * 25 * 6, (14, 14)),
        ((120, 1, 1), 48120, 120 * 25 * 16, (32, 32)),
        ((84,), 10164, 84 * 120, None),
        ((10,), 850, 840, None),
    ]


def test_alexnet_of_the_textbooks_and_torchvisions() -> None:
    layers = layers_of("alexnet", 227)
    sides = [one.output[1] for one in layers if one.kernel]
    assert sides == [55, 27, 27, 13, 13, 13, 13, 6]
    assert sum(one.parameters for one in layers) == 62_378_344
    assert [one.field for one in layers if one.kernel][-1] == (195, 195)
    other = describe_layers(torchvision_models.alexnet(), 3, (224, 224))
    assert sum(one.parameters for one in other) == 61_100_840


def test_darkcovidnet_has_the_parameters_of_its_paper() -> None:
    layers = layers_of("darkcovidnet", 256, classes=2)
    assert sum(one.parameters for one in layers) == 1_164_434
    assert sum(one.kind == "Conv2d" for one in layers) == 17
    assert next(one.output for one in layers if one.name == "neck.2") == (2, 13, 13)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("vgg16", torchvision_models.VGG16_Weights.IMAGENET1K_V1),
        ("resnet18", torchvision_models.ResNet18_Weights.IMAGENET1K_V1),
        ("resnet50", torchvision_models.ResNet50_Weights.IMAGENET1K_V1),
        ("squeezenet1_0", torchvision_models.SqueezeNet1_0_Weights.IMAGENET1K_V1),
        ("googlenet", torchvision_models.GoogLeNet_Weights.IMAGENET1K_V1),
    ],
)
def test_totals_are_those_that_torchvision_publishes(name: str, weights: Any) -> None:
    layers = layers_of(name, 224)
    if name != "googlenet":  # published with the auxiliary classifiers
        assert sum(one.parameters for one in layers) == weights.meta["num_params"]
    total = sum(one.multiply_adds for one in layers) / 1e9
    if name == "squeezenet1_0":  # published with its classifier at each of 13 x 13 places
        total += (13 * 13 - 1) * 512 * 1000 / 1e9
    assert total == pytest.approx(weights.meta["_ops"], abs=0.002)


@pytest.mark.parametrize(
    ("name", "last", "field"),
    [("vgg16", "features.30", 212), ("mobilenetv1_100", "blocks.12.0.bn2", None)],
)
def test_fields_of_view_as_published(name: str, last: str, field: int | None) -> None:
    """Araujo, Norris and Sim, Distill 2019: VGG16 212, MobileNet 315."""
    found = {one.name: one.field for one in layers_of(name, 224)}
    if field is None:
        assert max(one[0] for one in found.values() if one) == 315
    else:
        assert found[last] == (field, field)


class Branches(nn.Module):
    """Two ways of unlike strides and dilations, joined, then added to a skip."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, (3, 5), padding=(1, 2))
        self.left = nn.Conv2d(2, 2, 3, padding=2, dilation=2)
        self.right = nn.Conv2d(2, 2, (1, 7), padding=(0, 3))
        self.last = nn.Conv2d(4, 1, 3, stride=2, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        stem = self.stem(images)
        both = torch.cat([self.left(stem) + stem, self.right(stem)], dim=1)
        last: Tensor = self.last(nn.functional.avg_pool2d(both, 2))
        return last


def test_a_field_is_what_gradients_reach() -> None:
    network = Branches()
    for weight in network.parameters():
        nn.init.constant_(weight, 1.0)
    image = torch.zeros(1, 1, 64, 64, requires_grad=True)
    output = network(image)
    output[0, 0, output.shape[2] // 2, output.shape[3] // 2].backward()
    assert image.grad is not None
    reached = image.grad[0, 0] != 0
    extent = (int(reached.any(dim=1).sum()), int(reached.any(dim=0).sum()))
    assert describe_layers(network, 1, (64, 64))[-1].field == extent


def test_attention_sees_everything_and_is_counted() -> None:
    layers = layers_of("vit_tiny_patch16_224", 224)
    assert layers[-1].field is None
    tokens, width, depth = 197, 192, 12
    attention = depth * 2 * tokens**2 * width
    linear = sum(one.multiply_adds for one in layers if one.kind in ("Linear", "Conv2d"))
    assert sum(one.multiply_adds for one in layers) == linear + attention


@pytest.mark.parametrize(("kernel", "fewer"), [(5, 28.0), (7, 44.9), (11, 62.8)])
def test_stacks_of_3_x_3(kernel: int, fewer: float) -> None:
    cost = convolution_cost(1, kernel, 1, 1)
    assert cost.stacked is not None
    assert round(100 * (1 - cost.stacked / cost.standard), 1) == fewer
    assert convolution_cost(1, 4, 1, 1).stacked is None
    assert convolution_cost(1, 1, 3, 8).stacked == 24


def test_two_lines_and_separable_totals() -> None:
    assert convolution_cost(17 * 17, 7, 8, 8).two_lines == 2 * 17 * 17 * 7 * 8 * 8
    layers = describe_layers(nn.Sequential(nn.Conv2d(3, 256, 5)), 3, (12, 12))
    assert (layers[0].multiply_adds, separable_total(layers)) == (1_228_800, 53_952)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_a_textbook_network_is_a_backbone(network: Any) -> None:
    name = network.__name__
    backbone = make_backbone(name, pretrained=False).eval()
    features = backbone(torch.zeros(2, 1, 96, 112))
    assert features.shape == (2, backbone.num_features)
    shapes: dict[str, torch.Size] = {}
    for layer in feature_layers(backbone, 32):
        backbone.get_submodule(layer["module"]).register_forward_hook(
            lambda _, __, output, layer=layer: shapes.update({layer["module"]: output.shape})
        )
    backbone(torch.zeros(1, 1, 96, 112))
    assert len(shapes) == len(backbone.feature_info)
    for layer in feature_layers(backbone, 32):
        assert shapes[layer["module"]][1] == layer["num_chs"]
    with pytest.raises(BundleError, match="WEIGHTS_UNREACHABLE"):
        make_backbone(name, pretrained=True)


def test_names() -> None:
    assert {"lenet5", "alexnet", "vgg16", "tf_efficientnet_lite2"} <= set(network_names())
    assert network_names("lenet*") == ["lenet5"]
    with pytest.raises(BundleError, match="BACKBONE_UNKNOWN"):
        make_network("lenet6")


def test_on_the_command_line(covidx: Call) -> None:  # noqa: F811
    overview = covidx("models", "list").out
    assert "tf_efficientnet_lite0" in overview and "lenet5, alexnet" in overview
    assert covidx("models", "list", "vgg16*").out.split() == ["vgg16", "vgg16_bn"]
    assert "BACKBONE_UNKNOWN" in covidx("models", "list", "xyz*").err
    words = ("models", "show", "lenet5", "--channels", "1", "--classes", "10")
    shown = covidx(*words, "--size", "32").out
    assert "lenet5, image 1 x 32 x 32: 61,706 parameters, 416,520 multiply-adds" in shown
    assert covidx("models", "show", "lenet5").out == shown  # made for that
    assert "Did you mean vgg16" in covidx("models", "show", "VGG_16").err
    assert "28 x 28" in shown and "14 x 14" in shown
    small = covidx(*words, "--size", "20")
    assert small.code == 2 and "IMAGE_SIZE" in small.err and "made for 32 x 32" in small.err

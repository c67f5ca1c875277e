"""Networks of textbooks and papers that timm lacks, under timm's rules.

Importing this module registers them with timm. There are no pretrained weights of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import timm
from torch import Tensor, nn
from torchvision import models


class Textbook(nn.Module):
    """Layers that look at the image, a part that leads to features, and a classifier.

    Parameters
    ----------
    layers : Module
        (n, in_chans, rows, columns) -> (n, channels, rows, columns), smaller.
    neck : Module
        That -> (n, num_features).
    num_features, num_classes : int
        Without classes the features are the output.
    stages : sequence of (name, reduction, channels)
        Layers that heatmaps may look at, the finest first: their place in `layers`, pixels an
        activation stands for, and width.
    """

    def __init__(
        self,
        layers: nn.Module,
        neck: nn.Module,
        num_features: int,
        num_classes: int,
        stages: Sequence[tuple[str, int, int]],
    ) -> None:
        super().__init__()
        self.layers, self.neck, self.num_features = layers, neck, num_features
        self.head = nn.Linear(num_features, num_classes) if num_classes else nn.Identity()
        self.feature_info = [
            {"module": f"layers.{name}", "reduction": reduction, "num_chs": channels}
            for name, reduction, channels in stages
        ]

    def forward_features(self, images: Tensor) -> Tensor:
        """Of `images` (n, in_chans, rows, columns): (n, channels, rows, columns)."""
        features: Tensor = self.layers(images)
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Of `images` (n, in_chans, rows, columns): (n, num_classes), or (n, num_features)."""
        logits: Tensor = self.head(self.neck(self.forward_features(images)))
        return logits


class _Mean(nn.Module):
    """Mean over rows and columns."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3))


def lenet5(in_chans: int, num_classes: int) -> Textbook:
    """LeNet-5 with full connections and ReLU, of `in_chans` and `num_classes`.

    61,706 parameters for grey pictures of 32 x 32 and ten classes.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, Proc IEEE 1998;86:2278-2324.
    """
    layers = nn.Sequential(
        nn.Conv2d(in_chans, 6, 5),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(16, 120, 5),  # of a picture of 32 x 32 one place is left
        nn.ReLU(),
    )
    neck = nn.Sequential(_Mean(), nn.Linear(120, 84), nn.ReLU())
    return Textbook(layers, neck, 84, num_classes, [("1", 1, 6), ("4", 2, 16), ("7", 4, 120)])


def alexnet(in_chans: int, num_classes: int) -> Textbook:
    """AlexNet in one column, of `in_chans` and `num_classes`.

    62,378,344 parameters for 227 x 227 in colour and 1,000 classes. The paper divided layers two,
    four and five over two graphics cards, which saves parameters.

    References
    ----------
    Krizhevsky, Sutskever and Hinton, NIPS 2012.
    """
    layers = nn.Sequential(
        nn.Conv2d(in_chans, 96, 11, stride=4),
        nn.ReLU(),
        nn.LocalResponseNorm(5, k=2),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(96, 256, 5, padding=2),
        nn.ReLU(),
        nn.LocalResponseNorm(5, k=2),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(256, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
    )
    neck = nn.Sequential(
        nn.AdaptiveAvgPool2d(6),  # pictures of other sizes
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(256 * 6 * 6, 4096),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
    )
    stages = [("1", 4, 96), ("5", 8, 256), ("13", 16, 256)]
    return Textbook(layers, neck, 4096, num_classes, stages)


def googlenet(in_chans: int, num_classes: int) -> Textbook:
    """GoogLeNet (Inception v1) of torchvision, of `in_chans` and `num_classes`.

    Without the auxiliary classifiers.

    References
    ----------
    Szegedy and others, CVPR 2015. Torchvision's has 3 x 3 where the paper has 5 x 5 filters.
    """
    whole: Any = models.googlenet(weights=None, aux_logits=False, init_weights=False)
    whole.conv1.conv = nn.Conv2d(in_chans, 64, 7, stride=2, padding=3, bias=False)
    parts = [(n, part) for n, part in whole.named_children() if n not in _ENDS]
    layers = nn.Sequential()
    for name, part in parts:
        layers.add_module(name, part)
    neck = nn.Sequential(_Mean(), nn.Dropout(0.2))
    stages = [("inception3b", 8, 480), ("inception4e", 16, 832), ("inception5b", 32, 1024)]
    return Textbook(layers, neck, 1024, num_classes, stages)


def squeezenet1_0(in_chans: int, num_classes: int) -> Textbook:
    """SqueezeNet 1.0 of torchvision, of `in_chans` and `num_classes`.

    Its last layer is linear, after the mean, in place of 1 x 1 filters before it.

    References
    ----------
    Iandola and others, arXiv 1602.07360.
    """
    layers: Any = models.squeezenet1_0(weights=None).features
    layers[0] = nn.Conv2d(in_chans, 96, 7, stride=2)
    neck = nn.Sequential(_Mean(), nn.Dropout(0.5))
    return Textbook(
        layers, neck, 512, num_classes, [("5", 4, 256), ("10", 8, 512), ("12", 16, 512)]
    )


def darkcovidnet(in_chans: int, num_classes: int) -> Textbook:
    """DarkCovidNet, of `in_chans` and `num_classes`.

    1,164,434 parameters for two classes and 256 x 256 in colour. Its 1 x 1 convolutions are padded,
    so that 256 x 256 lead to 13 x 13 places. The last convolution has as many channels as there are
    classes (as features: three), and the linear layer sees all its places; pictures of other sizes
    are brought to 13 x 13 before it.

    References
    ----------
    Ozturk and others, Comput Biol Med 2020;121:103792.
    """
    layers = nn.Sequential(
        _dark(in_chans, 8),
        nn.MaxPool2d(2),
        _dark(8, 16),
        nn.MaxPool2d(2),
        *_three_dark(16, 32),
        nn.MaxPool2d(2),
        *_three_dark(32, 64),
        nn.MaxPool2d(2),
        *_three_dark(64, 128),
        nn.MaxPool2d(2),
        *_three_dark(128, 256),
        _dark(256, 128, 1),
        _dark(128, 256),
    )
    last = num_classes or 3
    neck = nn.Sequential(
        nn.Conv2d(256, last, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.BatchNorm2d(last),
        nn.AdaptiveAvgPool2d(13),
        nn.Flatten(),
    )
    stages = [("10", 8, 64), ("14", 16, 128), ("20", 32, 256)]
    return Textbook(layers, neck, last * 13 * 13, num_classes, stages)


def _dark(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.1),
    )


def _three_dark(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return _dark(inputs, outputs), _dark(outputs, inputs, 1), _dark(inputs, outputs)


NETWORKS = (lenet5, alexnet, googlenet, squeezenet1_0, darkcovidnet)
default_cfgs = {
    "lenet5": {"input_size": (1, 32, 32), "num_classes": 10},
    "alexnet": {"input_size": (3, 227, 227), "num_classes": 1000},
    "googlenet": {"input_size": (3, 224, 224), "num_classes": 1000},
    "squeezenet1_0": {"input_size": (3, 224, 224), "num_classes": 1000},
    "darkcovidnet": {"input_size": (3, 256, 256), "num_classes": 2},
}
"""What each was made for; timm reads this name when it registers a network."""
_ENDS = ("aux1", "aux2", "avgpool", "dropout", "fc")


def _register(build: Callable[[int, int], Textbook]) -> None:
    """Add a network to timm's; what else timm hands to its own is of no use here."""

    def made(
        pretrained: bool = False, in_chans: int = 3, num_classes: int = 1000, **_: Any
    ) -> Textbook:
        if pretrained:
            raise RuntimeError(f"there are no pretrained weights of {build.__name__}")
        return build(in_chans, num_classes)

    made.__name__ = build.__name__
    timm.models.register_model(made)


for _network in NETWORKS:
    _register(_network)

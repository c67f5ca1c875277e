"""Networks whose evidence is known by hand."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from covidx.explain.scorer import SliceScorer
from covidx.imaging import Bag, Preprocessing
from covidx.inference import ImageBundle, ImagePredictor, ImageRecipe, Threshold, TrainedOn
from covidx.models import Architecture, BagClassifier

ROWS, COLUMNS, CELL = 64, 96, 8
SQUARE = (slice(8, 24), slice(64, 80))  # bright, and positive by construction
HOW = Preprocessing(slices=3, rows=ROWS, columns=COLUMNS)


class Brightness(nn.Module):
    """A backbone whose two features are the mean brightness above grey, and below it.

    Its only layer stands for 8 x 8 pixels: channel 0 is how bright a cell is, channel 1 how dark.
    """

    num_features = 2

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.Conv2d(1, 2, CELL, CELL)
        with torch.no_grad():
            self.cells.weight[0] = 1 / CELL**2
            self.cells.weight[1] = -1 / CELL**2
            self.cells.bias.zero_()  # type: ignore[union-attr]
        self.rectify = nn.ReLU()
        self.feature_info = [{"module": "rectify", "reduction": CELL}]

    def forward(self, slices: Tensor) -> Tensor:
        return self.rectify(self.cells(slices)).mean(dim=(2, 3))


class Template(nn.Module):
    """A backbone with one feature: the sum of the greys, each times its weight."""

    num_features = 1

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)
        self.pixels = nn.Conv2d(1, 1, 1)  # a stage to map that leaves all as it is
        with torch.no_grad():
            self.pixels.weight.fill_(1)
            self.pixels.bias.zero_()  # type: ignore[union-attr]
        self.feature_info = [{"module": "pixels", "reduction": 1}]

    def forward(self, slices: Tensor) -> Tensor:
        greys = (self.pixels(slices) + 1) / 2  # undoes what BagClassifier makes of 0..1
        return (greys[:, 0] * self.weights).sum(dim=(1, 2))[:, None]


def bright(positive: int = 1, classes: int = 2, gain: float = 50.0) -> ImagePredictor:
    """Bright is evidence for class `positive`, dark is evidence against it."""
    predictor = _predictor(Brightness(), positive, classes)
    with torch.no_grad():
        predictor.model.head.weight[positive] = torch.tensor([gain, -gain])
    return predictor


def linear(weights: Tensor) -> SliceScorer:
    """A network whose log-odds of class 1 are the sum of greys times `weights`."""
    predictor = _predictor(Template(weights), 1, 2)
    with torch.no_grad():
        predictor.model.head.weight[1] = 1
    return SliceScorer(predictor.model, 1)


def bag(squares: tuple[int, ...] = (1, 2), n: int = 3, **change: object) -> Bag:
    """Grey slices; some have a bright square at `SQUARE` and a dark one in the other corner."""
    pixels = np.full((n, ROWS, COLUMNS), 128, np.uint8)
    for place in squares:
        pixels[place][SQUARE] = 255
        pixels[place, 40:56, 8:24] = 0 + 40 * place  # slice 2 is less dark: more positive
    box = (5, 5 + 2 * ROWS, 7, 7 + 2 * COLUMNS)
    return Bag(pixels, np.arange(n) * 10, box, **change)  # type: ignore[arg-type]


def _predictor(backbone: nn.Module, positive: int, classes: int) -> ImagePredictor:
    names = [f"c{k}" for k in range(classes)]
    seen = TrainedOn(
        dataset="d",
        domain="simulated",
        card_sha256=None,
        manifest_sha256="m",
        split_sha256="s",
        patients={},
        modalities=["CT"],
        kind="volume",
        units="hu",
        manufacturers=[],
        slice_thickness_mm=None,
    )
    bundle = ImageBundle(
        recipe=ImageRecipe(
            architecture=Architecture(backbone="test_efficientnet", top_k=2), preprocessing=HOW
        ),
        classes=names,
        positive=names[positive],
        threshold=Threshold(value=0.5, rule="none", origin="none"),
        trained_on=seen,
    )
    model = BagClassifier(bundle.recipe.architecture, classes, pretrained=False)
    model.backbone = backbone
    model.head = nn.Linear(int(backbone.num_features), classes)  # type: ignore[arg-type]
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
    return ImagePredictor(bundle, model.eval())

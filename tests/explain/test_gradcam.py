"""Grad-CAM: hot where the evidence is by construction, cold elsewhere, and put back in place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from covidx.explain import Heatmap, heatmaps, paste
from covidx.imaging import Bag, Preprocessing
from covidx.inference import ImageBundle, ImagePredictor, ImageRecipe, Threshold, TrainedOn
from covidx.models import Architecture, BagClassifier

ROWS, COLUMNS, CELL = 64, 96, 8
SQUARE = (slice(8, 24), slice(64, 80))  # bright, and positive by construction


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


def make(positive: int = 1, classes: int = 2) -> ImagePredictor:
    """Bright is evidence for class `positive`, dark is evidence against it."""
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
            architecture=Architecture(backbone="test_efficientnet", top_k=2),
            preprocessing=Preprocessing(slices=3, rows=ROWS, columns=COLUMNS),
        ),
        classes=names,
        positive=names[positive],
        threshold=Threshold(value=0.5, rule="none", origin="none"),
        trained_on=seen,
    )
    model = BagClassifier(bundle.recipe.architecture, classes, pretrained=False)
    model.backbone = Brightness()
    model.head = nn.Linear(2, classes)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
        model.head.weight[positive] = torch.tensor([50.0, -50.0])
    return ImagePredictor(bundle, model.eval())


def bag(squares: tuple[int, ...] = (1, 2), n: int = 3) -> Bag:
    """Grey slices; some have a bright square at `SQUARE` and a dark one in the other corner."""
    pixels = np.full((n, ROWS, COLUMNS), 128, np.uint8)
    for place in squares:
        pixels[place][SQUARE] = 255
        pixels[place, 40:56, 8:24] = 0 + 40 * place  # slice 2 is less dark: more positive
    return Bag(pixels, np.arange(n) * 10, (5, 5 + 2 * ROWS, 7, 7 + 2 * COLUMNS))


def maps(predictor: ImagePredictor, of: Bag) -> list[Heatmap]:
    return heatmaps(predictor, of, predictor.score(of))


@pytest.mark.parametrize(("positive", "classes"), [(1, 2), (1, 3), (2, 3)])
def test_the_heat_lies_on_the_evidence(positive: int, classes: int) -> None:
    for found in maps(make(positive, classes), bag()):
        heat = found.heat
        assert heat.shape == (ROWS, COLUMNS) and heat.dtype == np.float32
        assert heat.min() >= 0 and heat.max() == pytest.approx(1, abs=1e-3)
        assert heat[SQUARE].mean() > 0.7
        outside = heat.copy()
        outside[4:28, 60:84] = 0  # a cell's width of interpolation around the square
        assert outside.max() < 0.05
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        assert 8 <= row < 24 and 64 <= column < 80


def test_hiding_the_hot_part_costs_the_evidence() -> None:
    for found in maps(make(), bag()):
        assert found.drop_hot > found.drop_cold and found.drop_hot > 0.5
        assert found.faithful


def test_only_slices_with_a_say_are_shown_the_highest_score_first() -> None:
    predictor, of = make(), bag()
    found = maps(predictor, of)
    assert [m.place for m in found] == [2, 1]  # top_k 2; slice 0 is plain grey
    assert found[0].score > found[1].score
    scores = predictor.score(of)
    assert found[0].score == pytest.approx(scores.slice_probabilities[2, 1])


def test_a_slice_without_any_evidence_is_cold() -> None:
    (found,) = maps(make(), bag(squares=(), n=1))
    assert found.heat.max() == 0 or found.heat.std() == 0
    assert not found.faithful


@pytest.mark.parametrize("value", [0.0, 0.7, np.nan])
def test_a_blank_map_never_passes(value: float) -> None:
    """Its "hot" part is the bottom rows, whose loss may well cost more than that of the top."""
    blank = np.full((ROWS, COLUMNS), value, np.float32)
    assert not Heatmap(0, blank, score=0.9, drop_hot=0.5, drop_cold=0.1).faithful
    blank[3, 4] = 1 if value == 0 else value
    passes = Heatmap(0, blank, score=0.9, drop_hot=0.5, drop_cold=0.1).faithful
    assert passes is (value == 0)


def test_a_map_of_a_real_network_is_finite() -> None:
    predictor = make()
    torch.manual_seed(0)
    real = BagClassifier(predictor.bundle.recipe.architecture, 2, pretrained=False).eval()
    noise = np.random.default_rng(0).integers(0, 255, (3, ROWS, COLUMNS)).astype(np.uint8)
    of = Bag(noise, np.arange(3), (0, ROWS, 0, COLUMNS))
    before = ImagePredictor(predictor.bundle, real).score(of).probabilities
    for found in maps(ImagePredictor(predictor.bundle, real), of):
        assert np.isfinite(found.heat).all() and found.heat.shape == (ROWS, COLUMNS)
    after = ImagePredictor(predictor.bundle, real).score(of).probabilities
    np.testing.assert_array_equal(before, after)  # no hook is left behind


def test_paste_puts_the_map_into_its_box() -> None:
    of = bag()
    heat = np.zeros((ROWS, COLUMNS), np.float32)
    heat[SQUARE] = 1
    whole = paste(heat, of, (150, 250))
    assert whole.shape == (150, 250)
    top, bottom, left, right = of.box
    inside = np.zeros((150, 250), bool)
    inside[top:bottom, left:right] = True
    np.testing.assert_array_equal(np.isnan(whole), ~inside)
    # twice as large: rows 8..23 become 16..47, columns 64..79 become 128..159, from (5, 7) on
    hot = np.argwhere(np.nan_to_num(whole) > 0.5)
    assert hot.min(axis=0).tolist() == [5 + 16, 7 + 128]
    assert hot.max(axis=0).tolist() == [5 + 47, 7 + 159]


def test_paste_of_a_whole_slice_is_the_map() -> None:
    heat = np.random.default_rng(0).random((8, 9)).astype(np.float32)
    of = Bag(np.zeros((1, 8, 9), np.uint8), np.zeros(1, np.int64), (0, 8, 0, 9))
    np.testing.assert_allclose(paste(heat, of, (8, 9)), heat, atol=1e-6)

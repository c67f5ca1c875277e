"""Every method points at the evidence of networks whose evidence is known by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from covidx.errors import InvalidInputError
from covidx.explain import METHODS, Heatmap, heatmaps
from covidx.explain.background import backgrounds, hide
from covidx.explain.cam import stage_of
from covidx.explain.parts import occlusion_maps, path_contributions, smoothed, square_parts
from covidx.explain.scorer import SliceScorer
from covidx.imaging import Bag
from covidx.inference import ImagePredictor
from covidx.models import BagClassifier, make_backbone
from tests.explain.networks import COLUMNS, ROWS, bag, bright, linear


def maps(predictor: ImagePredictor, of: Bag, method: str) -> list[Heatmap]:
    return heatmaps(predictor, of, predictor.score(of), method=method)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_peak_lies_on_the_evidence(method: str) -> None:
    """Bright is positive, dark is negative: the peak is in the bright square, not in the dark."""
    predictor = bright(gain=5.0)
    of = bag()
    if method == "eigen-cam":  # has no class: it finds what varies most, here the brightest cells
        of.pixels[:, 40:56, 8:24] = 128
    for found in maps(predictor, of, method):
        assert found.heat.shape == (ROWS, COLUMNS) and found.heat.dtype == np.float32
        assert np.isfinite(found.heat).all() and found.heat.min() >= 0
        row, column = np.unravel_index(found.heat.argmax(), found.heat.shape)
        assert 4 <= row < 28 and 60 <= column < 84, method  # half a cell of slack


@pytest.mark.parametrize(("positive", "classes"), [(1, 2), (1, 3), (2, 3)])
@pytest.mark.parametrize("method", ["layer-cam", "occlusion", "integrated-gradients"])
def test_the_map_is_of_the_positive_class(method: str, positive: int, classes: int) -> None:
    for found in maps(bright(positive, classes, gain=5.0), bag(), method):
        row, column = np.unravel_index(found.heat.argmax(), found.heat.shape)
        assert 4 <= row < 28 and 60 <= column < 84


def test_occlusion_of_a_linear_network_is_the_sum_of_what_is_hidden() -> None:
    weights, picture, background = torch.rand(3, 12, 8, generator=torch.Generator()) - 0.4
    scorer = linear(weights)
    (found,) = occlusion_maps(scorer, picture[None, None], background[None, None], 4, 4)
    contributions = weights * (picture - background)
    for row in range(0, 12, 4):
        for column in range(0, 8, 4):
            part = np.s_[row : row + 4, column : column + 4]
            expected = max(float(contributions[part].sum()), 0.0)
            np.testing.assert_allclose(found[part], expected, atol=1e-5)


def test_squares_cover_the_picture_and_overlap_as_they_should() -> None:
    parts = square_parts(10, 7, size=6, stride=2)
    assert parts.shape == (5 * 4, 10, 7)
    assert (parts.sum(dim=0) > 0).all()
    inner = parts[2 * 4 + 1]  # middle of rows 4..5, columns 2..3
    assert np.argwhere(inner.numpy() > 0).min(axis=0).tolist() == [2, 0]
    assert np.argwhere(inner.numpy() > 0).max(axis=0).tolist() == [7, 5]


def test_integrated_gradients_of_a_linear_network_are_weights_times_difference() -> None:
    generator = torch.Generator().manual_seed(1)
    weights, picture, background = torch.rand(3, 9, 11, generator=generator) - 0.5
    found = path_contributions(linear(weights), picture[None, None], background[None, None])
    np.testing.assert_allclose(found[0], weights * (picture - background), atol=1e-6)


def test_integrated_gradients_add_up_to_the_difference_in_log_odds() -> None:
    """Completeness (Sundararajan 2017), of a network that is not linear."""
    predictor = bright(gain=5.0)
    slices = torch.from_numpy(bag().pixels[2:]).float()[:, None] / 255
    hidden = backgrounds(slices, None)
    scorer = SliceScorer(predictor.model, 1)
    total = float(path_contributions(scorer, slices, hidden).sum())
    odds = scorer.log_odds(torch.cat([slices, hidden]))
    assert total == pytest.approx(float(odds[0] - odds[1]), abs=0.02)


def test_smoothing_keeps_the_sum_and_spreads_a_point() -> None:
    point = torch.zeros(1, 41, 41)
    point[0, 20, 20] = 1
    (spread,) = smoothed(point, 2.0)
    assert float(spread.sum()) == pytest.approx(1, abs=1e-4)
    # A Gaussian of sigma 2: at 2 pixels exp(-1/2) of the peak.
    assert float(spread[20, 22] / spread[20, 20]) == pytest.approx(np.exp(-0.5), abs=1e-4)


def test_hidden_lung_becomes_the_lungs_median_and_the_rest_a_blur() -> None:
    picture = torch.full((1, 1, 40, 60), 0.8)
    lungs = torch.zeros(1, 40, 60)
    lungs[0, 10:30, 10:30] = 1
    picture[0, 0, 10:30, 10:30] = 0.2
    picture[0, 0, 15:18, 15:18] = 0.6  # an opacity
    (background,) = backgrounds(picture, lungs)
    np.testing.assert_allclose(background[0, 10:30, 10:30], 0.2, atol=1e-6)
    assert 0.2 < float(background[0, 5, 20]) < 0.8  # chest wall, blurred with the lung beside it
    assert float(background[0, 20, 58]) == pytest.approx(0.8, abs=0.01)
    part = torch.zeros(1, 40, 60)
    part[0, 15:18, 15:18] = 1
    (hidden,) = hide(picture[0], background, part)
    np.testing.assert_allclose(hidden[0, 10:30, 10:30], 0.2, atol=1e-6)
    np.testing.assert_array_equal(hidden[0, 35], picture[0, 0, 35])


def test_without_lungs_the_background_keeps_the_mean() -> None:
    picture = torch.rand(2, 1, 40, 60, generator=torch.Generator().manual_seed(0))
    made = backgrounds(picture, None)
    assert made.shape == picture.shape
    assert float(made.std()) < 0.1 * float(picture.std())
    assert float(made.mean()) == pytest.approx(float(picture.mean()), abs=0.03)


@pytest.mark.parametrize("method", ["grad-cam", "layer-cam", "occlusion", "integrated-gradients"])
def test_a_real_network_is_left_as_it_was(method: str) -> None:
    predictor = bright()
    torch.manual_seed(0)
    real = BagClassifier(predictor.bundle.recipe.architecture, 2, pretrained=False).eval()
    noise = np.random.default_rng(0).integers(0, 255, (3, ROWS, COLUMNS)).astype(np.uint8)
    of = Bag(noise, np.arange(3), (0, ROWS, 0, COLUMNS))
    whole = ImagePredictor(predictor.bundle, real)
    before = whole.score(of).probabilities
    for found in maps(whole, of, method):
        assert np.isfinite(found.heat).all() and found.heat.shape == (ROWS, COLUMNS)
    np.testing.assert_array_equal(before, whole.score(of).probabilities)  # no hook is left behind
    assert all(weight.grad is None for weight in real.parameters())


@pytest.mark.parametrize(
    "name", ["tf_efficientnet_lite0", "resnet18", "densenet121", "convnext_atto"]
)
def test_the_stage_that_is_mapped_exists_in_each_backbone(name: str) -> None:
    backbone = make_backbone(name, pretrained=False)
    kept: list[torch.Tensor] = []
    stage_of(backbone, 16).register_forward_hook(lambda _, __, out: kept.append(out))
    with torch.no_grad():
        backbone(torch.zeros(1, 1, 64, 96))
    assert tuple(kept[0].shape[2:]) == (4, 6)  # 64 / 16, 96 / 16


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(InvalidInputError, match="METHOD_UNKNOWN"):
        maps(bright(), bag(), "tea-leaves")


def test_what_a_method_cannot_tell_apart_is_given_in_mm() -> None:
    affine = np.diag([-2.0, -2.0, 5.0, 1.0])
    found = maps(bright(gain=5.0), bag(affine=affine), "grad-cam")[0]
    assert found.cell_mm == pytest.approx((16 * 2 * 2.0, 16 * 2 * 2.0))  # a pixel is 2 x 2 of these
    assert maps(bright(gain=5.0), bag(), "grad-cam")[0].cell_mm is None

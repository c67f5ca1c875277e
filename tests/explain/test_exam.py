"""The exam: what passes by construction passes, what is drawn at random does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from covidx.explain import SCORE_FLOOR, heatmaps
from covidx.explain.exam import (
    HOT_SHARE,
    LEVEL,
    RANDOM_PARTS,
    elsewhere,
    examine,
    hottest,
    share_in,
    with_rim,
)
from covidx.explain.parts import smoothed
from tests.explain.networks import bag, bright, linear

SHAPE = (24, 32)
SPOT = (slice(4, 12), slice(6, 16))


def spot() -> Tensor:
    """80 of 768 pixels: twice the twentieth that the exam hides."""
    weights = torch.zeros(SHAPE)
    weights[SPOT] = 0.1
    return weights


def sit(weights: Tensor, heat: Tensor, score: float = 0.9, lungs: Tensor | None = None):  # type: ignore[no-untyped-def]
    """The exam on a white slice whose background is black."""
    white = torch.ones(1, *SHAPE)
    return examine(linear(weights), white, torch.zeros_like(white), heat, score, lungs)


def test_a_map_of_the_evidence_passes_with_the_fall_worked_out_by_hand() -> None:
    found = sit(spot(), spot())
    assert found.verdict == "passed"
    hidden = round(HOT_SHARE * 24 * 32)  # 38 of the 80 pixels that matter, 0.1 each
    assert found.evidence == pytest.approx(3.8, abs=1e-4) and hidden == 38
    assert found.p == pytest.approx(1 / (RANDOM_PARTS + 1))
    assert found.random_evidence is not None and found.random_evidence[1] < 2
    assert (found.fall, found.rise) == pytest.approx((3.8, 3.8), abs=1e-4)  # it is a sum
    assert "carries 3.80 of log-odds" in found.reason and "not known" in found.reason


class _EitherOfTwo:
    """Log-odds of 4 where one of two lesions is there, and of 4 where both are."""

    def log_odds(self, slices: Tensor) -> Tensor:
        first, second = slices[:, 0, 4:8, 6:14], slices[:, 0, 14:18, 20:28]
        return 4 * torch.maximum(first.mean(dim=(1, 2)), second.mean(dim=(1, 2)))


def test_one_of_two_lesions_carries_evidence_though_hiding_it_loses_none() -> None:
    heat = torch.zeros(SHAPE)
    heat[4:8, 6:14] = 1.0
    white = torch.ones(1, *SHAPE)
    found = examine(_EitherOfTwo(), white, torch.zeros_like(white), heat, 0.9)  # type: ignore[arg-type]
    assert (found.fall, found.rise, found.evidence) == pytest.approx((0, 4, 2), abs=1e-5)
    assert found.verdict == "passed"


def test_no_more_is_hidden_than_has_heat() -> None:
    heat = torch.zeros(SHAPE)
    heat[5, 7:10] = 1.0  # three of the pixels that matter, 0.1 each
    assert sit(spot(), heat).evidence == pytest.approx(0.3, abs=1e-4)


def test_a_map_of_the_opposite_fails() -> None:
    found = sit(-spot(), spot())
    assert found.verdict == "cannot tell"  # hiding all of it raises the score too
    mixed = -spot()
    mixed[16:, 20:] = 0.2
    found = sit(mixed, spot())
    assert found.verdict == "failed"
    assert found.reason == "The hot part does not speak for the class (-3.80 of log-odds)."


def test_a_map_beside_the_evidence_fails() -> None:
    found = sit(spot(), spot().roll((12, 14), dims=(0, 1)))
    assert found.verdict == "failed" and found.evidence == pytest.approx(0, abs=1e-5)


def test_evidence_that_is_everywhere_points_nowhere() -> None:
    """The hot part carries evidence, but no more than as much elsewhere."""
    found = sit(torch.full(SHAPE, 0.01), spot())
    assert found.verdict == "failed" and found.evidence == pytest.approx(0.38, abs=1e-4)
    assert found.p == 1 and "50 of 50 parts" in found.reason


def test_maps_drawn_at_random_pass_as_often_as_the_level_says() -> None:
    """300 maps without any tie to the network: at most about 5 % may pass."""
    generator = torch.Generator().manual_seed(4)
    weights = smoothed(torch.randn(1, *SHAPE, generator=generator), 2.0)[0]
    weights += 0.2 * weights.std()  # evidence for the class as a whole
    noise = smoothed(torch.randn(300, *SHAPE, generator=generator), 2.0).clamp(min=0)
    passed = sum(sit(weights, heat).verdict == "passed" for heat in noise)
    # Of 300 draws with a chance of 0.05 more than 26 come up in 0.2 %.
    assert passed <= 26
    assert sit(weights, weights.clamp(min=0)).verdict == "passed"


def test_a_map_outside_of_the_lungs_fails_though_it_carries_the_evidence() -> None:
    """As of a network that reads a marker in the corner."""
    lungs = torch.zeros(SHAPE)
    lungs[14:, :] = 1
    found = sit(spot(), spot(), lungs=lungs)
    assert found.verdict == "failed" and found.in_lungs == 0 and found.hot_in_lungs == 0
    assert found.reason == "100% of the hot part lies outside of the lungs."
    found = sit(spot(), spot(), lungs=1 - lungs)
    assert found.verdict == "passed" and found.in_lungs == pytest.approx(1)
    assert found.lung_area == pytest.approx(14 / 24)
    assert "not known" not in found.reason


def test_the_rim_of_the_lungs_counts_as_lung() -> None:
    """A hot part on the chest wall right beside the lung, as of a lesion at the pleura."""
    lungs = torch.zeros(SHAPE)
    lungs[:, 16:] = 1  # the hot part is in columns 6 to 15; a rim of round(32 / 28) = 1 pixel
    assert with_rim(lungs)[:, 15:].min() == 1 and with_rim(lungs)[:, :15].max() == 0
    # Of the hot part, rows 4 to 6 and eight columns of row 7, three pixels reach it.
    assert sit(spot(), spot(), lungs=lungs).hot_in_lungs == pytest.approx(3 / 38)
    lungs[:, 9:] = 1
    found = sit(spot(), spot(), lungs=lungs)
    assert found.hot_in_lungs == pytest.approx((3 * 8 + 6) / 38)
    assert found.verdict == "passed"


def test_a_slice_below_the_floor_has_no_evidence_and_nothing_is_hidden() -> None:
    found = sit(spot(), spot(), score=SCORE_FLOOR - 0.001)
    assert found.verdict == "no evidence" and found.evidence is None
    assert found.reason == "The slice scores 0.049, below 0.05."
    assert sit(spot(), spot(), score=SCORE_FLOOR).verdict == "passed"


def test_an_empty_map_cannot_tell() -> None:
    found = sit(spot(), torch.zeros(SHAPE))
    assert found.verdict == "cannot tell" and found.p is None


@pytest.mark.parametrize("value", [0.7, float("nan")])
def test_a_map_of_one_value_has_no_hot_part_and_cannot_tell(value: float) -> None:
    exam = sit(spot(), torch.full(SHAPE, value))
    assert exam.verdict == "cannot tell" and exam.evidence is None


def test_the_parts_elsewhere_are_of_one_size_and_none_is_the_part_itself() -> None:
    part = hottest(spot(), HOT_SHARE)
    assert int(part.sum()) == 38
    moved = elsewhere(part, RANDOM_PARTS)
    assert moved.shape == (RANDOM_PARTS, *SHAPE)
    assert moved.sum(dim=(1, 2)).unique().tolist() == [38]
    assert (moved * part).sum(dim=(1, 2)).max() <= 3.8  # a tenth: elsewhere
    assert torch.equal(moved, elsewhere(part, RANDOM_PARTS))  # the same at each call
    assert len({tuple(one.flatten().tolist()) for one in moved}) > 40


def test_the_hottest_part_has_its_size_even_where_all_pixels_are_equal() -> None:
    assert int(hottest(torch.ones(10, 10), 0.1).sum()) == 10
    assert share_in(torch.zeros(3, 3), torch.ones(3, 3)) is None
    assert share_in(torch.eye(4), torch.ones(4, 4).triu(1)) == 0


def test_heat_is_in_log_odds_and_its_peak_is_what_hiding_the_hot_part_costs() -> None:
    predictor = bright(gain=5.0)
    of = bag()
    for found in heatmaps(predictor, of, predictor.score(of)):
        assert found.verdict == "passed"
        assert found.heat.max() == pytest.approx(found.exam.evidence, rel=1e-5)


def test_no_colour_below_the_floor() -> None:
    """Whatever draws a map of a slice without evidence, there is nothing to draw."""
    predictor = bright(gain=100.0)
    of = bag(squares=(), n=3)
    of.pixels[:, 40:56, 8:24] = 0  # dark: evidence against the class
    found = heatmaps(predictor, of, predictor.score(of))
    assert found and all(one.score < SCORE_FLOOR for one in found)
    assert all(one.verdict == "no evidence" and not one.heat.any() for one in found)


def test_only_slices_with_a_say_are_mapped_the_highest_score_first() -> None:
    predictor, of = bright(gain=5.0), bag()
    scores = predictor.score(of)
    found = heatmaps(predictor, of, scores)
    assert [one.place for one in found] == [2, 1]  # top_k 2; slice 0 is plain grey
    assert found[0].score > found[1].score
    assert found[0].score == pytest.approx(scores.slice_probabilities[2, 1])


def test_the_level_is_reached_by_50_random_parts() -> None:
    assert 1 / (RANDOM_PARTS + 1) < LEVEL
    assert np.isclose(LEVEL, 0.05)

"""Figures of a run: pointing game, distances, shares, and the one scale."""

from __future__ import annotations

import numpy as np
import pytest

from covidx.constants import EVIDENCE_FLOOR
from covidx.evaluate import wilson
from covidx.explain import Heatmap, Scale, TopMap, Verdict, run_figures, verdict_counts
from covidx.explain.exam import Exam
from covidx.explain.pointing import Pointing, pointing
from covidx.imaging import Bag

AFFINE = np.diag([-2.0, -3.0, 5.0, 1.0])
SHAPE = (4, 20, 30)


def one(verdict: Verdict = "passed", peak: float = 1.0, in_lungs: float | None = 0.9) -> Heatmap:
    heat = np.full((20, 30), peak, np.float32)
    return Heatmap(0, heat, 0.9, Exam(verdict, "made up", in_lungs=in_lungs, lung_area=0.5))


def pointed(row: int, column: int, lungs: np.ndarray | None = None) -> Pointing:
    """A map with one hot pixel on slice 1, where rows 5..9 and columns 10..14 are lesion."""
    lesions = np.zeros(SHAPE, bool)
    lesions[1, 5:10, 10:15] = True
    heat = np.full((20, 30), 0.1, np.float32)
    heat[row, column] = 1.1
    of = Bag(np.zeros((1, 20, 30), np.uint8), np.array([1]), (0, 20, 0, 30), AFFINE)
    found = Heatmap(0, heat, 0.9, Exam("passed", "made up"))
    return pointing(found, of, lesions, lungs)


def test_a_peak_in_the_lesion_by_hand() -> None:
    found = pointed(7, 12)
    assert found.inside and found.near and found.distance_mm == 0
    assert found.lesion_area == pytest.approx(25 / 600) and found.chance == pytest.approx(25 / 600)
    assert found.in_lesions == pytest.approx((1.1 + 24 * 0.1) / (1.1 + 599 * 0.1))
    # The hottest 1 % are 6 pixels: the peak, and of equal ones the first in order, in row 0.
    assert found.iou[0] == pytest.approx(1 / (25 + 6 - 1))


def test_a_peak_beside_the_lesion_is_so_many_mm_away() -> None:
    found = pointed(13, 18)  # 4 rows of 3 mm and 4 columns of 2 mm from row 9, column 14
    assert not found.inside and found.distance_mm == pytest.approx(np.hypot(12, 8))
    assert found.near  # 14.4 mm
    assert not pointed(19, 29).near


def test_chance_is_the_share_of_the_lungs_that_is_ill() -> None:
    lungs = np.zeros(SHAPE, bool)
    lungs[1, :10, :] = True
    assert pointed(7, 12, lungs).chance == pytest.approx(25 / 300)


def test_a_withheld_map_is_a_miss_and_a_map_without_evidence_is_not_tried() -> None:
    inside, beside = pointed(7, 12), pointed(13, 18)
    tops = [
        TopMap(one(), inside, True),
        TopMap(one(), beside, True),
        TopMap(one("failed"), inside, True),  # points, but nobody is shown it
        TopMap(one("cannot tell", in_lungs=None), None, True),
        TopMap(one("passed")),  # not a true positive
        TopMap(one("no evidence")),
    ]
    found = run_figures(tops)
    assert found["pointing_game"].value == 1 / 4 and found["pointing_game"].n == 4
    assert (found["pointing_game"].low, found["pointing_game"].high) == wilson(1, 4)
    assert found["pointing_within_15_mm"].value == 2 / 4
    assert found["passed"].value == 3 / 5 and found["passed"].n == 5
    assert found["attention_in_lungs"].value == pytest.approx(0.9)
    assert found["attention_in_lungs"].n == 4
    assert found["pointing_by_chance"].n == 3
    assert found["pointing_distance_mm"].reason == "fewer than 6 values"
    assert verdict_counts([top.heatmap for top in tops]) == {
        "passed": 3, "failed": 1, "no evidence": 1, "cannot tell": 1
    }  # fmt: skip


def test_the_median_distance_and_its_interval() -> None:
    places = [(7, 12)] * 5 + [(9 + rows, 14) for rows in (1, 2, 3, 4, 5, 6)]
    tops = [TopMap(one(), pointed(*place), True) for place in places]
    found = run_figures(tops)["pointing_distance_mm"]
    assert found.value == 3 and found.n == 11  # 0, 0, 0, 0, 0, 3, 6, ...
    # Conover: of 11 the 2nd and the 10th, which hold the median in 98.8 %.
    assert (found.low, found.high) == (0, 15)


def test_no_figure_without_a_reason() -> None:
    found = run_figures([TopMap(one("no evidence", in_lungs=None))])
    assert {estimate.n for estimate in found.values()} == {0}
    assert all(estimate.reason for estimate in found.values())


def test_one_scale_for_a_run_set_by_maps_that_passed() -> None:
    maps = [one(peak=peak) for peak in np.linspace(0, 2, 101)]
    scale = Scale.of([*maps, one("failed", peak=50)])
    assert scale.floor == EVIDENCE_FLOOR and scale.top == pytest.approx(1.9)
    assert Scale.of([one("failed", peak=50)]).top == 1
    assert Scale.of([one(peak=0.01)]).top == 2 * EVIDENCE_FLOOR
    shown = Scale(0.1, 1.1).colours(np.array([np.nan, 0.1, 0.6, 3], np.float32))
    assert np.isnan(shown[0]) and shown[1:].tolist() == [0, 0.5, 1]

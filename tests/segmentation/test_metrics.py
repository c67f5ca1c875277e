"""Agreement of masks: answers worked out by hand, and MONAI's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from covidx.errors import InvalidInputError
from covidx.segmentation import compare_masks, dice, surface_distances

Mask = NDArray[np.bool_]
UNIT = (1.0, 1.0, 1.0)


def cube(shift: int = 0, size: int = 4) -> Mask:
    """A cube in the middle of 16 x 16 x 16 voxels, moved along the columns."""
    mask = np.zeros((16, 16, 16), np.bool_)
    mask[6 : 6 + size, 6 : 6 + size, 6 + shift : 6 + shift + size] = True
    return mask


def test_a_mask_with_itself() -> None:
    scores = compare_masks(cube(), cube(), UNIT, tolerance_mm=0.0)
    assert (scores.dice, scores.nsd, scores.hd95_mm) == (1.0, 1.0, 0.0)
    assert (scores.volume_error_ml, scores.volume_error_pct) == (0.0, 0.0)
    assert (scores.lesions, scores.lesions_found, scores.false_positives) == (1, 1, 0)


def test_a_cube_moved_by_one_voxel() -> None:
    # 64 voxels each, 48 in common; 56 of each are border, all but the inner 8.
    scores = compare_masks(cube(1), cube(), (1.0, 1.0, 2.0), tolerance_mm=1.9)
    assert scores.dice == 48 / 64
    assert scores.volume_ml == scores.truth_ml == 64 * 2 / 1000
    there, back = surface_distances(cube(1), cube(), (1.0, 1.0, 2.0))
    assert len(there) == len(back) == 56
    # The far face: 16 voxels at 2 mm. The near face: its 12 rim voxels on the other's sides, its 4
    # inner ones inside, 1 mm (rows, slices) from a side.
    assert sorted(there) == [0.0] * 36 + [1.0] * 4 + [2.0] * 16
    assert scores.nsd == 40 / 56
    assert scores.hd95_mm == 2.0
    assert compare_masks(cube(1), cube(), (1.0, 1.0, 2.0), tolerance_mm=2.0).nsd == 1.0


@pytest.mark.parametrize(("axis", "mm"), [(0, 5.0), (1, 0.5), (2, 2.0)])
def test_distances_are_in_mm_along_each_axis(axis: int, mm: float) -> None:
    one, other = np.zeros((8, 8, 8), np.bool_), np.zeros((8, 8, 8), np.bool_)
    one[2, 2, 2] = True
    place = [2, 2, 2]
    place[axis] += 3
    other[tuple(place)] = True
    scores = compare_masks(one, other, (5.0, 0.5, 2.0), tolerance_mm=3 * mm - 0.1)
    assert scores.hd95_mm == 3 * mm
    assert scores.nsd == 0.0


def test_hd95_leaves_out_the_farthest_twentieth() -> None:
    truth = np.zeros((1, 1, 200), np.bool_)
    truth[0, 0, :100] = True  # a line: every voxel is border
    found = truth.copy()
    found[0, 0, 103] = True  # one of 101 voxels lies 4 mm off
    scores = compare_masks(found, truth, UNIT, tolerance_mm=1.0)
    assert scores.hd95_mm == 0.0
    assert scores.nsd == pytest.approx(200 / 201)
    assert scores.volume_error_pct == pytest.approx(1.0)


def test_lesions_one_by_one() -> None:
    truth, found = np.zeros((1, 9, 20), np.bool_), np.zeros((1, 9, 20), np.bool_)
    truth[0, 1:3, 1:3] = True
    truth[0, 3, 3] = True  # by its corner: the same lesion
    truth[0, 6, 6] = True
    truth[0, 1:3, 12:14] = True
    found[0, 2, 2:14] = True  # one piece touches two lesions
    found[0, 8, 19] = found[0, 8, 17] = True  # two touch none
    scores = compare_masks(found, truth, UNIT, tolerance_mm=1.0)
    assert (scores.lesions, scores.lesions_found, scores.false_positives) == (3, 2, 2)


EMPTY = np.zeros((16, 16, 16), np.bool_)


def test_rules_for_empty_masks() -> None:
    both = compare_masks(EMPTY, EMPTY, UNIT, tolerance_mm=1.0)
    assert (both.dice, both.nsd, both.hd95_mm) == (1.0, 1.0, 0.0)
    assert (both.volume_error_ml, both.volume_error_pct) == (0.0, 0.0)
    assert (both.lesions, both.false_positives) == (0, 0)
    invented = compare_masks(cube(), EMPTY, UNIT, tolerance_mm=1.0)
    assert (invented.dice, invented.nsd, invented.false_positives) == (0.0, 0.0, 1)
    assert invented.volume_error_ml == 0.064
    assert math.isnan(invented.hd95_mm) and math.isnan(invented.volume_error_pct)
    missed = compare_masks(EMPTY, cube(), UNIT, tolerance_mm=1.0)
    assert (missed.dice, missed.nsd, missed.lesions, missed.lesions_found) == (0.0, 0.0, 1, 0)
    assert (missed.volume_error_ml, missed.volume_error_pct) == (-0.064, -100.0)
    assert math.isnan(missed.hd95_mm)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_as_monai(seed: int) -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("monai.metrics")
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    spacing = (3.0, 0.7, 1.3)
    found, truth = (
        ndimage.gaussian_filter(rng.standard_normal((14, 20, 18)), 2.0) > 0.02 for _ in range(2)
    )
    scores = compare_masks(found, truth, spacing, tolerance_mm=2.0)
    one, other = (torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (found, truth))
    monai = {
        "dice": metrics.compute_dice(one, other),
        "nsd": metrics.compute_surface_dice(one, other, [2.0], True, spacing=spacing),
        "hd95_mm": metrics.compute_hausdorff_distance(
            one, other, include_background=True, percentile=95, spacing=spacing
        ),
    }
    for name, value in monai.items():
        assert getattr(scores, name) == pytest.approx(float(value), rel=1e-5), name


ILL = [
    (cube(), cube()[:8], UNIT, 1.0, "MASKS_DIFFER"),
    (cube().astype(np.uint8), cube().astype(np.uint8), UNIT, 1.0, "MASKS_DIFFER"),
    (cube()[0], cube()[0], UNIT, 1.0, "MASKS_DIFFER"),
    (cube(), cube(), (1.0, 1.0), 1.0, "MASK_SPACING"),
    (cube(), cube(), (1.0, 0.0, 1.0), 1.0, "MASK_SPACING"),
    (cube(), cube(), UNIT, -1.0, "TOLERANCE_RANGE"),
    (cube(), cube(), UNIT, math.nan, "TOLERANCE_RANGE"),
]


@pytest.mark.parametrize(("found", "truth", "spacing", "tolerance", "code"), ILL)
def test_what_is_no_pair_of_masks_is_refused(
    found: Mask, truth: Mask, spacing: tuple[float, float, float], tolerance: float, code: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        compare_masks(found, truth, spacing, tolerance_mm=tolerance)
    assert caught.value.code == code


def test_dice_of_half_and_nothing() -> None:
    assert dice(np.array([True, True]), np.array([False, True])) == 2 / 3
    assert dice(np.array([True, False]), np.array([False, True])) == 0.0


def test_a_single_slice_has_its_border_in_the_plane() -> None:
    truth, found = (np.zeros((1, 20, 20), bool) for _ in range(2))
    truth[0, 4:14, 4:14] = True
    found[0, 4:14, 8:18] = True  # four pixels aside
    scores = compare_masks(found, truth, (1.0, 1.0, 1.0), tolerance_mm=1.0)
    assert scores.hd95_mm == pytest.approx(4.0)
    # A square of 10 has 36 border pixels.
    there, back = surface_distances(found, truth, (1.0, 1.0, 1.0))
    assert len(there) == len(back) == 36
    assert scores.nsd == pytest.approx(np.mean([*(there <= 1), *(back <= 1)]))
    assert scores.nsd < 0.6

"""The volume: what it refuses, and that turning it moves no voxel in space."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from covidx.errors import InvalidSeriesError
from covidx.volume import Volume

ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4)  # (slices, rows, columns)
AFFINE = np.diag([0.5, 0.75, 2.0, 1.0])
GOOD: dict[str, Any] = {
    "array": ARRAY,
    "modality": "CT",
    "units": "hu",
    "geometry": "proven",
    "affine": AFFINE,
}
FLAT, TWIN, SHORT = AFFINE.copy(), AFFINE.copy(), AFFINE.copy()
FLAT[:, 2] = 0
TWIN[:3, 1] = TWIN[:3, 0]
SHORT[0, 0] = np.nan

ORIENTATIONS = [
    "".join(letters) for order in permutations(("RL", "AP", "SI")) for letters in product(*order)
]


def placed(codes: str, shape: tuple[int, int, int] = (2, 3, 4)) -> Volume:
    """A volume whose columns, rows and slices run towards the three `codes`."""
    turned = nib.orientations.axcodes2ornt(codes)
    affine = np.zeros((4, 4))
    for axis, ((world, sign), mm) in enumerate(zip(turned, (0.5, 0.75, 2.0), strict=True)):
        affine[int(world), axis] = sign * mm
    affine[:, 3] = (-7, 11, 130, 1)
    return Volume(np.arange(24, dtype=np.int16).reshape(shape), "CT", "hu", "proven", affine)


def world(volume: Volume) -> dict[int, tuple[float, ...]]:
    """Value -> position of its voxel in mm."""
    assert volume.affine is not None
    found = {}
    for (slice_, row, column), value in np.ndenumerate(volume.array):
        place = volume.affine @ (column, row, slice_, 1)
        found[int(value)] = tuple(np.round(place[:3], 6))
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"array": ARRAY[0]},
        {"array": ARRAY[:0]},
        {"array": ARRAY > 3},
        {"array": ARRAY.astype(complex)},
        {"array": np.full((1, 2, 2), np.nan)},
        {"array": np.full((1, 2, 2), np.inf, np.float32)},
        {"units": "HU"},
        {"geometry": "guessed"},
        {"affine": None},
        {"geometry": "none"},
        {"affine": np.eye(3)},
        {"affine": FLAT},
        {"affine": TWIN},
        {"affine": SHORT},
    ],
)
def test_contradictions_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidSeriesError, match="VOLUME_INVALID"):
        Volume(**(GOOD | {"array": ARRAY.copy()} | change))


def test_a_volume_cannot_be_changed() -> None:
    volume = Volume(**(GOOD | {"array": ARRAY.copy(), "affine": AFFINE.copy()}))
    assert volume.affine is not None
    for part in (volume.array, volume.affine):
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 1


def test_the_affine_given_stays_the_callers() -> None:
    mine = AFFINE.copy()
    volume = Volume(**(GOOD | {"affine": mine}))
    mine[0, 0] = 9
    assert volume.affine is not None and volume.affine[0, 0] == 0.5


def test_spacing_and_voxel_volume() -> None:
    volume = placed("SAR")  # columns run up, rows forward, slices to the right
    assert volume.spacing_mm == (2.0, 0.75, 0.5)
    assert volume.voxel_ml == pytest.approx(0.5 * 0.75 * 2.0 / 1000)


def test_shear_does_not_change_the_volume_of_a_voxel() -> None:
    tilted = AFFINE.copy()
    tilted[1, 2] = 1.5  # slices shifted against each other, as by a gantry tilt
    volume = Volume(**(GOOD | {"affine": tilted}))
    assert volume.voxel_ml == pytest.approx(0.5 * 0.75 * 2.0 / 1000)
    assert volume.spacing_mm == pytest.approx((2.5, 0.75, 0.5))


def test_without_geometry_nothing_is_known() -> None:
    volume = Volume(ARRAY, "OT", "display", "none")
    assert (volume.spacing_mm, volume.voxel_ml, volume.slice_position_mm(0)) == (None, None, None)
    assert volume.canonical() is volume


def test_unproven_geometry_is_not_turned() -> None:
    volume = Volume(**(GOOD | {"geometry": "spacing_only"}))
    assert volume.canonical() is volume and volume.slice_position_mm(0) is None


def test_there_are_48_orientations() -> None:
    assert len(set(ORIENTATIONS)) == 48


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_turning_moves_no_voxel(codes: str) -> None:
    volume = placed(codes)
    turned = volume.canonical()
    assert turned.affine is not None
    assert nib.orientations.aff2axcodes(turned.affine) == ("L", "P", "S")
    assert world(turned) == world(volume)
    steps = [abs(step) for step in turned.array.strides]
    assert steps == sorted(steps, reverse=True)  # slices lie together in memory
    # nibabel turns to RAS; LPS has its first two axes the other way round.
    xyz = nib.Nifti1Image(volume.array.transpose(2, 1, 0), volume.affine)
    theirs = np.asarray(nib.as_closest_canonical(xyz).dataobj)
    np.testing.assert_array_equal(turned.array, theirs[::-1, ::-1].transpose(2, 1, 0))


def test_turning_twice_is_turning_once() -> None:
    once = placed("SAR").canonical()
    np.testing.assert_array_equal(once.canonical().array, once.array)


def test_height_of_a_slice_is_that_of_its_middle() -> None:
    tilted = np.diag([1.0, 1.0, 5.0, 1.0])
    tilted[2, 1] = 0.1  # rows climb
    volume = Volume(np.zeros((3, 11, 5), np.int16), "CT", "hu", "proven", tilted)
    assert volume.slice_position_mm(2) == pytest.approx(2 * 5 + 0.1 * 5)

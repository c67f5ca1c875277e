"""Volume to bag: refusals, orientation, window, slabs and crop by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from covidx.errors import InvalidInputError
from covidx.imaging import Bag, Preprocessing, prepare, prepare_mask, window
from covidx.volume import Volume

from .conftest import box_volume, chest

SMALL = Preprocessing(slices=4, rows=32, columns=48)
SLICE = Preprocessing(input="slice", slices=1, rows=32, columns=32)


def turned(volume: Volume, order: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
    """The same image on a grid whose axes are transposed and flipped."""
    assert volume.affine is not None
    affine = volume.affine.copy()
    array = np.array(volume.array)
    for axis in [a for a, flip in enumerate(flips) if flip]:  # (slices, rows, columns)
        array = np.flip(array, axis)
        column = 2 - axis  # of the affine: (column, row, slice)
        affine[:, 3] += affine[:, column] * (array.shape[axis] - 1)
        affine[:, column] *= -1
    array = array.transpose(order)
    columns = [2 - order[2 - c] for c in range(3)]
    affine[:, :3] = affine[:, columns]
    return Volume(np.ascontiguousarray(array), "CT", "hu", "proven", affine)


def same(one: Bag, other: Bag) -> bool:
    return (
        one.box == other.box
        and np.array_equal(one.slices, other.slices)
        and np.array_equal(one.pixels, other.pixels)
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"modality": "MR"}, "NOT_CT"),
        ({"units": "unproven"}, "HU_UNPROVEN"),
        ({"units": "display"}, "HU_UNPROVEN"),
        ({"geometry": "spacing_only"}, "GEOMETRY_UNPROVEN"),
        ({"geometry": "none", "affine": None}, "GEOMETRY_UNPROVEN"),
        ({"array": np.zeros((7, 120, 120), np.int16)}, "SINGLE_SLICE"),
        ({"array": np.zeros((1, 120, 120), np.int16)}, "SINGLE_SLICE"),
        ({"array": np.zeros((10, 120, 120), np.int16)}, "NO_LUNGS"),
        ({"modality": "MR", "array": np.zeros((1, 9, 9), np.int16)}, "NOT_CT"),
    ],
)
def test_what_is_no_ct_volume_is_refused(change: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInputError, match=code):
        prepare(replace(box_volume(), **change), SMALL)


def test_the_box_is_that_of_the_lungs_and_its_margin() -> None:
    bag = prepare(box_volume(), SMALL)  # rows 30..89, columns 20..99, margin 6 mm = 3 pixels
    assert bag.box == (27, 93, 17, 103)
    assert bag.pixels.shape == (4, 32, 48) and bag.pixels.dtype == np.uint8
    assert bag.slices.tolist() == [0, 3, 6, 9]


def test_a_crop_ends_at_the_picture() -> None:
    volume = box_volume()
    assert volume.affine is not None
    bag = prepare(volume, SMALL.model_copy(update={"margin_mm": 500.0}))
    assert bag.box == (0, 120, 0, 120)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_bag_does_not_depend_on_the_grids_orientation(order: tuple[int, ...]) -> None:
    volume = chest("A")
    wanted = prepare(volume, SMALL)
    for flips in product((False, True), repeat=3):
        assert same(prepare(turned(volume, order, flips), SMALL), wanted), flips


def test_the_first_column_is_the_patients_right() -> None:
    hu = np.array(box_volume().array)
    hu[:, 40:80, 22:48] = -500 + 1  # the lung of the first columns, denser
    bag = prepare(replace(box_volume(), array=hu), SMALL)
    right = bag.pixels[:, 8:24, 4:20].mean()
    left = bag.pixels[:, 8:24, 28:44].mean()
    assert right > left + 20  # columns run from right to left in `box_volume`


@pytest.mark.parametrize("drift", [-1e-7, 0.0, 1e-7])
@pytest.mark.parametrize(("spacing", "margin"), [(0.8, 6.0), (1.0, 2.5), (2.0, 6.0)])
def test_the_last_digit_of_a_spacing_does_not_move_the_crop(
    drift: float, spacing: float, margin: float
) -> None:
    """NIfTI keeps an affine in 32 bits: 0.8 mm comes back as 0.800000012."""
    how = SMALL.model_copy(update={"margin_mm": margin, "slab_mm": 200.0})

    def of(by: float) -> Bag:
        mm = spacing * (1 + by)
        return prepare(box_volume(mm=(100 * (1 + by), mm, mm)), how)

    assert same(of(drift), of(0.0))


def slab(slices: int, mm: float, thickness: float) -> Callable[[int], NDArray[np.float64]]:
    """Grey expected of a slice when its neighbours within half a slab are averaged."""
    values = -1000.0 + 20 * np.arange(slices) ** 2

    def of(index: int) -> NDArray[np.float64]:
        near = [i for i in range(slices) if abs(i - index) * mm <= thickness / 2 + 1e-9]
        return np.asarray(values[near].mean())

    return of


@pytest.mark.parametrize(("mm", "thickness"), [(1.0, 5.0), (5.0, 5.0), (1.25, 5.0), (3.0, 5.0)])
def test_thin_slices_are_averaged_over_a_slab(mm: float, thickness: float) -> None:
    n = 12
    hu = np.array(box_volume(n).array)
    hu[:, 40:80, 25:45] = (-1000 + 20 * np.arange(n) ** 2)[:, None, None]
    hu[hu > 0] = 40
    volume = replace(box_volume(n, mm=(mm, 2.0, 2.0)), array=hu)
    big = np.diag([-8.0, -8.0, mm, 1.0])  # pixels of 8 mm: enough lung in thin slices
    volume = replace(volume, affine=big)
    how = Preprocessing(
        slices=n, rows=60, columns=80, slab_mm=thickness, margin_mm=0, level=-400, width=3000
    )
    bag = prepare(volume, how)
    assert bag.slices.tolist() == list(range(n))
    raw = np.where(hu[:, 60, 35] > 0, 40.0, hu[:, 60, 35])
    for index in range(n):
        near = [i for i in range(n) if abs(i - index) * mm <= thickness / 2 + 1e-9]
        grey = (raw[near].mean() - -1900) / 3000 * 255
        # rows 30..89 and columns 20..99 fill 60 x 80 pixels: nothing is resampled
        assert bag.pixels[index, 30, 15] == pytest.approx(grey, abs=0.51)


def test_a_short_scan_gives_each_slice_once() -> None:
    bag = prepare(box_volume(9), SMALL.model_copy(update={"slices": 16}))
    assert bag.slices.tolist() == list(range(9)) and len(bag.pixels) == 9


def test_slices_with_a_sliver_of_lung_are_left_out() -> None:
    hu = np.array(box_volume(12).array)
    hu[:2, 30:90, 20:50] = hu[:2, 30:90, 70:100] = 40
    hu[:2, 30:34, 20:50] = -800  # 3 % of the area of the others
    bag = prepare(replace(box_volume(12), array=hu), SMALL)
    assert bag.slices.tolist() == [2, 5, 8, 11]


def test_one_lung_is_enough() -> None:
    hu = np.array(box_volume(20).array)
    hu[:, 30:90, 20:50] = 40
    assert prepare(replace(box_volume(20), array=hu), SMALL).box == (27, 93, 67, 103)


def test_black_outside_the_lungs() -> None:
    hu = np.array(box_volume().array)
    hu[1:, 50:60, 30:40] = 40  # consolidation within a lung stays to be seen
    full = Preprocessing(slices=4, rows=60, columns=80, margin_mm=0)
    alone = full.model_copy(update={"lungs_only": True})
    volume = replace(box_volume(), array=hu)
    shown, bag = prepare(volume, full), prepare(volume, alone)
    assert bag.box == shown.box == (30, 90, 20, 100)
    lungs = np.zeros((60, 80), bool)
    lungs[:, :30] = lungs[:, 50:] = True
    np.testing.assert_array_equal(bag.pixels, np.where(lungs, shown.pixels, 0))
    assert (bag.pixels[1:, 20:30, 10:20] > 200).all() and (shown.pixels[:, :, 35:45] > 200).all()


@pytest.mark.parametrize("taken", ["slice", "radiograph"])
def test_lungs_are_looked_for_in_volumes_alone(taken: str) -> None:
    with pytest.raises(ValidationError, match="lungs_only is for volumes"):
        Preprocessing(input=taken, lungs_only=True)  # type: ignore[arg-type]


def test_a_picture_is_taken_whole_and_its_greys_are_kept() -> None:
    picture = np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))[None]
    bag = prepare(Volume(picture, "CT", "display", "none"), SLICE)
    assert bag.box == (0, 32, 0, 32) and bag.slices.tolist() == [0]
    np.testing.assert_array_equal(bag.pixels, picture)


def test_a_single_ct_slice_goes_through_the_window() -> None:
    slice_ = np.full((1, 40, 40), -600, np.int16)
    bag = prepare(Volume(slice_, "CT", "hu", "proven", np.eye(4)), SLICE)
    assert bag.pixels.shape == (1, 32, 32) and set(np.unique(bag.pixels)) <= {127, 128}


def test_window_by_hand() -> None:
    greys = window(np.array([-2000, -1350, -1275, -600, 75, 150, 3000]), -600, 1500)
    assert greys.dtype == np.float32
    np.testing.assert_allclose(greys, [0, 0, 0.05, 0.5, 0.95, 1, 1], atol=1e-6)


@pytest.mark.parametrize("change", [{"slices": 0}, {"rows": 8}, {"width": 0}, {"windows": 1}])
def test_preprocessing_refuses_nonsense(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Preprocessing(**change)


FILM = Preprocessing(input="radiograph", slices=1, rows=32, columns=32)


def single(modality: str, units: str = "display") -> Volume:
    greys = np.tile(np.linspace(0, 255, 40, dtype=np.uint8), (30, 1))[None]
    return Volume(greys, modality, units, "none")  # type: ignore[arg-type]


@pytest.mark.parametrize("modality", ["CR", "DX", "OT"])
def test_a_radiograph_is_taken_whole(modality: str) -> None:
    bag = prepare(single(modality), FILM)
    assert bag.box == (0, 30, 0, 40) and bag.pixels.shape == (1, 32, 32)
    assert (np.diff(bag.pixels[0, 5].astype(int)) > 0).all()  # left stays left, dark stays dark


@pytest.mark.parametrize(
    ("volume", "how", "code"),
    [
        (single("CT"), FILM, "NOT_RADIOGRAPH"),
        (single("MR"), FILM, "NOT_RADIOGRAPH"),
        (chest(), FILM, "NOT_RADIOGRAPH"),
        (single("DX"), SLICE, "NOT_CT"),
        (single("CR"), SMALL, "NOT_CT"),
    ],
)
def test_the_other_modality_is_refused(volume: Volume, how: Preprocessing, code: str) -> None:
    with pytest.raises(InvalidInputError, match=code):
        prepare(volume, how)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True)])
def test_a_mask_lands_on_the_pixels_of_its_image(
    order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    plain = box_volume()
    place = np.zeros(plain.array.shape, np.bool_)  # an L between the lungs, in four slices
    place[2:6, 32:60, 52:56] = place[2:6, 54:60, 52:66] = True
    hu = np.array(plain.array)
    hu[place] = 1360
    volume = turned(replace(plain, array=hu), order, flips)
    mask = turned(replace(plain, array=place.astype(np.int16)), order, flips).canonical()
    # Bone is black, the L white; three slices of 10 mm are averaged.
    how = SMALL.model_copy(update={"level": 880.0, "width": 960.0, "slab_mm": 20.0})
    bag = prepare(volume, how)
    shares = prepare_mask(mask.array > 0, volume, bag, how)
    assert shares.shape == bag.pixels.shape and shares.dtype == np.float32
    np.testing.assert_allclose(shares * 255, bag.pixels, atol=0.51)
    assert shares.max() == pytest.approx(1) and 0 < np.count_nonzero(
        shares.mean(axis=(1, 2))
    ) < len(shares)


def test_a_mask_of_a_radiograph_goes_its_way() -> None:
    volume = single("DX")
    mask = np.zeros((1, 30, 40), np.bool_)
    mask[:, :15, 30:] = True  # a corner
    shares = prepare_mask(mask, volume, prepare(volume, FILM), FILM)
    assert shares.shape == (1, 32, 32)
    assert shares[0, :15, 25:].min() == pytest.approx(1) and shares[0, 17:].max() == 0
    assert shares[0, :, :23].max() == 0

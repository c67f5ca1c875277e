"""A map lies where its evidence lies: on the slice, in mm, and on the source's grid."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from nibabel.eulerangles import euler2mat

from covidx.explain import Heatmap, heat_volume, paste
from covidx.explain.exam import Exam
from covidx.explain.placing import bag_affine
from covidx.imaging import Bag, Preprocessing
from covidx.volume import Volume

PASSED = Exam("passed", "made up")
HOW = Preprocessing(slices=4, rows=32, columns=32)


def test_paste_puts_the_map_into_its_box() -> None:
    of = Bag(np.zeros((1, 64, 96), np.uint8), np.array([0]), (5, 133, 7, 199))
    heat = np.zeros((64, 96), np.float32)
    heat[8:24, 64:80] = 1
    whole = paste(heat, of, (150, 250))
    inside = np.zeros((150, 250), bool)
    inside[5:133, 7:199] = True
    np.testing.assert_array_equal(np.isnan(whole), ~inside)
    # twice as large: rows 8..23 become 16..47, columns 64..79 become 128..159, from (5, 7) on
    hot = np.argwhere(np.nan_to_num(whole) > 0.5)
    assert hot.min(axis=0).tolist() == [5 + 16, 7 + 128]
    assert hot.max(axis=0).tolist() == [5 + 47, 7 + 159]


def test_paste_of_a_whole_slice_is_the_map() -> None:
    heat = np.random.default_rng(0).random((8, 9)).astype(np.float32)
    of = Bag(np.zeros((1, 8, 9), np.uint8), np.zeros(1, np.int64), (0, 8, 0, 9))
    np.testing.assert_allclose(paste(heat, of, (8, 9)), heat, atol=1e-6)


def test_the_affine_of_a_map_by_hand() -> None:
    """1 mm voxels from 0; the box begins at column 10 and row 20, a pixel of the map is 4 x 2."""
    of = Bag(np.zeros((2, 8, 8), np.uint8), np.array([3, 6]), (20, 36, 10, 42), np.eye(4))
    affine = bag_affine(of, 1, (8, 8), slices=3)
    assert affine is not None
    # Columns 10..13 have their middle at 11.5, rows 20..21 at 20.5, the slab lies about slice 6.
    np.testing.assert_allclose(affine @ [0, 0, 0, 1], [11.5, 20.5, 6, 1])
    np.testing.assert_allclose(affine @ [7, 7, 0, 1], [39.5, 34.5, 6, 1])
    np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), [4, 2, 3])
    assert bag_affine(replace(of, affine=None), 1, (8, 8)) is None


@pytest.mark.parametrize(
    "codes",
    [
        "".join(pair[sign] for pair, sign in zip(order, signs, strict=True))
        for order in permutations(("RL", "AP", "SI"))
        for signs in product((0, 1), repeat=3)
    ],
)
def test_a_landmark_keeps_its_place_in_every_orientation(codes: str) -> None:
    """A volume of each of the 48 orientations, oblique: its hottest voxel is the landmark."""
    shape = (24, 40, 32)  # canonical: (slices, rows, columns)
    turn = euler2mat(x=np.deg2rad(7))
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.8, -0.9, 3.0])  # columns to the left, rows to the back
    affine[:3, 3] = [12.0, -30.0, 7.5]
    landmark = (9, 22, 13)  # (slice, row, column)
    place_mm = affine @ [landmark[2], landmark[1], landmark[0], 1]
    upright = Volume(np.zeros(shape, np.int16), "CT", "hu", "proven", affine)
    turned = _in_orientation(upright, codes)
    assert "".join(nib.orientations.aff2axcodes(turned.affine)) == codes
    # One pixel of the bag a voxel: the box holds it at (22 - 4, 13 - 3).
    of = Bag(np.zeros((2, 32, 24), np.uint8), np.array([4, 9]), (4, 36, 3, 27), affine)
    heat = np.zeros((32, 24), np.float32)
    heat[22 - 4, 13 - 3] = 2.5
    one = Heatmap(1, heat, 0.9, PASSED, affine=bag_affine(of, 1, (32, 24)))
    made = heat_volume([one], of, turned, HOW)
    assert made.array.shape == turned.array.shape and made.array.dtype == np.float32
    np.testing.assert_array_equal(made.affine, turned.affine)
    found = np.unravel_index(made.array.argmax(), made.array.shape)
    np.testing.assert_allclose(turned.affine @ [*found[::-1], 1], place_mm, atol=1e-9)
    assert made.array.max() == pytest.approx(2.5) and np.count_nonzero(made.array) == 1
    assert one.affine is not None
    np.testing.assert_allclose(one.affine @ [13 - 3, 22 - 4, 0, 1], place_mm, atol=1e-9)


def _in_orientation(volume: Volume, codes: str) -> Volume:
    image = nib.nifti1.Nifti1Image(volume.array.transpose(2, 1, 0), volume.affine)
    change = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(image.affine), nib.orientations.axcodes2ornt(codes)
    )
    moved = image.as_reoriented(change)
    array = np.asarray(moved.dataobj).transpose(2, 1, 0)
    return Volume(array, "CT", "hu", "proven", moved.affine)


def test_a_slab_of_thin_slices_has_the_map_in_each_of_them() -> None:
    """A slab of 5 mm of slices 1 mm apart averages five of them; where two meet, the greater."""
    volume = Volume(
        np.zeros((20, 16, 16), np.int16), "CT", "hu", "proven", np.diag([-1, -1, 1, 1.0])
    )
    of = Bag(np.zeros((2, 16, 16), np.uint8), np.array([5, 9]), (0, 16, 0, 16), volume.affine)
    maps = [
        Heatmap(place, np.full((16, 16), peak, np.float32), 0.9, PASSED)
        for place, peak in ((0, 1.0), (1, 2.0))
    ]
    made = heat_volume(maps, of, volume, HOW).array[:, 8, 8]
    np.testing.assert_array_equal(np.nonzero(made)[0], np.arange(3, 12))
    assert made[3:7].tolist() == [1, 1, 1, 1] and made[7:12].tolist() == [2] * 5


def test_a_map_that_failed_is_left_out() -> None:
    volume = Volume(np.zeros((9, 16, 16), np.int16), "CT", "hu", "proven", np.eye(4))
    of = Bag(np.zeros((2, 16, 16), np.uint8), np.array([2, 6]), (0, 16, 0, 16), volume.affine)
    failed, unclear = Exam("failed", "as much elsewhere"), Exam("cannot tell", "all alike")
    heat = np.ones((16, 16), np.float32)
    maps = [Heatmap(0, heat, 0.9, failed), Heatmap(1, heat, 0.9, unclear)]
    made = heat_volume(maps, of, volume, HOW).array
    assert not made[2].any() and made[6].all()


def test_a_picture_has_no_place_but_a_map() -> None:
    volume = Volume(np.zeros((1, 16, 20), np.uint8), "OT", "display", "none")
    of = Bag(np.zeros((1, 8, 10), np.uint8), np.array([0]), (0, 16, 0, 20))
    one = Heatmap(0, np.ones((8, 10), np.float32), 0.9, PASSED)
    how = Preprocessing(input="slice", slices=1, rows=32, columns=32)
    made = heat_volume([one], of, volume, how)
    assert made.array.shape == (1, 16, 20) and made.geometry == "none"
    np.testing.assert_allclose(made.array, 1, atol=1e-6)

"""Right and left lung: by hand, on the phantom, and beside masks of real patients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from covidx.errors import InvalidInputError
from covidx.ingest import read_series
from covidx.segmentation import dice, drop_small_pieces, field_flags, segment_lungs
from covidx.volume import Volume

from .conftest import ct, round_chest, round_labels, scan


def changed(hu: NDArray[np.int16]) -> Volume:
    return replace(round_chest(), array=hu)


def test_two_half_discs_are_found_to_the_voxel() -> None:
    np.testing.assert_array_equal(segment_lungs(round_chest()), round_labels())


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(), (0,), (2,), (0, 1, 2)])
def test_sides_are_the_patients_in_any_order_of_voxels(
    order: tuple[int, int, int], flips: tuple[int, ...]
) -> None:
    volume, labels = round_chest(), round_labels()
    axes = [2 - i for i in reversed(order)]  # of the affine: (column, row, slice)
    array = np.flip(volume.array.transpose(order), flips)
    assert volume.affine is not None
    affine = volume.affine.copy()
    affine[:, :3] = affine[:, axes]
    for i in flips:
        affine[:3, 3] += affine[:3, 2 - i] * (array.shape[i] - 1)
        affine[:3, 2 - i] *= -1
    turned = replace(volume, array=array.copy(), affine=affine)
    wanted = np.flip(labels.transpose(order), flips)
    np.testing.assert_array_equal(segment_lungs(turned), wanted)


def test_a_fine_grid_is_thinned_and_its_border_drawn_on_it() -> None:
    labels = round_labels().repeat(2, axis=1).repeat(2, axis=2)
    labels[:, 60:180, 98:100] = 1  # two fine columns more, one coarse
    hu = np.asarray(round_chest().array).repeat(2, axis=1).repeat(2, axis=2)
    hu[labels > 0] = -800
    hu[:, 60:180, 99] = 40  # and half of it is wall
    labels[:, 60:180, 99] = 0
    result = segment_lungs(Volume(hu, "CT", "hu", "proven", np.diag([-1.0, -1.0, 10.0, 1.0])))
    assert (result[:, 62:178, 98] == 1).all() and not result[:, 70:170, 99].any()
    assert dice(result > 0, labels > 0) > 0.998  # corners of the coarse border are closed


@pytest.mark.parametrize("fine", [1, 3])
def test_pieces_small_beside_the_largest_are_dropped(fine: int) -> None:
    labels = round_labels().repeat(fine, axis=1).repeat(fine, axis=2)
    specks = labels.copy()
    specks[:, : 9 * fine, : 9 * fine] = 2
    drop_small_pieces(specks, (5.0, 2.0 / fine, 2.0 / fine))
    np.testing.assert_array_equal(specks, labels)
    half = np.where(labels == 1, 1, 0).astype(np.uint8)
    half[: len(half) // 5, :, 80 * fine :] = labels[: len(half) // 5, :, 80 * fine :]
    full = half.copy()
    drop_small_pieces(half, (5.0, 2.0 / fine, 2.0 / fine))
    np.testing.assert_array_equal(half, full)  # a fifth of a lung is no speck


def test_contrast_medium_in_the_vessels_leaves_the_lungs() -> None:
    plain = ct(scan(1))
    hu = plain.array.copy()
    blood = (hu > 30) & (hu < 80)
    hu[blood] += 250
    assert blood.mean() > 0.05
    result, without = (segment_lungs(one) for one in (replace(plain, array=hu), plain))
    assert dice(result == 1, without == 1) > 0.99
    assert dice(result == 2, without == 2) > 0.99


def test_lungs_that_touch_are_parted_where_they_touch() -> None:
    hu = np.array(round_chest().array)
    hu[2:7, 25:28, 50:70] = -800  # 6 mm high, from lung to lung
    result, truth = segment_lungs(changed(hu)), round_labels()
    assert (result[2:7, 25:28, 50:60] == 1).all() and (result[2:7, 25:28, 60:70] == 2).all()
    np.testing.assert_array_equal(result[:, 32:], truth[:, 32:])


def test_one_lung_alone_is_not_parted() -> None:
    hu = np.array(round_chest(20).array)
    hu[:, :, 60:110] = 40
    with pytest.raises(InvalidInputError, match="LUNGS_NOT_SEPARATED"):
        segment_lungs(changed(hu))
    result = segment_lungs(changed(hu), sides=False)
    np.testing.assert_array_equal(result, np.where(round_labels(20) == 1, 1, 0))


def test_the_trachea_and_its_branches_are_left_out() -> None:
    hu = np.array(round_chest().array)
    hu[4:, 50:58, 56:64] = -1000  # 16 x 16 mm, down to between the lungs
    hu[3, 50:58, 48:72] = -1000  # divides, and runs into both lungs
    result = segment_lungs(changed(hu))
    assert not result[4:, :, 52:68].any()
    np.testing.assert_array_equal(result[4:], round_labels()[4:])


def notched() -> NDArray[np.int16]:
    """A notch in the right lung's medial side, 14 mm high, which the closing would fill."""
    hu = np.array(round_chest().array)
    hu[:, 51:58, 43:50] = 40
    return hu


def test_an_airway_in_a_notch_of_the_lung_is_left_out() -> None:
    hu = notched()
    hu[4:, 53:57, 44:48] = -1000
    result = segment_lungs(changed(hu))
    assert (result[:4, 53:57, 44:46] == 1).all()
    assert not result[4:, 53:57, 44:48].any()


def test_a_tongue_of_one_lung_in_a_notch_of_the_other_keeps_its_side() -> None:
    hu = notched()
    hu[:, 53:57, 45:75] = -800
    result = segment_lungs(changed(hu))
    assert (result[:, 53:57, 45:75] == 2).all()


@pytest.mark.parametrize(("hu", "filled"), [(40, True), (200, False)])
def test_a_dent_of_consolidation_is_filled_and_one_of_bone_is_not(hu: int, filled: bool) -> None:
    array = np.array(round_chest(20).array)
    array[8:11, 52:68, 20:28] = hu  # 32 x 16 mm, at the wall; 30 mm high
    assert (segment_lungs(changed(array))[8:11, 54:66, 21:27] == 1).mean() == filled


def test_gas_in_the_bowel_and_in_the_table_is_no_lung() -> None:
    hu = np.array(round_chest().array)
    hu[0, 102:108, 45:75] = -900
    hu[:, 116:117, 30:90] = 200
    hu[:, 117:119, 30:90] = -900
    hu[:, 116:119, [30, 89]] = hu[:, 119, 30:90] = 200
    np.testing.assert_array_equal(segment_lungs(changed(hu)), round_labels())


def test_a_solid_focus_is_lung_and_the_top_of_the_diaphragm_is_not() -> None:
    hu = np.array(round_chest().array)
    hu[3:5, 50:70, 25:45] = 40  # 40 mm wide, with lung above and beneath
    hu[:3, 50:70, 75:95] = 40  # comes up from beneath the scan
    result, truth = segment_lungs(changed(hu)), round_labels()
    truth[:3, 50:70, 75:95] = 0
    np.testing.assert_array_equal(result == 1, truth == 1)
    assert not result[:3, 53:67, 78:92].any()
    assert dice(result == 2, truth == 2) > 0.996  # corners are closed


@pytest.mark.parametrize("index", [1, 2, 3])
def test_sides_of_the_phantom(index: int) -> None:
    truth, result = scan(index).lung, segment_lungs(ct(scan(index)))
    for side in (1, 2):
        assert dice(result == side, truth == side) > 0.96


def test_consolidation_at_the_pleura_is_lung() -> None:
    phantom = scan(3)
    side = phantom.lung == 1
    columns = np.indices(side.shape)[2]
    # A ball of 18 mm about the outermost voxel of the right lung's middle slice.
    middle = side.shape[0] // 2
    assert phantom.affine[0, 0] < 0  # columns run to the left
    outermost = np.where(side[middle], columns[middle], 999)
    row, column = np.unravel_index(outermost.argmin(), outermost.shape)
    grid = phantom.grid
    steps = np.array([grid.step_mm, grid.pixel_mm, grid.pixel_mm])
    away = (np.indices(side.shape).T - (middle, row, column)) * steps
    ball = (np.linalg.norm(away, axis=-1).T <= 18.0) & side
    hu = phantom.hu.copy()
    hu[ball] = 30
    result = segment_lungs(replace(ct(phantom), array=hu))
    assert (result[ball] == 1).mean() > 0.75
    before = segment_lungs(ct(phantom))
    added = np.count_nonzero(result & ~ball) - np.count_nonzero(before & ~ball)
    assert added < 0.01 * np.count_nonzero(before)  # the wall is no lung


REAL = ["id001", "id002", "id003", "id004"]


@pytest.mark.parametrize("name", REAL)
def test_overlap_with_masks_of_real_patients(shared: Path, name: str) -> None:
    image = nib.load(shared / "ct-volumes" / f"{name}-128x128x64.nii.gz")
    mask = nib.load(shared / "ct-volumes" / f"{name}-128x128x64-msk.nii.gz")
    hu = np.asarray(image.dataobj).transpose(2, 1, 0)  # (slices, rows, columns)
    truth = np.asarray(mask.dataobj).transpose(2, 1, 0) > 127  # 0..255, interpolated
    affine = np.asarray(image.affine)
    result = segment_lungs(Volume(hu.astype(np.float32), "CT", "hu", "proven", affine))
    assert dice(result > 0, truth) > 0.97
    x = np.einsum("i,i...->...", affine[0, 2::-1], np.indices(result.shape))
    assert x[result == 1].mean() > x[result == 2].mean() + 80  # RAS: the right lung


def test_an_abdomen_has_no_lungs(shared: Path) -> None:
    with pytest.raises(InvalidInputError, match="NO_LUNGS"):
        segment_lungs(read_series(shared / "dicom" / "abdomen-ct-siemens"))


@pytest.mark.parametrize("disc", [False, True])
@pytest.mark.parametrize("padding", [-1024, -2000])
def test_lungs_that_the_field_of_view_cuts(disc: bool, padding: int) -> None:
    """The middle 120 mm of a body with lungs to 80 mm: each reaches the edge at its own side."""
    whole = round_chest()
    hu = np.array(whole.array)[:, 30:90, 30:90]
    y, x = (np.indices((60, 60)) - 29.5) / 29.5
    if disc:
        hu[:, y**2 + x**2 > 1] = padding
    with pytest.raises(InvalidInputError, match="LUNGS_CUT") as caught:
        segment_lungs(replace(whole, array=hu))
    assert "cuts the lungs (right, left" in caught.value.message
    ml = float(caught.value.message.split("about ")[1].split(" ml")[0])
    inside = (round_labels()[0, 30:90, 30:90] > 0) & ((y**2 + x**2 <= 1) | (not disc))
    assert ml == pytest.approx(10 * inside.sum() * 2 * 2 * 10 / 1000, abs=1)


def test_a_mask_of_cut_lungs_has_a_flag_in_any_orientation() -> None:
    whole = round_chest()
    assert field_flags(whole) == []
    assert field_flags(replace(whole, array=np.full((10, 60, 60), 40, np.int16))) == []
    hu = np.array(whole.array)[:, 20:100, 30:70]  # the right lung to 60 mm, and the middle
    assert whole.affine is not None
    turned = Volume(
        hu.transpose(0, 2, 1).copy(), "CT", "hu", "proven", whole.affine[:, [1, 0, 2, 3]]
    )
    for volume in (replace(whole, array=hu), turned):
        [flag] = field_flags(volume)
        assert flag.startswith("the field of view cuts the lungs (right): about ")


def test_one_lung_that_is_cut_is_no_failed_separation() -> None:
    volume = round_chest(30)
    hu = np.array(volume.array)[:, 20:100, 15:80]  # the left lung to 40 mm, the body to its edge
    hu[:, (np.indices((80, 65)) == 0).any(axis=0)] = 40
    with pytest.raises(InvalidInputError, match="LUNGS_CUT") as caught:
        segment_lungs(replace(volume, array=hu))
    assert "(left)" in caught.value.message


def test_air_around_a_body_that_the_field_of_view_cuts_is_no_lung() -> None:
    """Muscle alone, wider than the field of view, with a blanket of -900 HU upon it."""
    hu = np.full((10, 120, 120), 40, np.int16)
    hu[:, :40], hu[:, 40:43] = -1000, -900
    with pytest.raises(InvalidInputError, match="NO_LUNGS"):
        segment_lungs(replace(round_chest(), array=hu))


ILL = [
    ("NOT_CT", {"modality": "MR"}),
    ("SINGLE_SLICE", {"array": round_chest(7).array}),
    ("GEOMETRY_UNPROVEN", {"geometry": "spacing_only"}),
    ("HU_UNPROVEN", {"units": "unproven"}),
    ("NO_LUNGS", {"array": np.full((10, 120, 120), 40, np.int16)}),
]


@pytest.mark.parametrize(("code", "change"), ILL, ids=[code for code, _ in ILL])
def test_what_is_no_chest_ct_is_refused(code: str, change: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        segment_lungs(replace(round_chest(), **change))  # type: ignore[arg-type]
    assert caught.value.code == code

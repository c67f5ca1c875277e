"""The classical lung mask: against the phantom's truth, real masks, and bodies without lungs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from covidx.errors import InvalidInputError
from covidx.imaging import lung_mask
from covidx.ingest import Identities, read_images
from covidx.volume import Volume

from .conftest import box_volume, chest, scan


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@pytest.mark.parametrize("scanner", ["A", "B", "C"])
def test_dice_with_the_lungs_of_the_phantom(scanner: str) -> None:
    found = lung_mask(chest(scanner))
    assert dice(found, scan(scanner).lung > 0) > 0.97


def test_two_boxes_are_found_to_the_voxel() -> None:
    volume = box_volume()
    wanted = np.asarray(volume.array) == -800
    np.testing.assert_array_equal(lung_mask(volume), wanted)


def test_a_fine_grid_is_thinned_and_laid_back() -> None:
    volume = box_volume(mm=(60.0, 1.0, 1.0))  # thinned by 2 in the plane
    found = lung_mask(volume)
    assert found.shape == volume.array.shape
    assert dice(found, np.asarray(volume.array) == -800) > 0.97


def test_a_vessel_in_the_lung_is_closed_and_a_bowel_loop_left_out() -> None:
    hu = np.array(box_volume().array)
    hu[:, 60:62, 30:32] = 40  # 4 mm
    hu[3, 95:100, 50:60] = -900  # gas, 0.4 % of a lung
    found = lung_mask(replace(box_volume(), array=hu))
    assert found[:, 60:62, 30:32].all() and not found[3, 95:100, 50:60].any()


def test_a_table_under_the_patient_is_no_lung() -> None:
    hu = np.array(box_volume().array)
    hu[:, 114:116] = 200  # a shell between the body and the edge
    np.testing.assert_array_equal(
        lung_mask(replace(box_volume(), array=hu)), np.asarray(box_volume().array) == -800
    )


@pytest.mark.parametrize("inside", [40, -900])
def test_a_body_without_lungs_says_so(inside: int) -> None:
    hu = np.full((10, 120, 120), -1000, np.int16)
    hu[:, 10:110, 10:110] = 40
    hu[:, 50:60, 50:60] = inside  # at most 40 ml of gas
    with pytest.raises(InvalidInputError, match="NO_LUNGS") as caught:
        lung_mask(replace(box_volume(), array=hu))
    assert caught.value.actual == ("40 ml" if inside < 0 else "0 ml")


def test_an_abdomen_has_no_lungs(shared: Path) -> None:
    folder = shared / "dicom" / "abdomen-ct-siemens"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    (image,) = read_images(folder, identities=Identities.public())
    with pytest.raises(InvalidInputError, match="NO_LUNGS"):
        lung_mask(image.volume.canonical())


@pytest.mark.parametrize("name", ["id001", "id002", "id003", "id004"])
def test_overlap_with_masks_of_real_patients(shared: Path, name: str) -> None:
    image = nib.load(shared / "ct-volumes" / f"{name}-128x128x64.nii.gz")
    mask = nib.load(shared / "ct-volumes" / f"{name}-128x128x64-msk.nii.gz")
    hu = np.asarray(image.dataobj).transpose(2, 1, 0)  # (slices, rows, columns)
    truth = np.asarray(mask.dataobj).transpose(2, 1, 0) > 127  # 0..255, interpolated
    affine = np.asarray(image.affine)
    found = lung_mask(Volume(hu.astype(np.float32), "CT", "hu", "proven", affine))
    assert dice(found, truth) > 0.9

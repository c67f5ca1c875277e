"""Against what covidx did not write: ground truths, dcm2niix, real scanners' files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from covidx.errors import CovidxError
from covidx.ingest import Identities, Rules, from_nibabel, read_images, read_series

from .test_reference_files import same_after_reorienting

REFUSED = [
    ("philips-localizer/I10", "LOCALIZER"),
]


@pytest.mark.parametrize(("name", "code"), REFUSED)
def test_refused(shared: Path, name: str, code: str) -> None:
    with pytest.raises(CovidxError) as caught:
        read_series(shared / "dicom" / name)
    assert caught.value.code == code


def test_mixed_orientations_are_two_volumes(shared: Path) -> None:
    folder = shared / "dicom/conversion/failing/sliceorientation/001"
    images = list(read_images(folder, identities=Identities.public()))
    assert [image.volume.array.shape[0] for image in images] == [2, 2]


@pytest.mark.parametrize("name", ["chest-ct-two-kernels", "abdomen-ct-siemens"])
def test_against_dcm2niix(shared: Path, tmp_path: Path, name: str) -> None:
    tool = shutil.which("dcm2niix")
    if tool is None:
        pytest.skip("dcm2niix is not installed")
    source = shared / "dicom" / name
    # Without UIDs dcm2niix may tell series apart by file; both series are compared.
    subprocess.run(
        [tool, "-z", "n", "-b", "n", "-f", "%s", "-o", tmp_path, source],
        check=True,
        capture_output=True,
    )
    theirs = [nib.load(path) for path in sorted(tmp_path.glob("*.nii"))]
    images = list(read_images(source, identities=Identities.public(), rules=Rules(all_series=True)))
    assert len(images) == len(theirs)
    for image, other in zip(_by_mean(images), sorted(theirs, key=_spread), strict=True):
        same_after_reorienting(image.volume, other)


def _by_mean(images: list[Any]) -> list[Any]:
    return sorted(images, key=lambda image: image.volume.array.std())


def _spread(image: Any) -> float:
    return float(np.asarray(image.dataobj).std())


def test_two_kernels_give_one_image(shared: Path) -> None:
    reader = read_images(shared / "dicom/chest-ct-two-kernels", identities=Identities.public())
    [image] = reader
    assert image.fields["kernel"] == "B40f"
    assert "B40f) before series" in image.receipt.series
    assert image.volume.units == "hu"
    assert image.volume.spacing_mm == (8.0, 0.646484375, 0.646484375)
    assert reader.quarantine["code"].tolist() == ["SERIES_NOT_CHOSEN"] * 30
    assert set(reader.quarantine["reason"]).pop().endswith("since its kernel is softer.")


def test_single_slices_of_covid_patients(shared: Path) -> None:
    images = list(read_images(shared / "dicom/covid-ct-slices", identities=Identities.public()))
    assert len(images) == 20
    assert {image.fields["kind"] for image in images} == {"slice"}
    assert {image.volume.units for image in images} == {"hu"}
    assert len({image.fields["patient_id"] for image in images}) == 10
    for image in images:
        assert np.percentile(image.volume.array, 10) <= -900  # air around the patient
        assert np.mean(np.abs(image.volume.array) < 150) > 0.1  # fat and muscle


def test_monochrome1_copy_is_the_negative_of_its_original(shared: Path) -> None:
    folder = shared / "dicom/cxr"
    fake = read_series(folder / "Fake_MONOHR1.dcm")
    [other] = [path for path in folder.glob("*.dcm") if path.name != "Fake_MONOHR1.dcm"]
    original = read_series(other)
    assert original.array.dtype == np.uint8
    assert original.spacing_mm == pytest.approx((1, 0.168, 0.168))
    np.testing.assert_array_equal(fake.array, 255 - original.array)


def test_dose_page_and_localizers_are_set_aside(shared: Path) -> None:
    reader = read_images(shared / "dicom/philips-exam-summary", identities=Identities.public())
    assert not list(reader)
    assert sorted(reader.quarantine["code"]) == [
        "DICOMDIR",
        "DOSE_REPORT",
        "LOCALIZER",
        "LOCALIZER",
        "SECONDARY_CAPTURE",
        "SECONDARY_CAPTURE",
    ]


def test_real_nifti_is_a_ct(shared: Path) -> None:
    path = shared / "ct-volumes" / "chest-example-3mm.nii.gz"
    volume = read_series(path)
    assert (volume.modality, volume.units, volume.array.dtype) == ("CT", "hu", np.int16)
    image = nib.load(path)
    assert volume.array[5, 6, 7] == np.asarray(image.dataobj)[7, 6, 5]
    np.testing.assert_allclose(volume.affine, image.affine)
    again, _ = from_nibabel(image)
    np.testing.assert_array_equal(again.array, volume.array)

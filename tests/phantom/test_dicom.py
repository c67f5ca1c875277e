"""What is written is DICOM as in life, and the masks lie on it."""

import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from nibabel.orientations import aff2axcodes

from covidx.phantom import SCANNERS, render

from .conftest import Read

Masks = dict[str, tuple[nib.Nifti1Image, nib.Nifti1Image]]

SYNTAX = {
    "A": "1.2.840.10008.1.2.1",  # explicit VR little endian
    "B": "1.2.840.10008.1.2",  # implicit VR little endian
    "C": "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
}
AXES = {"A": "LPS", "B": "RPI", "C": "LPS"}
"""Towards where columns, rows and slices run in the patient, by scanner."""


def test_all_three_scanners_are_written(studies: dict[str, Read]) -> None:
    assert {r.patient.scanner for r in studies.values()} == set(SCANNERS)
    for read in studies.values():
        scanner = SCANNERS[read.patient.scanner]
        first = read.series[0]
        assert first.Manufacturer == scanner.manufacturer
        assert first.file_meta.TransferSyntaxUID == SYNTAX[scanner.key]
        assert aff2axcodes(read.affine) == tuple(AXES[scanner.key])
        assert (first.RescaleType, first.BodyPartExamined) == ("HU", "CHEST")


def test_voxels_survive_the_writing(studies: dict[str, Read]) -> None:
    for read in studies.values():
        scan = render(read.patient)
        inside = read.hu > -1024  # all but the padding
        np.testing.assert_array_equal(read.hu[inside], scan.hu[inside])
        np.testing.assert_allclose(read.affine, scan.affine, atol=1e-4)


def test_masks_lie_on_the_dicom_grid(studies: dict[str, Read], masks: Masks) -> None:
    for name, read in studies.items():
        for mask in masks[name]:
            assert mask.shape == read.hu.shape[::-1]
            np.testing.assert_allclose(mask.affine, read.affine, atol=1e-3)
        lung = np.asarray(masks[name][0].dataobj).T  # (slices, rows, columns)
        assert np.median(read.hu[lung > 0]) < -700
        centre = [nib.affines.apply_affine(read.affine, np.argwhere(s == lung.T)) for s in (1, 2)]
        assert centre[0][:, 0].mean() > 0 > centre[1][:, 0].mean()  # RAS: right is positive


def test_landmark_is_left_front_and_up(studies: dict[str, Read], masks: Masks) -> None:
    for name, read in studies.items():
        lung = np.argwhere(np.asarray(masks[name][0].dataobj) > 0)
        middle = nib.affines.apply_affine(read.affine, lung).mean(0)
        metal = nib.affines.apply_affine(read.affine, np.argwhere(read.hu.T > 1500)).mean(0)
        right, front, up = metal - middle
        assert right < -40
        assert front > 50
        assert up > 20
        # The truth is in LPS; a slice 7 mm away may hold part of the sphere.
        expected = np.array(read.patient.anatomy.landmark) * (-1, -1, 1)
        np.testing.assert_allclose(metal, expected, atol=4.0)


def test_instance_numbers_run_from_head_or_feet(studies: dict[str, Read]) -> None:
    for read in studies.values():
        by_number = sorted(read.series, key=lambda d: int(d.InstanceNumber))
        heights = [float(d.ImagePositionPatient[2]) for d in by_number]
        head_first = SCANNERS[read.patient.scanner].head_first_numbers
        assert heights == sorted(heights, reverse=head_first)
        assert [int(d.InstanceNumber) for d in by_number] == list(range(1, len(by_number) + 1))


def test_localizer_and_dose_page_lie_in_each_study(studies: dict[str, Read]) -> None:
    for read in studies.values():
        extra = [d for d in read.files if d not in read.series]
        kinds = [
            d.SOPClassUID.name if d.Modality == "SR" or "LOCALIZER" not in d.ImageType else "loc"
            for d in extra
        ]
        dose = "X-Ray Radiation Dose SR Storage"
        if read.patient.scanner != "A":
            dose = "Secondary Capture Image Storage"
        assert sorted(kinds) == sorted(["loc", dose])
        assert len({d.StudyInstanceUID for d in read.files}) == 1
        assert len({d.SOPInstanceUID for d in read.files}) == len(read.files)


def test_names_tell_nothing(cohort: Path) -> None:
    paths = [p for p in (cohort / "dicom").rglob("*") if p.is_file()]
    assert all("PH0" not in str(p.relative_to(cohort)) for p in paths)
    assert any(p.suffix == "" for p in paths)
    for folder in (cohort / "dicom").iterdir():
        sets = [pydicom.dcmread(p, stop_before_pixels=True) for p in sorted(folder.iterdir())]
        numbers = [int(d.InstanceNumber) for d in sets]
        assert numbers != sorted(numbers)


@pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="dcm2niix is not installed")
@pytest.mark.parametrize("key", sorted(SCANNERS))
def test_dcm2niix_agrees(
    key: str, cohort: Path, studies: dict[str, Read], masks: Masks, tmp_path: Path
) -> None:
    read = next(r for r in studies.values() if r.patient.scanner == key)
    name = read.patient.patient_id
    folder = next(
        f
        for f in (cohort / "dicom").iterdir()
        if pydicom.dcmread(next(f.iterdir()), stop_before_pixels=True).PatientID == name
    )
    # Many builds of dcm2niix know no JPEG-LS: give them the series decompressed.
    plain = tmp_path / "plain"
    plain.mkdir()
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            dataset.decompress()
        dataset.save_as(plain / path.name)
    command = ["dcm2niix", "-z", "n", "-f", "s%s", "-o", str(tmp_path), str(plain)]
    subprocess.run(command, capture_output=True, check=True)
    theirs = nib.as_closest_canonical(nib.load(tmp_path / "s3.nii"))
    mask = nib.as_closest_canonical(masks[name][0])
    np.testing.assert_allclose(theirs.affine, mask.affine, atol=2e-3)
    ours = nib.as_closest_canonical(nib.Nifti1Image(read.hu.T, read.affine))
    voxels = np.maximum(np.asarray(theirs.dataobj), -1024)
    np.testing.assert_array_equal(voxels, np.asarray(ours.dataobj))


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_errors(cohort: Path) -> None:
    for folder in (cohort / "dicom").iterdir():
        shown = set()
        for path in sorted(folder.iterdir()):
            series = pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID
            if series in shown:
                continue
            shown.add(series)
            command = ["dciodvfy", "-new", str(path)]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            lines = (result.stdout + result.stderr).splitlines()
            assert not [line for line in lines if line.startswith("Error")]

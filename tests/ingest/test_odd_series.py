"""Series that are not what their UIDs or single words of their headers suggest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from covidx.ingest import Identities, ImageReader, ReadImage, Rules, read_images
from covidx.ingest.dicom.aside import why_set_aside
from covidx.ingest.dicom.header import headers_of

from .conftest import chest_values, plane, save, write_series

ALL = Rules(all_series=True)


def read(folder: Path, rules: Rules = ALL) -> tuple[list[ReadImage], ImageReader]:
    reader = read_images(folder, identities=Identities.public(), rules=rules)
    return list(reader), reader


@pytest.mark.parametrize(
    "who",
    [
        ({"PatientID": "A"}, {"PatientID": "B"}),
        ({"PatientID": "", "PatientName": "Doe^Jane"}, {"PatientID": "", "PatientName": "Roe^Max"}),
    ],
)
def test_two_patients_of_one_study_are_two_images(
    tmp_path: Path, who: tuple[dict[str, str], dict[str, str]]
) -> None:
    """PS3.3 C.7.2: a study is of one patient; where it is not, none is a rival of the other."""
    for number, patient in enumerate(who):
        write_series(tmp_path, SeriesInstanceUID=f"1.2.{number}", **patient)
    images, reader = read(tmp_path, Rules())
    assert len(images) == 2 and reader.quarantine.empty
    for image in images:
        assert "its StudyInstanceUID is that of 2 patients" in image.receipt.notes


def test_a_series_without_patient_is_its_studys_only_patient(tmp_path: Path) -> None:
    """Both are rivals: the thinner slices win."""
    write_series(tmp_path, SeriesInstanceUID="1.2.1")
    write_series(tmp_path, SeriesInstanceUID="1.2.2", PatientID="", SliceThickness=8)
    [image], reader = read(tmp_path, Rules())
    assert not image.receipt.notes
    assert set(reader.quarantine["code"]) == {"SERIES_NOT_CHOSEN"}


def test_radiographs_of_two_patients_under_one_series(tmp_path: Path) -> None:
    for number, patient in enumerate(("A", "B")):
        ds = plane(number, Modality="DX", PatientID=patient)
        save(ds, tmp_path / patient, chest_values(1)[0] + number)
    images, _ = read(tmp_path)
    assert {image.fields["patient_id"] for image in images} == {"A", "B"}


def test_a_series_uid_for_every_slice(tmp_path: Path) -> None:
    """They share study, number, frame of reference, image type and kernel: one series of 8."""
    write_series(tmp_path, SeriesInstanceUID=lambda i: f"1.2.9.{i}", FrameOfReferenceUID="1.2.8")
    [image], _ = read(tmp_path, Rules())
    np.testing.assert_array_equal(image.volume.array, chest_values(8).astype(int) - 1024)
    assert "8 series of one image each were read as one" in image.receipt.notes


@pytest.mark.parametrize("differ", ["FrameOfReferenceUID", "ConvolutionKernel", "SeriesNumber"])
def test_single_images_that_differ_in_more_are_not_one(tmp_path: Path, differ: str) -> None:
    change = {"SeriesNumber": lambda i: i, "FrameOfReferenceUID": lambda i: f"1.2.7.{i}"}
    write_series(
        tmp_path,
        4,
        SeriesInstanceUID=lambda i: f"1.2.9.{i}",
        **{differ: change.get(differ, lambda i: f"K{i}")},
    )
    images, _ = read(tmp_path)
    assert len(images) == 4


def interleaved(folder: Path, **second: Any) -> None:
    """Eight slices 10 mm apart, and eight others in the middle between them."""
    for number, changes in enumerate(({}, second)):
        write_series(
            folder,
            start=100 * number,
            ImagePositionPatient=lambda i, n=number: [-10, -20, 100 + 10 * i + 5 * n],
            **changes,
        )
        for path in folder.iterdir():
            path.rename(path.with_name(f"{number}-{path.name}"))


@pytest.mark.parametrize(
    ("name", "value", "piece"),
    [
        ("AcquisitionNumber", 2, "acquisition"),
        ("AcquisitionTime", "101500", "acquisition time"),
        ("TemporalPositionIdentifier", 2, "time point"),
        ("ContrastBolusAgent", "Iomeprol", "contrast"),
    ],
)
def test_scans_whose_slices_take_turns_are_two(
    tmp_path: Path, name: str, value: object, piece: str
) -> None:
    """Together they have even steps of 5 mm, each alone of 10 mm."""
    interleaved(tmp_path, **{name: value})
    images, _ = read(tmp_path)
    assert [image.volume.spacing_mm for image in images] == [(10, 0.5, 0.75)] * 2
    assert {f"{piece} 1 of 2", f"{piece} 2 of 2"} == {
        image.receipt.series.split(": ")[1].split(". ")[0] for image in images
    }


def test_turns_that_follow_one_another_are_one_scan(tmp_path: Path) -> None:
    """Step and shoot: each turn of four slices has its acquisition."""
    write_series(tmp_path, AcquisitionNumber=lambda i: i // 4)
    [image], _ = read(tmp_path)
    assert len(image.volume.array) == 8


def test_an_mr_excites_every_other_slice_first(tmp_path: Path) -> None:
    write_series(tmp_path, Modality="MR", AcquisitionNumber=lambda i: i % 2)
    [image], _ = read(tmp_path)
    assert len(image.volume.array) == 8


def test_equal_planes_at_one_height_beside_each_other(tmp_path: Path) -> None:
    """270 mm aside is another place: none is dropped as a copy of the other."""
    values = chest_values(3)
    for number in range(6):
        x = -10 if number < 3 else 260
        ds = plane(number, ImagePositionPatient=[x, -20, 100 + 5 * (number % 3)])
        save(ds, tmp_path / str(number), values[0])
    images, reader = read(tmp_path)
    assert not images
    assert set(reader.quarantine["code"]) == {"POSITION_UNEVEN"}
    assert "270.0 mm beside" in reader.quarantine["reason"][0]


@pytest.mark.parametrize(
    ("image_type", "projection"),
    [
        (["DERIVED", "PRIMARY", "VOLUME", "RESAMPLED"], False),  # PS3.3 C.8.16.1.3
        (["DERIVED", "PRIMARY", "VOLUME", "MAXIMUM"], True),  # C.8.16.1.4
        (["DERIVED", "PRIMARY", "AXIAL", "CT_SOM5 MIP"], True),
        (["DERIVED", "PRIMARY", "AXIAL", "CT_SOM5 MPR"], False),
        (["DERIVED", "SECONDARY", "REFORMATTED", "MIN IP"], True),
        (["DERIVED", "SECONDARY", "PROJECTION IMAGE"], True),
        (["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"], False),  # a mean keeps HU
        (["ORIGINAL", "PRIMARY", "AXIAL"], False),
    ],
)
def test_projections(tmp_path: Path, image_type: list[str], projection: bool) -> None:
    """A reformat is read, with a note that it is one."""
    write_series(tmp_path, ImageType=image_type)
    [header] = headers_of(plane(0, ImageType=image_type, Rows=4, Columns=4), Path("f"))
    why = why_set_aside(header)
    assert (why is not None and why[0] == "PROJECTION") is projection
    images, _ = read(tmp_path)
    assert len(images) == (0 if projection else 1)
    for image in images:
        assert any("DERIVED" in n for n in image.receipt.notes) is (image_type[0] == "DERIVED")


def test_a_mosaic_is_no_slice(tmp_path: Path) -> None:
    write_series(tmp_path, 1, Modality="MR", ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])
    images, reader = read(tmp_path)
    assert not images and reader.quarantine["code"].tolist() == ["MOSAIC"]


def test_time_points_that_nothing_tells_apart_are_named(tmp_path: Path) -> None:
    values = chest_values(6)
    for index in range(6):
        ds = plane(index, ImagePositionPatient=[-10, -20, 100 + 5 * (index % 3)])
        save(ds, tmp_path / str(index), values[index])
    _, reader = read(tmp_path)
    assert "SLICE_DUPLICATE" in set(reader.quarantine["code"])
    reasons = " ".join(reader.quarantine["reason"])
    assert "at slice 1 of 3, as at every other: 2 time points or scans" in reasons


def test_an_unproven_series_does_not_win_for_lungs_that_nobody_sees(tmp_path: Path) -> None:
    """Neither shows lungs; the thinner one is in proven HU, the other in unknown units."""
    write_series(tmp_path, SeriesInstanceUID="1.2.1", SliceThickness=5)
    write_series(tmp_path, SeriesInstanceUID="1.2.2", SliceThickness=8, RescaleType="US")
    [image], _ = read(tmp_path, Rules())
    assert (image.fields["series_uid"], image.volume.units) == ("1.2.1", "hu")

"""What is set aside, how series are split, and which one is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import Dataset

from covidx.ingest import Identities, ImageReader, Rules, ingest, read_images
from covidx.ingest.dicom.aside import why_set_aside
from covidx.ingest.dicom.choice import sharpness
from covidx.ingest.dicom.header import headers_of

from .conftest import chest_values, plane, save, write_series


def read(folder: Path, **options: Any) -> tuple[list[Any], ImageReader]:
    reader = read_images(folder, identities=Identities.public(), **options)
    return list(reader), reader


def codes(reader: ImageReader) -> dict[str, int]:
    counts: dict[str, int] = reader.quarantine["code"].value_counts().to_dict()
    return counts


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (None, {}),
        ("LOCALIZER", {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
        ("PROJECTION", {"ImageType": ["DERIVED", "SECONDARY", "MIP"]}),
        ("SECONDARY_CAPTURE", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}),
        ("DOSE_REPORT", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.67"}),
        ("DOSE_REPORT", {"ImageType": ["DERIVED", "SECONDARY", "DOSE_INFO"]}),
        ("NOT_AN_IMAGE", {"Rows": 0}),
        ("NOT_AN_IMAGE", {"Columns": 0}),
        (None, {"Rows": 1, "Columns": 1}),
        ("STRUCTURED_REPORT", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33"}),
        ("KEY_OBJECT", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.59"}),
        ("PRESENTATION_STATE", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1"}),
        ("NOT_AN_IMAGE", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}),
        ("MODALITY_UNSUPPORTED", {"Modality": "US"}),
        ("NOT_GREYSCALE", {"PhotometricInterpretation": "PALETTE COLOR"}),
        ("NOT_GREYSCALE", {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}),
    ],
)
def test_what_is_set_aside(code: str | None, changes: dict[str, Any]) -> None:
    ds = plane(0, **({"Rows": 4, "Columns": 4} | changes))
    why = why_set_aside(headers_of(ds, Path("f"))[0])
    assert (why and why[0]) == code


def test_what_is_set_aside_is_sound_and_what_is_quarantined_is_not(tmp_path: Path) -> None:
    values = chest_values(1)[0]
    save(plane(0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), tmp_path / "scout", values)
    frames = plane(1, SeriesInstanceUID="1.2.5", NumberOfFrames=2)
    save(frames, tmp_path / "frames", values)
    two = ("MRN-1", "MRN-2")
    for index, patient in enumerate(two):
        ds = plane(index, SeriesInstanceUID="1.2.6", StudyInstanceUID="1.2.7", PatientID=patient)
        save(ds, tmp_path / patient, values)
    images, reader = read(tmp_path)
    assert not images
    rows = reader.quarantine.sort_values("path")[["path", "kind", "code"]]
    assert rows.to_numpy().tolist() == [
        ["MRN-1", "quarantined", "PATIENT_CONFLICT"],
        ["MRN-2", "quarantined", "PATIENT_CONFLICT"],
        ["frames", "quarantined", "MULTIFRAME_UNSUPPORTED"],
        ["scout", "set_aside", "LOCALIZER"],
    ]
    assert "claims 2 patients" in " ".join(reader.quarantine["reason"])


def test_soft_kernel_before_sharp_with_the_reason(tmp_path: Path) -> None:
    write_series(tmp_path, SeriesInstanceUID="1.2.8", SeriesNumber=1, ConvolutionKernel="B70f")
    write_series(tmp_path, SeriesInstanceUID="1.2.9", SeriesNumber=5, ConvolutionKernel="B40f")
    images, reader = read(tmp_path)
    assert [image.fields["series_uid"] for image in images] == ["1.2.9"]
    assert "series 5 (B40f) before series 1 (B70f), since its kernel is softer" in (
        images[0].receipt.series
    )
    assert codes(reader) == {"SERIES_NOT_CHOSEN": 8}
    assert set(reader.quarantine["reason"]) == {
        "Not chosen: series 5 (B40f) is, since its kernel is softer."
    }


CHOICES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "axial",
        {},
        {
            "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
            "ImagePositionPatient": lambda i: [0, 2 * i, 0],
        },
    ),
    (
        "original",
        {},
        {
            "ImageType": ["DERIVED", "SECONDARY", "AXIAL"],
            "ImagePositionPatient": lambda i: [0, 0, 1 * i],
        },
    ),
    ("closer", {"ImagePositionPatient": lambda i: [0, 0, 4.5 * i]}, {}),
    ("covers", {}, {"ImagePositionPatient": lambda i: [0, 0, 1 * i]}),
    ("lower series number", {"SeriesNumber": 1}, {"SeriesNumber": 3}),
]


@pytest.mark.parametrize(("word", "winner", "loser"), CHOICES)
def test_rule_of_choice(
    tmp_path: Path, word: str, winner: dict[str, Any], loser: dict[str, Any]
) -> None:
    write_series(tmp_path, SeriesInstanceUID="1.2.8", **loser)
    write_series(tmp_path, SeriesInstanceUID="1.2.9", **winner)
    images, reader = read(tmp_path)
    assert [image.fields["series_uid"] for image in images] == ["1.2.9"]
    assert word in reader.quarantine["reason"].iloc[0]


def test_all_series_keeps_all(tmp_path: Path) -> None:
    write_series(tmp_path, SeriesInstanceUID="1.2.8")
    write_series(tmp_path, SeriesInstanceUID="1.2.9")
    assert len(read(tmp_path, rules=Rules(all_series=True))[0]) == 2


def test_a_refused_winner_gives_way_to_the_next(tmp_path: Path) -> None:
    write_series(tmp_path, SeriesInstanceUID="1.2.8", ConvolutionKernel="B70f")
    broken = write_series(tmp_path, SeriesInstanceUID="1.2.9", ConvolutionKernel="B30f")
    broken[2].write_bytes(broken[2].read_bytes()[:-50])
    images, reader = read(tmp_path)
    assert [image.fields["series_uid"] for image in images] == ["1.2.8"]
    assert "ranked higher was refused" in images[0].receipt.series
    assert codes(reader) == {"PIXELS_UNREADABLE": 1, "SERIES_INCOMPLETE": 7}


def test_series_of_two_orientations_is_split(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 8)
    write_series(
        tmp_path / "b",
        8,
        start=20,
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        ImagePositionPatient=lambda i: [3 * i, 0, 0],
    )
    images, _ = read(tmp_path, rules=Rules(all_series=True))
    assert sorted(image.volume.spacing_mm[0] for image in images) == [3, 5]


def test_three_planes_of_three_orientations_are_no_volume(tmp_path: Path) -> None:
    for i, orientation in enumerate(([1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1])):
        save(plane(i, ImageOrientationPatient=orientation), tmp_path / str(i), chest_values(1)[0])
    images, reader = read(tmp_path)
    assert not images
    assert codes(reader) == {"ORIENTATION_MIXED": 3}


def test_identical_duplicates_are_dropped_and_conflicting_ones_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a")
    (tmp_path / "copy").write_bytes(paths[4].read_bytes())
    images, reader = read(tmp_path)
    assert images[0].volume.array.shape[0] == 8
    assert len(images[0].receipt.dropped) == 1
    assert codes(reader) == {"SLICE_DUPLICATE": 1}
    save(plane(4, SOPInstanceUID="1.2.77"), tmp_path / "other", chest_values(2)[1] + 5)
    images, reader = read(tmp_path)
    assert not images
    assert codes(reader) == {"SLICE_DUPLICATE": 1, "SERIES_INCOMPLETE": 9}
    assert set(reader.quarantine["kind"]) == {"quarantined"}


def test_a_series_larger_than_any_scan_is_refused_before_it_fills_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_series(tmp_path)
    (volume,) = (image.volume for image in read(tmp_path)[0])
    monkeypatch.setattr("covidx.ingest.dicom.picture.MAX_IMAGE_BYTES", volume.array.nbytes)
    assert read(tmp_path)[0]
    monkeypatch.setattr("covidx.ingest.dicom.picture.MAX_IMAGE_BYTES", volume.array.nbytes - 1)
    images, reader = read(tmp_path)
    assert not images
    assert codes(reader) == {"SERIES_TOO_LARGE": len(volume.array)}


def test_a_cut_copy_of_a_whole_instance_condemns_no_series(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a")
    (tmp_path / "cut").write_bytes(paths[4].read_bytes()[:-30])
    images, reader = read(tmp_path)
    assert images[0].volume.array.shape[0] == 8
    assert codes(reader) == {"SLICE_DUPLICATE": 1}
    assert "unreadable; another copy" in reader.quarantine["reason"].iloc[0]
    paths[4].unlink()  # now it is no copy, and the slice is lost
    images, reader = read(tmp_path)
    assert not images and codes(reader) == {"PIXELS_UNREADABLE": 1, "SERIES_INCOMPLETE": 7}


def test_one_series_of_two_patients_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, PatientID=lambda i: "A" if i < 4 else "B")
    images, reader = read(tmp_path)
    assert not images
    assert codes(reader) == {"PATIENT_CONFLICT": 8}


def test_files_without_uids_belong_together_by_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_series(
            tmp_path / name,
            SeriesInstanceUID="",
            StudyInstanceUID="",
            PatientID="",
            SOPInstanceUID=lambda i, name=name: f"1.2.{ord(name)}.{i}",
        )
    images, _ = read(tmp_path)
    assert len(images) == 2
    assert len({image.fields["patient_id"] for image in images}) == 2
    assert all("absent" in image.receipt.patient_from for image in images)


def test_an_mr_series_is_read_but_has_no_units(tmp_path: Path) -> None:
    write_series(
        tmp_path, Modality="MR", RescaleSlope=None, RescaleIntercept=None, RescaleType=None
    )
    [image], _ = read(tmp_path)
    volume = image.volume
    assert (volume.modality, volume.units, volume.geometry) == ("MR", "unproven", "proven")
    assert volume.spacing_mm == (5, 0.5, 0.75)


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({}, None),
        ({"ContrastBolusAgent": ""}, None),
        ({"ContrastBolusAgent": "None"}, None),
        ({"ContrastBolusAgent": "IMERON 350"}, "given"),
        ({"ContrastBolusAgent": "", "ContrastBolusVolume": 80}, "given"),
        ({"ContrastBolusAgentSequence": [Dataset()]}, "given"),
    ],
)
def test_contrast_medium_is_told_and_its_name_is_not(
    tmp_path: Path, attributes: dict[str, Any], told: str | None
) -> None:
    write_series(tmp_path, 3, **attributes)
    [image], _ = read(tmp_path)
    assert image.fields["contrast"] == told
    assert "IMERON" not in str(image.fields)


def test_a_single_ct_slice_is_a_slice(tmp_path: Path) -> None:
    write_series(tmp_path, 1)
    [image], _ = read(tmp_path)
    assert image.fields["kind"] == "slice"
    assert image.volume.geometry == "proven"
    assert image.volume.spacing_mm == (5, 0.5, 0.75)


def test_a_slice_of_unknown_depth_keeps_its_place_on_disk(tmp_path: Path) -> None:
    """NIfTI knows no slice without a depth: 1 mm is a convention, which the receipt says."""
    write_series(tmp_path / "in", 1, SliceThickness=None)
    result = ingest(tmp_path / "in", tmp_path / "out")
    (row,) = result.manifest.to_dict("records")
    [image], _ = read(tmp_path / "in")
    expected = image.volume.affine
    assert expected is not None and expected[:3, 3].any() and row["geometry"] == "proven"
    stored = nib.load(tmp_path / "out" / row["path"])
    assert stored.header["sform_code"] == stored.header["qform_code"] == 1
    np.testing.assert_allclose(stored.affine, expected, rtol=1e-6)
    [again], _ = read(tmp_path / "out" / row["path"])
    assert again.volume.geometry == "proven"
    np.testing.assert_allclose(again.volume.affine, expected, rtol=1e-6)
    assert image.receipt.geometry_from.endswith("whose depth of 1 mm is a convention")


@pytest.mark.parametrize(
    ("kernel", "sharp"),
    [
        ("STANDARD", 0),
        ("BONEPLUS", 2),
        ("STD+", 0),
        ("I50f 3", 2),
        ("Hr40", 0),
        ("FC17", 0),
        ("?", 1),
    ],
)
def test_sharpness(kernel: str, sharp: int) -> None:
    assert sharpness(kernel) == sharp

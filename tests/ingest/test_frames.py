"""Enhanced and legacy-converted multi-frame objects: each frame with its own groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedCTImageStorage

from covidx.errors import CovidxError
from covidx.ingest import Identities, ReadImage, Rules, read_images, read_series

from .conftest import chest_values, plane, save, write_series

HU = chest_values(8).astype(int) - 1024


def item(**attributes: Any) -> list[Dataset]:
    ds = Dataset()
    for name, value in attributes.items():
        setattr(ds, name, value)
    return [ds]


def frame(z: float, **changes: Any) -> Dataset:
    """Functional groups of one frame; `changes` name a group, None leaves it out."""
    groups = {
        "PlanePositionSequence": item(ImagePositionPatient=[-10, -20, z]),
        "FrameContentSequence": item(StackID="1"),
        "PixelValueTransformationSequence": item(
            RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU"
        ),
    } | changes
    ds = Dataset()
    for name, value in groups.items():
        if value is not None:
            setattr(ds, name, value)
    return ds


def enhanced(path: Path, frames: list[Dataset], values: np.ndarray) -> Path:
    """An Enhanced CT object; orientation and spacing are shared."""
    gone = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
    gone += ("RescaleIntercept", "RescaleSlope", "RescaleType", "ConvolutionKernel")
    ds = plane(0, SOPClassUID=EnhancedCTImageStorage, **dict.fromkeys(gone))
    shared = Dataset()
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    shared.PixelMeasuresSequence = item(PixelSpacing=[0.5, 0.75], SliceThickness=5)
    shared.CTReconstructionSequence = item(ConvolutionKernel="B40f")
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = frames
    ds.NumberOfFrames = len(frames)
    ds.Rows, ds.Columns = values.shape[1:]
    ds.PixelData = values.astype(np.uint16).tobytes()
    ds["PixelData"].VR = "OW"
    return save(ds, path, None)


def read(folder: Path) -> tuple[list[ReadImage], dict[str, int]]:
    reader = read_images(folder, identities=Identities.public(), rules=Rules(all_series=True))
    images = sorted(reader, key=lambda image: image.receipt.series)
    return images, reader.quarantine["code"].value_counts().to_dict()


def test_frames_in_any_order(tmp_path: Path) -> None:
    order = [3, 1, 0, 2, 7, 5, 6, 4]
    path = enhanced(tmp_path / "a", [frame(100 + 5 * i) for i in order], chest_values(8)[order])
    [image], _ = read(path)
    np.testing.assert_array_equal(image.volume.array, HU)
    assert (image.volume.units, image.volume.spacing_mm) == ("hu", (5, 0.5, 0.75))
    assert image.fields["kernel"] == "B40f"
    assert image.receipt.instances[0].endswith("#3")  # the third frame lies lowest


def test_each_frame_has_its_own_rescale(tmp_path: Path) -> None:
    """Stored v, slope k and intercept -1024: -1024 + k v."""
    frames = [
        frame(
            5 * i,
            PixelValueTransformationSequence=item(
                RescaleSlope=i + 1, RescaleIntercept=-1024, RescaleType="HU"
            ),
        )
        for i in range(3)
    ]
    array = read_series(enhanced(tmp_path / "a", frames, chest_values(3))).array
    stored = chest_values(3).astype(int)
    for i in range(3):
        np.testing.assert_array_equal(array[i], stored[i] * (i + 1) - 1024)


def test_stacks_of_one_object_are_volumes(tmp_path: Path) -> None:
    """Two stacks, the second along x; a frame's own orientation stands before the shared one."""
    sagittal = item(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    frames = [frame(5 * i) for i in range(4)] + [
        frame(
            0,
            PlanePositionSequence=item(ImagePositionPatient=[-3 * i, 0, 0]),
            PlaneOrientationSequence=sagittal,
            FrameContentSequence=item(StackID="2"),
        )
        for i in range(4)
    ]
    images, codes = read(enhanced(tmp_path / "a", frames, chest_values(8)))
    assert not codes
    assert [image.volume.spacing_mm[0] for image in images] == [5, 3]
    assert images[0].receipt.notes == ("4 of the 8 frames of its file",)
    np.testing.assert_array_equal(images[1].volume.array, HU[4:])


def test_stacks_with_one_orientation_are_told_apart_by_their_id(tmp_path: Path) -> None:
    """Two slabs that would make one stack with a gap."""
    frames = [frame(5 * i) for i in range(4)]
    frames += [frame(40 + 5 * i, FrameContentSequence=item(StackID="2")) for i in range(4)]
    images, codes = read(enhanced(tmp_path / "a", frames, chest_values(8)))
    assert not codes
    assert [image.volume.array.shape[0] for image in images] == [4, 4]
    assert images[1].receipt.series.startswith("Of its series: stack 2 of 2. ")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("time point", {"TemporalPositionIndex": [1, 2]}),
        ("acquisition", {"FrameAcquisitionNumber": [1, 2]}),
        ("acquisition time", {"FrameAcquisitionDateTime": ["20200401101500", "20200401101530"]}),
    ],
)
def test_times_of_one_object(tmp_path: Path, name: str, content: dict[str, list[Any]]) -> None:
    [(attribute, values)] = content.items()
    frames = [
        frame(5 * (i // 2), FrameContentSequence=item(StackID="1", **{attribute: values[i % 2]}))
        for i in range(8)
    ]
    images, codes = read(enhanced(tmp_path / "a", frames, chest_values(8)))
    assert not codes
    assert images[1].receipt.series.startswith(f"Of its series: {name} 2 of 2. ")
    np.testing.assert_array_equal(images[0].volume.array, HU[::2])
    np.testing.assert_array_equal(images[1].volume.array, HU[1::2])


def test_a_frame_without_a_place(tmp_path: Path) -> None:
    frames = [frame(0), frame(5, PlanePositionSequence=None), frame(10)]
    with pytest.raises(CovidxError) as caught:
        read_series(enhanced(tmp_path / "a", frames, chest_values(3)))
    assert caught.value.code == "GEOMETRY_ABSENT"


def test_a_localizer_frame_is_set_aside(tmp_path: Path) -> None:
    """ImageType is MIXED where frames differ; FrameType tells (PS3.3 C.8.16.1)."""
    kinds = [["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]] * 3
    kinds += [["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]]
    frames = [
        frame(5 * i, CTImageFrameTypeSequence=item(FrameType=kind)) for i, kind in enumerate(kinds)
    ]
    images, _ = read(enhanced(tmp_path / "a", frames, chest_values(4)))
    assert [image.volume.array.shape[0] for image in images] == [3]


def test_what_highdicom_converts_reads_as_the_series_it_was(tmp_path: Path) -> None:
    legacy = pytest.importorskip("highdicom.legacy")
    common = {"FrameOfReferenceUID": "1.2.3.9", "StudyTime": "", "StudyID": "", "Laterality": ""}
    common |= {"AccessionNumber": "", "PatientBirthDate": "", "Manufacturer": "A", "SeriesTime": ""}
    common |= {"PositionReferenceIndicator": "", "InstanceCreationDate": "20200401"}
    common |= {"InstanceCreationTime": "101500", "AcquisitionNumber": 1, "KVP": 120}
    common |= {"ContentDate": "20200401", "ContentTime": "101500", "AcquisitionTime": "101500"}
    paths = write_series(tmp_path / "single", 8, **common)
    made = legacy.LegacyConvertedEnhancedCTImage(
        [dcmread(path) for path in paths],
        series_instance_uid="1.2.3.99",
        series_number=9,
        sop_instance_uid="1.2.3.99.1",
        instance_number=1,
    )
    made.save_as(tmp_path / "multi")
    one, [image] = read_series(tmp_path / "single"), read(tmp_path / "multi")[0]
    np.testing.assert_array_equal(image.volume.array, one.array)
    np.testing.assert_array_equal(image.volume.affine, one.affine)
    assert (image.volume.modality, image.volume.units) == ("CT", "hu")
    assert image.fields["kernel"] == "B30f"

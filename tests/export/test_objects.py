"""What stands in the objects: the phantom's truth, codes, numbers, and nothing dciodvfy minds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from benchmarks import series
from benchmarks.dciodvfy import LESIONS, NAMES, NETWORK, TRUTH, derived, faults
from covidx.errors import CovidxError
from covidx.export import (
    Algorithm,
    Measure,
    SourceSeries,
    binary_segmentation,
    fractional_segmentation,
    measurement_report,
    parametric_map,
    read_mask,
    read_segmentation,
    read_source,
    save,
    volumes_ml,
)
from covidx.volume import Volume
from tests.export.conftest import frames_of

ATTENUATION = Code("112031", "DCM", "Attenuation Coefficient")
PATIENTS = ("PH0000-00000", "PH0000-00001", "PH0000-00002")


def mask_of(cohort: Path, patient: str, kind: str) -> Volume:
    return read_mask(cohort / "masks" / f"{patient}_{kind}.nii.gz")


@pytest.fixture
def source(folders: dict[str, Path]) -> SourceSeries:
    return read_source(folders[PATIENTS[0]], "original")


@pytest.mark.parametrize("patient", PATIENTS)
def test_every_object_of_every_scanner_is_sound(
    patient: str, cohort: Path, folders: dict[str, Path], dciodvfy: None, tmp_path: Path
) -> None:
    source = read_source(folders[patient], "pseudonymous")
    for name, made in derived(cohort, patient, source):
        assert faults(save(made, tmp_path / "object.dcm")) == [], name


def test_dciodvfy_is_asked_in_earnest(source: SourceSeries, dciodvfy: None, tmp_path: Path) -> None:
    made = binary_segmentation(np.ones(source.own.shape, np.uint8), {1: "lung"}, source, NETWORK)
    del made.SegmentsOverlap, made.SegmentationType
    assert faults(save(made, tmp_path / "broken.dcm"))


@pytest.mark.parametrize("patient", PATIENTS)
def test_each_slice_has_the_phantom_s_lung_and_lesion(
    patient: str, cohort: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    """slices.csv names the instance that a slice was written as, and the ml in it."""
    truth = pd.read_csv(cohort / "slices.csv", dtype={"sop_instance_uid": str})
    truth = truth[truth["patient_id"] == patient].set_index("sop_instance_uid")
    source = read_source(folders[patient], "original")
    for kind, names in (("lung", NAMES), ("lesion", {1: "opacity", 2: "consolidation"})):
        mask = mask_of(cohort, patient, kind)
        array = np.where(mask.array == 3, 0, mask.array)  # an effusion is no lesion of the lung
        made = binary_segmentation(replace(mask, array=array), names, source, TRUTH)
        path = save(made, tmp_path / f"{kind}.dcm")
        result: defaultdict[str, float] = defaultdict(float)
        for frame in frames_of(dcmread(path)):
            result[frame.source] += float(frame.values.sum()) * float(mask.voxel_ml or 0)
        for uid, row in truth.iterrows():
            assert result[str(uid)] == pytest.approx(row[f"{kind}_ml"], abs=0.002)


@pytest.mark.parametrize("patient", PATIENTS)
def test_volumes_are_those_of_the_truth(
    patient: str, cohort: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    truth = pd.read_csv(cohort / "truth.csv").set_index("patient_id").loc[patient]
    source = read_source(folders[patient], "pseudonymous")
    made = binary_segmentation(mask_of(cohort, patient, "lung"), NAMES, source, TRUTH)
    volumes = volumes_ml(read_segmentation(save(made, tmp_path / "seg.dcm")))
    assert list(volumes) == [1, 2]
    assert sum(volumes.values()) == pytest.approx(truth["lung_volume_ml"], abs=0.06)
    lesions = volumes_ml(
        binary_segmentation(mask_of(cohort, patient, "lesion"), LESIONS, source, NETWORK)
    )
    assert lesions[1] + lesions[2] == pytest.approx(truth["lesion_volume_ml"], abs=0.06)
    assert lesions[3] == pytest.approx(truth["effusion_ml"], abs=0.06)


def test_right_is_right(cohort: Path, folders: dict[str, Path], tmp_path: Path) -> None:
    """x grows to the patient's left (PS3.3 C.7.6.2.1.1), whichever way a scanner's rows run."""
    for patient in PATIENTS:
        source = read_source(folders[patient], "original")
        made = binary_segmentation(mask_of(cohort, patient, "lung"), NAMES, source, TRUTH)
        ds = dcmread(save(made, tmp_path / "seg.dcm"))
        shared = ds.SharedFunctionalGroupsSequence[0]
        row = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)[:3]
        step = float(shared.PixelMeasuresSequence[0].PixelSpacing[1])
        x: defaultdict[Any, list[float]] = defaultdict(list)
        for frame in frames_of(ds):
            columns = np.nonzero(frame.values)[1]
            x[frame.segment] += list(frame.position[0] + columns * step * row[0])
        labels = [item.SegmentLabel for item in ds.SegmentSequence]
        assert labels == ["Right lung", "Left lung"]
        assert np.mean(x[1]) < -30
        assert np.mean(x[2]) > 30


CODES = {
    "lung": ("39607008", "SCT", "91723000"),
    "left-lung": ("44029006", "SCT", "91723000"),
    "right-lung": ("3341006", "SCT", "91723000"),
    "opacity": ("112001", "DCM", "49755003"),
    "ground-glass": ("1217294009", "SCT", "49755003"),
    "consolidation": ("95436008", "SCT", "49755003"),
    "effusion": ("60046008", "SCT", "49755003"),
}


def test_segments_are_coded_and_tracked(source: SourceSeries) -> None:
    """By hand from SNOMED CT and PS3.16."""
    mask = np.zeros(source.own.shape, np.uint8)
    mask[3, 4, : len(CODES)] = np.arange(1, len(CODES) + 1)
    names = dict(enumerate(CODES, start=1))
    one, other = (binary_segmentation(mask, names, source, NETWORK) for _ in range(2))
    for item, name in zip(one.SegmentSequence, CODES, strict=True):
        kind = item.SegmentedPropertyTypeCodeSequence[0]
        category = item.SegmentedPropertyCategoryCodeSequence[0]
        calls = (kind.CodeValue, kind.CodingSchemeDesignator, category.CodeValue)
        assert calls == CODES[name]
        made_by = item.SegmentationAlgorithmIdentificationSequence[0]
        assert (made_by.AlgorithmName, made_by.AlgorithmVersion) == ("made-up network", "0.1")
        assert item.SegmentAlgorithmType == "AUTOMATIC"
        assert item.TrackingID == name
    tracked = [[str(i.TrackingUID) for i in made.SegmentSequence] for made in (one, other)]
    assert tracked[0] == tracked[1]
    assert len(set(tracked[0])) == len(CODES)
    assert one.SOPInstanceUID != other.SOPInstanceUID
    assert "Research use only" in one.SeriesDescription


def test_a_fractional_segment_keeps_255_steps(source: SourceSeries, tmp_path: Path) -> None:
    likely = np.zeros(source.own.shape)
    likely[2, 5, :5] = (0.001, 0.2, 0.5, 0.7529, 1.0)
    made = fractional_segmentation(likely, "opacity", source, NETWORK)
    (frame,) = frames_of(dcmread(save(made, tmp_path / "seg.dcm")))
    assert frame.values[5, :6].tolist() == [0, 51, 128, 192, 255, 0]
    assert made.SegmentationFractionalType == "PROBABILITY"
    voxel = abs(np.linalg.det(source.own.affine[:3, :3])) / 1000  # type: ignore[index]
    assert volumes_ml(made)[1] == pytest.approx(voxel * (51 + 128 + 192 + 255) / 255)


def test_a_map_keeps_its_floats_in_every_slice(source: SourceSeries, tmp_path: Path) -> None:
    likely = np.random.default_rng(0).random(source.own.shape).astype(np.float32)
    made = parametric_map(likely, "opacity", source, NETWORK)
    ds = dcmread(save(made, tmp_path / "map.dcm"))
    uids = [str(image.SOPInstanceUID) for image in source.images]
    frames = {frame.source: frame.values for frame in frames_of(ds)}
    assert sorted(frames) == sorted(uids)
    np.testing.assert_array_equal(np.stack([frames[uid] for uid in uids]), likely)
    shared = ds.SharedFunctionalGroupsSequence[0]
    mapping = (shared.get("RealWorldValueMappingSequence") or [None])[0]
    mapping = mapping or ds.PerFrameFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "1"
    assert mapping.LUTExplanation == "Probability of Opacity"
    assert (ds.ContentQualification, ds.SOPClassUID.name) == ("RESEARCH", "Parametric Map Storage")


def test_an_empty_mask_is_a_segment_without_voxels(
    source: SourceSeries, dciodvfy: None, tmp_path: Path
) -> None:
    made = binary_segmentation(
        np.zeros(source.own.shape, np.uint8), {1: "opacity"}, source, NETWORK
    )
    path = save(made, tmp_path / "seg.dcm")
    assert volumes_ml(read_segmentation(path)) == {1: 0.0}
    report = save(measurement_report(read_segmentation(path)), tmp_path / "sr.dcm")
    assert faults(path) == faults(report) == []
    assert numbers_of(dcmread(report)) == {"opacity": {"Volume": (0.0, "ml")}}


def numbers_of(ds: Dataset) -> dict[str, dict[str, tuple[float, str]]]:
    """Measurements of a report by tracking id and name, with their units."""
    (groups,) = [i for i in ds.ContentSequence if name_of(i) == "Imaging Measurements"]
    return {
        next(i.TextValue for i in group.ContentSequence if name_of(i) == "Tracking Identifier"): {
            name_of(i): (
                float(i.MeasuredValueSequence[0].NumericValue),
                i.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue,
            )
            for i in group.ContentSequence
            if i.ValueType == "NUM"
        }
        for group in groups.ContentSequence
    }


def name_of(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning)


def test_a_report_says_what_was_measured_of_what_by_whom(
    source: SourceSeries, dciodvfy: None, tmp_path: Path
) -> None:
    mask = np.zeros(source.own.shape, np.uint8)
    mask[2:4, 5:10, 5:10] = 1  # 50 voxels
    mask[8, 5, 5:9] = 2
    names = {1: "right-lung", 2: "ground-glass"}
    seg = binary_segmentation(mask, names, source, Algorithm("lungs", "1.2", "threshold"))
    measures = [
        Measure("share", 7.25, "ground-glass"),
        Measure("volume", 1.5, "ground-glass"),
        Measure("ct-severity-score", 7),
        Measure("corona-score", 12.5),
        Measure("mean HU", -512.0, "ground-glass", "[hnsf'U]", ATTENUATION),
    ]
    path = save(measurement_report(seg, measures), tmp_path / "sr.dcm")
    assert faults(path) == []
    ds = dcmread(path)
    result = numbers_of(ds)
    spacing = float(source.images[0].PixelSpacing[0])
    voxel = spacing * spacing * 5.0 / 1000  # the scanner's step is 5 mm
    assert result == {
        "right-lung": {"Volume": (pytest.approx(50 * voxel, rel=1e-6), "ml")},
        "ground-glass": {
            "Share of lung volume": (7.25, "%"),
            "Volume": (1.5, "ml"),
            "Attenuation Coefficient": (-512.0, "[hnsf'U]"),
        },
        "study": {"CT severity score": (7.0, "1"), "Corona score": (12.5, "cm3")},
    }
    text = str(ds)
    for part in ("Algorithm Name", "lungs", "Algorithm Version", "1.2", "Histogram Analysis"):
        assert part in text
    assert text.count("Referenced Segment Number") == 2
    evidence = [*ds.CurrentRequestedProcedureEvidenceSequence]
    evidence += ds.get("PertinentOtherEvidenceSequence", [])
    referred = {
        str(item.ReferencedSOPInstanceUID)
        for study in evidence
        for one in study.ReferencedSeriesSequence
        for item in one.ReferencedSOPSequence
    }
    uids = {str(image.SOPInstanceUID) for image in source.images}
    assert referred == uids | {str(seg.SOPInstanceUID)}
    assert ds.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99COVIDX"
    assert (ds.PatientID, ds.StudyInstanceUID) == (seg.PatientID, seg.StudyInstanceUID)


@pytest.mark.parametrize("mode", ["original", "pseudonymous"])
def test_a_radiograph_s_mask(mode: Any, real_data: Path, dciodvfy: None, tmp_path: Path) -> None:
    """A real one, whose header holds an age of two characters, which DICOM has not."""
    path = next(iter((real_data / "dicom" / "cxr").glob("1.2.*")))
    source = read_source(path, mode)
    mask = np.zeros(source.own.shape, np.uint8)
    mask[0, 100:200, 50:80] = 1
    made = binary_segmentation(mask, {1: "right-lung"}, source, NETWORK)
    (frame,) = frames_without_place(save(made, tmp_path / "seg.dcm"))
    np.testing.assert_array_equal(frame, mask[0])
    assert faults(tmp_path / "seg.dcm") == []
    assert volumes_ml(made) == {}
    assert faults(save(measurement_report(made), tmp_path / "sr.dcm")) == []
    with pytest.raises(CovidxError) as caught:
        parametric_map(mask, "lung", source, NETWORK)
    assert caught.value.code == "MAP_OF_RADIOGRAPH"


def frames_without_place(path: Path) -> Any:
    ds = dcmread(path)
    return ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)


def test_real_series_of_a_hospital(real_data: Path, dciodvfy: None, tmp_path: Path) -> None:
    """Two kernels of one grid: the series that ingest chooses. And a tilted head."""
    for name in ("chest-ct-two-kernels", "ge-head-ct-tilt"):
        for mode in ("original", "pseudonymous"):
            source = read_source(real_data / "dicom" / name, mode)  # type: ignore[arg-type]
            mask = np.zeros(source.own.shape, np.uint8)
            mask[:, 200:300, 100:150] = 1
            made = binary_segmentation(mask, {1: "opacity"}, source, NETWORK)
            assert faults(save(made, tmp_path / "seg.dcm")) == [], (name, mode)


def test_objects_beside_their_series_are_no_part_of_it(tmp_path: Path) -> None:
    folder = series.write(series.SERIES["axial"], tmp_path / "series")
    source = read_source(folder, "original")
    mask = np.ones(source.own.shape, np.uint8)
    seg = binary_segmentation(mask, {1: "lung"}, source, NETWORK)
    for number, made in enumerate(
        (seg, parametric_map(mask, "lung", source, NETWORK), measurement_report(seg))
    ):
        save(made, folder / f"{number}.dcm")
    again = read_source(folder, "original")
    assert [i.SOPInstanceUID for i in again.images] == [i.SOPInstanceUID for i in source.images]


def test_a_part_of_a_multi_frame_file_has_no_map(tmp_path: Path) -> None:
    single = series.write(series.SERIES["axial"], tmp_path / "single")
    source = read_source(series.legacy_converted(single, tmp_path / "enhanced"), "original")
    part = replace(source, frames=source.frames[:5], own=replace(source.own, shape=(5, 40, 36)))
    mask = np.zeros((5, 40, 36), np.uint8)
    mask[1, 2, 3] = 1
    (frame,) = frames_of(binary_segmentation(mask, {1: "opacity"}, part, NETWORK))
    assert frame.source_frame == source.frames[1] + 1
    with pytest.raises(CovidxError) as caught:
        parametric_map(mask, "opacity", part, NETWORK)
    assert caught.value.code == "FRAMES_PARTIAL"

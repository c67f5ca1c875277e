"""Planted flaws: none at strength 0, exactly what they say at 1, and a cohort that can be read."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covidx.audit.data import audit_data, read_picture
from covidx.audit.data.copies import match
from covidx.cards import load_card
from covidx.cohort import read_labels
from covidx.errors import CovidxError
from covidx.ingest import ingest
from covidx.phantom import (
    DETECTORS,
    FLAWS,
    Exam,
    PhantomRadiograph,
    PhantomScan,
    check_flaws,
    draw_patient,
    exams,
    generate_cohort,
    parse_flaws,
)
from covidx.phantom.fields import Grid
from covidx.phantom.tampering import crop_radiograph, crop_scan, mark_radiograph, mark_scan

from .conftest import PATIENTS, SEED

MANY = [draw_patient(5, i) for i in range(100)]
ED = ("###.##.", "#...#.#", "###.#.#", "#...#.#", "###.##.")
"""The marker, by eye."""


def struck(name: str, strength: float = 1.0) -> list[list[Exam]]:
    return [exams(patient, {name: strength}) for patient in MANY]


def test_nothing_is_planted_at_strength_0(cohort: Path) -> None:
    none = check_flaws(dict.fromkeys(FLAWS, 0.0))
    for patient in MANY:
        (exam,) = exams(patient, none)
        assert (exam.patient, exam.label, exam.flaws) == (patient, patient.label, ())
    before = (cohort / "phantom.json").stat().st_mtime_ns
    assert generate_cohort(cohort, PATIENTS, SEED, flaws=dict.fromkeys(FLAWS, 0.0)) == cohort
    assert (cohort / "phantom.json").stat().st_mtime_ns == before  # it is that cohort already


def test_the_scanner_is_the_labels() -> None:
    of = {"covid-19": "A", "other-pneumonia": "B", "normal": "C"}
    for patient, (exam,) in zip(MANY, struck("scanner-label"), strict=True):
        assert exam.patient == replace(patient, scanner=of[patient.label])


def test_positives_are_old_in_every_place() -> None:
    ages = []
    for patient, (exam,) in zip(MANY, struck("age"), strict=True):
        if patient.label != "covid-19":
            assert exam.patient == patient
            continue
        ages.append(exam.patient.age)
        assert exam.patient.clinical == {**patient.clinical, "age_years": exam.patient.age}
        assert exam.patient.anatomy.size == patient.anatomy.size  # the same person's build
    assert min(ages) >= 65 and max(ages) <= 90 and len(set(ages)) > 10


def test_positives_come_120_days_later() -> None:
    for patient, (exam,) in zip(MANY, struck("drift"), strict=True):
        days = date.fromisoformat(exam.patient.study_date_iso) - date.fromisoformat(
            patient.study_date_iso
        )
        assert days.days == (120 if patient.label == "covid-19" else 0)


def test_only_positives_are_marked() -> None:
    for patient, (exam,) in zip(MANY, struck("corner-marker"), strict=True):
        assert exam.patient == patient
        assert (exam.flaws == ("corner-marker",)) == (patient.label == "covid-19")


def test_a_duplicate_is_another_patients() -> None:
    for patient, (first, again) in zip(MANY, struck("duplicates"), strict=True):
        assert first.patient == patient and not first.copied and not first.flaws
        assert again.copied and again.flaws == ("duplicates",)
        assert again.patient == replace(
            patient, patient_id=patient.patient_id.replace("PH", "PD"), exam=1
        )
        assert again.label == patient.label


def test_a_noisy_label_contradicts() -> None:
    for patient, (first, again) in zip(MANY, struck("label-noise"), strict=True):
        assert first.label == patient.label and again.copied
        assert again.patient == replace(patient, exam=2)
        assert again.label == ("normal" if patient.label == "covid-19" else "covid-19")


def test_a_patient_overlaps_by_a_second_exposure() -> None:
    for patient, (first, again) in zip(MANY, struck("patient-overlap"), strict=True):
        assert first.patient == patient
        assert not again.copied and again.patient.patient_id == patient.patient_id
        assert again.patient.index != patient.index and again.patient.exam_id != patient.exam_id
        assert again.role == ("train" if first.role == "test" else "test")
        assert again.label == patient.label
    roles = pd.Series([first.role for first, _ in struck("patient-overlap")])
    assert 45 <= (roles == "train").sum() <= 75


@pytest.mark.parametrize("name", ["scanner-label", "duplicates", "label-noise", "patient-overlap"])
def test_the_strength_is_a_share_and_a_stronger_flaw_strikes_the_same_and_more(name: str) -> None:
    few, many = (
        {
            result[0].patient.index
            for result in struck(name, strength)
            if any(name in exam.flaws for exam in result)
        }
        for strength in (0.3, 0.6)
    )
    assert few < many
    assert 15 <= len(few) <= 45 and 45 <= len(many) <= 75


def test_flaws_do_not_shift_each_other() -> None:
    alone = [result for (result,) in struck("age", 0.5)]
    both = [exams(patient, check_flaws({"drift": 1.0, "age": 0.5}))[0] for patient in MANY]
    assert [one.patient.age for one in alone] == [one.patient.age for one in both]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ages", "FLAW_UNKNOWN"),
        ("", "FLAW_UNKNOWN"),
        ("age=1.5", "FLAW_STRENGTH"),
        ("age=-0.1", "FLAW_STRENGTH"),
        ("age=much", "FLAW_STRENGTH"),
        ("age=nan", "FLAW_STRENGTH"),
        ("age=", "FLAW_STRENGTH"),
    ],
)
def test_what_is_no_flaw_is_refused(text: str, code: str) -> None:
    with pytest.raises(CovidxError) as error:
        parse_flaws([text])
    assert error.value.code == code
    assert "age" in str(error.value)


def test_a_flaw_at_zero_is_none() -> None:
    assert parse_flaws(["drift", "age=0", "scanner-label=0.25"]) == {
        "scanner-label": 0.25,
        "drift": 1.0,
    }


def tiny_scan() -> PhantomScan:
    """Two slices of 100 x 100 voxels that differ everywhere."""
    hu = np.arange(20_000, dtype=np.int16).reshape(2, 100, 100) % 500
    grid = Grid((2, 100, 100), 2.0, 5.0, 5.0, 1, 0.0, (0.0, 0.0, 0.0))
    mask = (hu % 2).astype(np.uint8)
    return PhantomScan(hu, mask, mask, mask, hu.astype(np.float32), grid)


def test_a_marked_scan_shows_the_letters_in_each_slice() -> None:
    scan = tiny_scan()
    marked = mark_scan(scan)
    for plane in marked.hu:
        shown = plane[2:7, 2:9] == 1000
        assert ["".join(".#"[dot] for dot in row) for row in shown.astype(int)] == list(ED)
    changed = (marked.hu != scan.hu).any(axis=0)
    assert (changed == marked.burnt).all() and changed.sum() == shown.sum()


def test_a_cropped_scan_is_the_same_voxels_at_the_same_place() -> None:
    scan = tiny_scan()
    small = crop_scan(scan)
    np.testing.assert_array_equal(small.hu, scan.hu[:, 3:97, 3:97])
    np.testing.assert_array_equal(small.cage_mm, scan.cage_mm[:, 3:97, 3:97])
    assert small.grid.shape == (2, 94, 94)
    np.testing.assert_allclose(small.affine @ [0, 0, 1, 1], scan.affine @ [3, 3, 1, 1])


@pytest.mark.parametrize("key", ["A", "B"])
def test_a_radiograph_marked_and_cropped(key: str) -> None:
    detector = replace(DETECTORS[key], rows=100, columns=120)
    stored = (np.arange(12_000).reshape(100, 120) % 300 + 100).astype(np.uint16)
    mask = (stored % 2).astype(np.uint8)
    radiograph = PhantomRadiograph(
        stored, (50, 450), mask, mask, 0.0, (50.0, 60.0), "R", "PA", detector
    )
    shown = mark_radiograph(radiograph).greys[2:7, 2:9]
    assert ["".join(".#"[int(g == 255)] for g in row) for row in shown] == list(ED)
    small = crop_radiograph(radiograph)
    np.testing.assert_array_equal(small.stored, stored[3:97, 3:117])
    np.testing.assert_array_equal(small.lung, mask[3:97, 3:117])
    assert small.window == (70, 430)
    assert small.landmark == (47.0, 57.0)
    assert small.greys.shape == (small.detector.rows, small.detector.columns) == (94, 114)


@pytest.fixture(scope="module")
def radiographs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A patient with every flaw, and what ingest makes of the radiographs."""
    folder = tmp_path_factory.mktemp("flawed")
    out = generate_cohort(
        folder / "out", 1, SEED, flaws=dict.fromkeys(FLAWS, 1.0), modality="cxr", workers=1
    )
    read = ingest(out / "dicom", folder / "store", card=load_card(Path("phantom")), workers=1)
    assert set(read.reasons) == {"SECONDARY_CAPTURE"}
    return out, read.manifest


def test_a_flawed_cohort_is_ingested_whole(radiographs: tuple[Path, pd.DataFrame]) -> None:
    out, manifest = radiographs
    frontal = manifest[manifest["view"].isin(["PA", "AP"])]
    labels, splits, truth, clinical = (
        pd.read_csv(out / f"{name}.csv") for name in ("labels", "splits", "truth", "clinical")
    )
    assert len(frontal) == len(labels) == len(splits) == len(truth) == 4
    assert set(frontal["study_uid"]) == set(labels["study_uid"]) == set(splits["study_uid"])
    assert set(clinical["patient_id"]) == set(frontal["patient_id"])
    assert clinical["patient_id"].is_unique
    ages = clinical.set_index("patient_id")["age_years"]
    assert (frontal["age"] == ages.loc[frontal["patient_id"]].to_numpy()).all()
    struck = truth["flaws"].fillna("").str.split()
    assert struck.map(lambda names: "label-noise" in names).sum() == 1
    assert len(list((out / "masks").iterdir())) == 8


def test_training_refuses_labels_that_contradict(radiographs: tuple[Path, pd.DataFrame]) -> None:
    with pytest.raises(CovidxError) as error:
        read_labels(radiographs[0] / "labels.csv")
    assert error.value.code == "LABELS_CONFLICT"


def test_the_audit_finds_copies_and_overlap_by_studies(
    radiographs: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    out, manifest = radiographs
    labels = pd.read_csv(out / "labels.csv").set_index("study_uid")["label"]
    images = manifest.assign(label=manifest["study_uid"].map(labels))
    store = out.parent / "store"
    images.to_csv(tmp_path / "images.csv", index=False)
    result = audit_data([tmp_path / "images.csv"], [str(out / "splits.csv")], images=store)
    rows = {one.name: len(one.rows) for one in result.findings if one.verdict == "fail"}
    assert rows["patient_across_roles"] == 1
    assert {"copies_across_patients", "copies_across_labels"} <= set(rows)


def test_a_cropped_copy_is_recognised_by_its_pixels(radiographs: tuple[Path, pd.DataFrame]) -> None:
    out, manifest = radiographs
    splits = pd.read_csv(out / "splits.csv")  # a patient's exams follow each other
    frontal = manifest[manifest["view"] != "LL"].set_index("study_uid")["path"]
    pictures = [read_picture(out.parent / "store" / frontal[uid]) for uid in splits["study_uid"]]
    full, twin, noisy, other = pictures
    assert match(full, twin, (False, False))
    np.testing.assert_array_equal(twin, noisy)
    assert not np.array_equal(full, other)

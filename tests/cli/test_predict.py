"""``covidx predict``: what a radiologist and a program are told."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from covidx.constants import RESEARCH_NOTICE
from tests.cli.conftest import Answer, Call
from tests.conftest import Run


@pytest.fixture
def study(trained: Run) -> Path:
    return sorted((trained.phantom / "dicom").iterdir())[0]


def _json(answer: Answer) -> list[dict[str, Any]]:
    """Strict JSON: NaN is no JSON."""
    return json.loads(answer.out, parse_constant=pytest.fail)


def test_a_study_in_words(covidx: Call, trained: Run, study: Path) -> None:
    answer = covidx("predict", trained.bundle, study)
    assert answer.code == 0
    for part in (
        str(study),
        "score for covid-19 0.",
        "every class: normal",
        "chosen: The only stack of slices",
        "threshold",
        "youden on validation, n = 6",
        "trained on phantom: simulated CT",
        "not a patient's probability of disease",
        RESEARCH_NOTICE,
    ):
        assert part in answer.out
    assert "NOT INTERPRETABLE" not in answer.out


def test_json_and_csv_say_the_same(covidx: Call, trained: Run, study: Path) -> None:
    nowhere = study.parent / "nowhere"
    one, missing = _json(covidx("predict", trained.bundle, study, nowhere, "--format", "json"))
    table = covidx("predict", trained.bundle, study, nowhere, "--format", "csv").out
    rows = list(csv.DictReader(io.StringIO(table)))
    assert len(rows) == 2
    assert one["interpretable"] is True
    assert one["notice"] == rows[0]["notice"] == RESEARCH_NOTICE
    assert float(rows[0]["score"]) == one["score"] == one["probabilities"]["covid-19"]
    assert one["score"] == float(rows[0]["prob_covid-19"])
    assert (
        one["bundle_sha256"] == json.loads((trained.bundle / "bundle.json").read_text())["sha256"]
    )
    assert one["threshold_origin"].startswith("youden on validation")
    assert one["receipts"][0]["series"] == rows[0]["series"]
    assert missing["score"] is None
    assert missing["problem"].startswith("SOURCE_MISSING")
    assert rows[1]["score"] == ""
    assert rows[1]["problem"] == missing["problem"]


def test_columns_do_not_depend_on_the_answers(covidx: Call, trained: Run, study: Path) -> None:
    whole = covidx("predict", trained.bundle, study, "--format", "csv").out.splitlines()
    none = covidx("predict", trained.bundle, study / "no", "--format", "csv").out.splitlines()
    assert whole[0] == none[0]


def test_no_score_is_exit_code_1(covidx: Call, trained: Run, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("no image")
    (tmp_path / "empty").mkdir()
    asked = (tmp_path / "nowhere", tmp_path / "empty", tmp_path / "letter.txt")
    answer = covidx("predict", trained.bundle, *asked)
    assert answer.code == 1
    for code in ("SOURCE_MISSING", "SOURCE_EMPTY", "NOT_AN_IMAGE"):
        assert f"no result: {code}" in answer.out
    assert RESEARCH_NOTICE in answer.out


def test_it_writes_a_file_on_request(
    covidx: Call, trained: Run, study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "scores.json"
    answer = covidx("predict", trained.bundle, study, "--out", out)  # as its name ends
    assert answer.code == 0
    assert answer.out == ""
    assert len(json.loads(out.read_text())) == 1
    assert [p.name for p in out.parent.iterdir()] == ["scores.json"]


def test_a_damaged_bundle_is_refused(
    covidx: Call, trained: Run, study: Path, tmp_path: Path
) -> None:
    for name in ("bundle.json", "weights.safetensors", "parity.safetensors"):
        data = (trained.bundle / name).read_bytes()
        spoiled = data[:-8] + b"\0" * 8 if name == "weights.safetensors" else data
        (tmp_path / name).write_bytes(spoiled)
    answer = covidx("predict", tmp_path, study)
    assert answer.code == 2
    assert "[BUNDLE_CHANGED]" in answer.err


def test_two_kernels_give_one_score_marked(covidx: Call, trained: Run, real_data: Path) -> None:
    study = real_data / "dicom" / "chest-ct-two-kernels"
    (found,) = _json(covidx("predict", trained.bundle, study, "--format", "json"))
    assert 0 <= found["score"] <= 1
    assert found["interpretable"] is False
    assert any("simulated" in reason for reason in found["outside"])
    assert "B40f" in found["receipts"][0]["series"]
    assert "kernel is softer" in found["receipts"][0]["series"]
    words = covidx("predict", trained.bundle, study).out
    assert words.index("RESULT NOT INTERPRETABLE") < words.index("score for covid-19")
    assert "would be predicted" in words


REAL = [
    ("dicom/abdomen-ct-siemens", "NO_LUNGS", "no lungs in view"),
    ("dicom/conversion/anatomical/001", "NOT_CT", "this is MR"),
    ("dicom/chest-slices", "SINGLE_SLICE", "too short"),
    ("dicom/philips-localizer", "LOCALIZER", "scout"),
]


@pytest.mark.parametrize(("place", "code", "told"), REAL, ids=[r[0] for r in REAL])
def test_what_cannot_be_scored_says_why(
    covidx: Call, trained: Run, real_data: Path, place: str, code: str, told: str
) -> None:
    answer = covidx("predict", trained.bundle, real_data / place)
    assert answer.code == 1
    assert "no result:" in answer.out
    assert code in answer.out
    assert told in answer.out
    assert "RESULT NOT INTERPRETABLE" not in answer.out


def test_a_picture_into_a_ct_model(covidx: Call, trained: Run, real_data: Path) -> None:
    picture = sorted((real_data / "covid-ct" / "images").rglob("*.png"))[0]
    answer = covidx("predict", trained.bundle, picture)
    assert answer.code == 1
    assert "NOT_CT" in answer.out
    assert "these are display" in answer.out


def test_a_nifti(covidx: Call, trained: Run, real_data: Path) -> None:
    image = real_data / "ct-volumes" / "id001-128x128x64.nii.gz"
    (found,) = _json(covidx("predict", trained.bundle, image, "--format", "json"))
    assert found["score"] is not None
    assert found["receipts"][0]["source_format"] == "nifti"
    assert found["interpretable"] is False


def test_a_tilt_that_was_corrected_is_told(covidx: Call, trained: Run, real_data: Path) -> None:
    answer = covidx("predict", trained.bundle, real_data / "dicom" / "ge-head-ct-tilt")
    assert "voxels: tilt of 18.5 deg corrected by shear" in answer.out

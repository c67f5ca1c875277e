"""``covidx opacity-burden``: a table, JSON, and every mistake by its code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from covidx.constants import RESEARCH_NOTICE
from covidx.ingest.nifti import write_nifti
from covidx.phantom import draw_patient, render
from covidx.phantom.lesions import EFFUSION
from covidx.volume import Volume
from tests.cli.conftest import Call


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom patient's CT and truth as NIfTI."""
    folder = tmp_path_factory.mktemp("burden")
    result = render(draw_patient(2024, 3))
    assert (result.lesion == 2).any()
    arrays = {"ct": result.hu, "lungs": result.lung, "classes": result.lesion, "lobes": result.lobe}
    ill = (result.lesion > 0) & (result.lesion != EFFUSION)
    arrays["opacities"] = ill.astype(np.uint8)
    arrays["short"] = result.lung[1:]
    for name, array in arrays.items():
        volume = Volume(array.copy(), "OT", "unproven", "proven", result.affine)
        write_nifti(volume, folder / f"{name}.nii.gz")
    (folder / "broken.nii.gz").write_bytes(b"no image")
    return folder


def call(covidx: Call, files: Path, line: str) -> tuple[int, str, str]:
    words = [str(files / f"{w}.nii.gz") if w.isalpha() else w for w in line.split()]
    answer = covidx("opacity-burden", *words)
    return answer.code, answer.out, answer.err


def test_json_tells_what_the_truth_tells(covidx: Call, files: Path) -> None:
    line = "ct --lungs lungs --opacities classes --classes --lobes lobes --format=json"
    code, out, _ = call(covidx, files, line)
    record = json.loads(out)
    result = render(draw_patient(2024, 3))
    ml, lung = result.grid.voxel_ml, result.lung > 0
    full = record["parts"][0]
    assert code == 0
    assert full["lung"]["value"] == pytest.approx(lung.sum() * ml, abs=0.01)
    assert full["lung"]["unit"] == "ml"
    assert full["consolidation"]["value"] == pytest.approx(
        ((result.lesion == 2) & lung).sum() * ml, abs=0.01
    )
    assert record["ct_severity_score"]["zones_are"] == "lobes"
    assert record["lungs_by"] == "mask"
    assert record["notice"] == RESEARCH_NOTICE


def test_the_table_and_lungs_found_by_threshold(covidx: Call, files: Path) -> None:
    code, out, _ = call(covidx, files, "ct --opacities opacities")
    assert code == 0
    assert "lungs by threshold" in out and "both lungs" in out
    assert "of 25 points, by thirds of the right lung" in out
    assert " cm3, weighted by 1" in out and "outer third" in out
    assert out.rstrip().endswith(RESEARCH_NOTICE)
    _, alike, _ = call(covidx, files, "ct --lungs lungs --opacities opacities")
    volumes = [float(text.split("both lungs")[1].split()[0]) for text in (out, alike)]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.03)


def test_that_the_old_verb_still_works_with_a_notice(covidx: Call, files: Path) -> None:
    line = [str(files / "ct.nii.gz"), "--opacities", str(files / "opacities.nii.gz")]
    old, new = covidx("severity", *line), covidx("opacity-burden", *line)
    assert (old.code, old.out) == (new.code, new.out) == (0, new.out)
    assert old.err == "covidx severity is now called covidx opacity-burden.\n" and not new.err
    verbs = [line.split()[1] for line in covidx("--help").out.splitlines() if line.startswith("│ ")]
    assert "opacity-burden" in verbs and "severity" not in verbs


MISTAKES = [
    ("ct --lungs short --opacities opacities", "MASK_SHAPE"),
    ("ct --lungs lungs --opacities lobes", "MASK_VALUES"),
    ("ct --lungs broken --opacities opacities", "NIFTI_UNREADABLE"),
    ("lungs --lungs lungs --opacities opacities", "NOT_CT"),
    ("nowhere --lungs lungs --opacities opacities", "SOURCE_MISSING"),
]


@pytest.mark.parametrize(("line", "code"), MISTAKES, ids=[code for _, code in MISTAKES])
def test_a_mistake_ends_with_its_code(covidx: Call, files: Path, line: str, code: str) -> None:
    status, out, err = call(covidx, files, line)
    assert status == 2
    assert f"[{code}]" in err and "Traceback" not in err and not out


def test_a_mask_that_is_not_there_is_a_usage_error(covidx: Call, files: Path) -> None:
    status, _, err = call(covidx, files, "ct --lungs lungs --opacities nowhere")
    # In a box, as wide as the terminal, that breaks lines wherever the path ends.
    words = "".join(c if c.isascii() else " " for c in err).split()
    assert status == 2 and "does not exist" in " ".join(words)

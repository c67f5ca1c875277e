"""The benchmark of shortcuts: whose lungs the segmenter may learn from, and what is recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from benchmarks.shortcuts import CONDITIONS, other_patients, results_of
from covidx.audit.finding import Finding
from covidx.audit.shortcuts import ShortcutAudit
from covidx.evaluate import Estimate


def test_no_patient_of_whom_the_other_set_has_an_image_is_left(tmp_path: Path) -> None:
    """By the patient's number, by the file's name, and all other images of such a patient."""
    dark, films = tmp_path / "darkcovidnet", tmp_path / "covid-chestxray"
    for folder in (dark, films / "images", films / "lung_masks_v7labs"):
        folder.mkdir(parents=True)
    pd.DataFrame(
        {
            "patient_id": ["cohen-1", "nih-2", "cohen-9"],
            "original_file": ["a.jpeg", "c.png", "d.png"],
        }
    ).to_csv(dark / "images.csv", index=False)
    pd.DataFrame(
        {"patientid": ["1", "2", "3", "3", "4"], "filename": ["x.png", "b.png", "d.jpg", "e", "f"]}
    ).to_csv(films / "metadata.csv", index=False)
    out = other_patients(tmp_path, tmp_path / "out")
    left = pd.read_csv(out / "metadata.csv", dtype=str)
    assert left["patientid"].tolist() == ["2", "4"]
    assert (out / "images").is_dir() and (out / "lung_masks_v7labs").is_dir()


def test_conditions_that_were_not_looked_at_are_not_recorded() -> None:
    def finding(name: str, value: float | None) -> Finding:
        estimate = None if value is None else Estimate(value, 0.4, 0.9, 30, "made up")
        return Finding(name, "Title", "pass", "", "", "", estimate=estimate)

    findings = [finding(name, None if name == "lungs_out" else 0.7) for name in CONDITIONS]
    lungs = replace(finding("lungs_found", None), found="Not found in 1 of 9 ill.")
    audit = ShortcutAudit([], [*findings, finding("whole_image", 0.8), lungs], {})
    found = results_of(audit, "covid-ct")
    assert "covid_ct_lungs_out_auroc" not in found
    border = found["covid_ct_border_trained_auroc"]
    assert border.value == 0.7 and border.against.endswith("greys: not found in 1 of 9 ill")
    assert len(found) == len(CONDITIONS) - 1

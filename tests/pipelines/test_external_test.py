"""A trained run on other patients: mapped labels, what was seen before, what is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from typer.testing import CliRunner

from covidx.cli import app
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import CovidxError
from covidx.phantom import generate_cohort
from covidx.tables import PREDICTIONS, read_table
from covidx.wording import counted
from tests.conftest import Run

NEW = 8


@pytest.fixture(scope="module")
def second(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight new patients, and one that the model was trained on, under other labels."""
    folder = generate_cohort(tmp_path_factory.mktemp("second") / "phantom", NEW, seed=41)
    roles = read_table(trained.folder / "predictions.parquet", PREDICTIONS)
    known = roles.loc[roles["role"] == "train", "patient_id"].iloc[0]
    for study in (trained.phantom / "dicom").iterdir():
        if pydicom.dcmread(next(study.iterdir()), stop_before_pixels=True).PatientID == known:
            shutil.copytree(study, folder / "dicom" / "again")
    labels = pd.read_csv(folder / "labels.csv")
    labels["label"] = labels["label"].map(lambda name: "sick" if "19" in name else name)
    labels.loc[labels["label"] == "normal", "label"] = "SARS"
    labels.loc[len(labels)] = [known, "sick"]
    labels.to_csv(folder / "labels.csv", index=False)
    return folder


def test_external_test_by_the_command_line(trained: Run, second: Path, tmp_path: Path) -> None:
    arguments = ["external-test", str(trained.folder), "--data", str(second / "dicom")]
    arguments += ["--labels", str(second / "labels.csv"), "--map", "sick=covid-19"]
    arguments += ["--work", str(tmp_path / "work"), "--runs", str(tmp_path / "runs")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    labels = pd.read_csv(second / "labels.csv")["label"].value_counts()
    assert f"label SARS: {counted(labels['SARS'], 'image')} left out" in result.stdout
    assert "1 image left out: near-duplicates of training images" in result.stdout
    assert "lost from the run's own test set" in result.stdout and RESEARCH_NOTICE in result.stdout
    folder = next((tmp_path / "runs" / "external_test").glob("2*"))
    theirs = read_table(folder / "predictions.parquet", PREDICTIONS)
    assert len(theirs) == NEW - labels["SARS"]
    assert set(theirs["label"]) == {"covid-19", "other-pneumonia"}
    record = json.loads((folder / "run.json").read_text())
    bundle = json.loads((trained.bundle / "bundle.json").read_text())
    assert record["details"]["tested"]["bundle_sha256"] == bundle["sha256"]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["sensitivity"]["threshold"] == bundle["threshold"]["value"]
    own = json.loads((trained.folder / "metrics.json").read_text())
    lost = json.loads((folder / "performance_change.json").read_text())
    for name in ("auroc", "sensitivity", "specificity", "brier"):
        assert np.isclose(lost[name]["value"], own[name]["value"] - metrics[name]["value"])
        assert lost[name]["low"] is None or lost[name]["low"] <= lost[name]["high"]
    assert "label SARS" in (folder / "report.html").read_text()


def test_a_folder_that_is_no_run_is_refused(second: Path, tmp_path: Path) -> None:
    arguments = ["external-test", str(tmp_path), "--data", str(second / "dicom")]
    with pytest.raises(CovidxError, match="RUN_INCOMPLETE"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_a_mapping_must_read_label_equals_class(second: Path, tmp_path: Path) -> None:
    arguments = ["external-test", str(tmp_path), "--data", str(second), "--map", "sick"]
    with pytest.raises(CovidxError, match="MAP_INVALID"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)

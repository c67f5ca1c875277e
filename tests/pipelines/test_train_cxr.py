"""The same pipeline on radiographs, from DICOM to a report, a few patients and one epoch."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from typer.testing import CliRunner

from covidx.cli import app
from covidx.inference import PARITY_TOLERANCE, ImagePredictor
from covidx.ingest import Identities
from covidx.tables import MANIFEST, MASKS, PREDICTIONS, read_table
from tests.conftest import Run

PATIENTS = 25
CHANGES = (f"phantom.patients={PATIENTS}", "radiograph.learning.epochs=1")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("cxr")
    arguments = ["train", "cxr", "--work", str(place / "work"), "--runs", str(place / "runs")]
    for change in CHANGES:
        arguments += ["--set", change]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "covid-19 against the rest" in result.stdout
    folder = (place / "runs" / "train_cxr" / "latest").resolve()
    return Run(folder, place / "runs", place / "work")


def test_all_films_are_read_and_scored_in_three_classes(films: Run) -> None:
    manifest = read_table(films.folder / "manifest.parquet", MANIFEST)
    assert len(manifest) == PATIENTS and set(manifest["kind"]) == {"radiograph"}
    assert set(manifest["modality"]) == {"CR", "DX"}
    assert set(manifest["view"]) == {"PA", "AP"}
    metrics = json.loads((films.folder / "metrics.json").read_text())
    assert {"auroc_macro", "auroc_normal", "accuracy_argmax"} <= metrics.keys()
    assert "images left out: lateral views" in (films.folder / "report.html").read_text()
    masks = read_table(films.folder / "masks.parquet", MASKS)
    assert set(masks["image_id"]) == set(manifest["image_id"])


def test_every_test_film_has_its_page(films: Run) -> None:
    test = read_table(films.folder / "predictions.parquet", PREDICTIONS)
    test = test[test["role"] == "test"]
    pages = sorted((films.folder / "cases").glob("*/index.html"))
    assert len(pages) == len(test)
    assert all(len(list(page.parent.glob("slice-*.png"))) == 1 for page in pages)


def test_prediction_from_dicom_equals_evaluation(films: Run) -> None:
    predictor = ImagePredictor.load(films.bundle)
    table = read_table(films.folder / "predictions.parquet", PREDICTIONS)
    test = table[table["role"] == "test"].set_index("patient_id")
    checked = 0
    for study in sorted((films.phantom / "dicom").iterdir()):
        patient = pydicom.dcmread(next(study.iterdir()), stop_before_pixels=True).PatientID
        if patient not in test.index:
            continue
        found = [
            p
            for p in predictor.stream(study, identities=Identities.public())
            if not any("lateral" in reason for reason in p.outside)
        ]
        assert len(found) == 1 and found[0].outside == ()
        for name, value in found[0].probabilities.items():
            assert value == pytest.approx(test.loc[patient, f"prob_{name}"], abs=PARITY_TOLERANCE)
        checked += 1
    assert checked == len(test)


def test_a_ct_is_no_radiograph(films: Run, trained: Run) -> None:
    study = next((trained.phantom / "dicom").iterdir())
    (answer,) = ImagePredictor.load(films.bundle).stream(study, identities=Identities.public())
    assert answer.score is None and str(answer.problem).startswith("NOT_RADIOGRAPH")


def test_a_ct_cohort_is_refused(trained: Run, tmp_path: Path) -> None:
    from covidx.errors import CovidxError

    data = trained.phantom / "dicom"
    arguments = ["train", "cxr", "--data", str(data), "--labels", str(data.parent / "labels.csv")]
    arguments += ["--card", "phantom", "--work", str(tmp_path), "--runs", str(tmp_path / "runs")]
    with pytest.raises(CovidxError, match="MODALITY_ABSENT"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_films_and_labels_are_the_ct_cohorts(films: Run, trained: Run) -> None:
    """The same patients, seen by another machine."""
    film, scan = (pd.read_csv(run.phantom / "labels.csv") for run in (films, trained))
    pd.testing.assert_frame_equal(film, scan.head(PATIENTS))

"""Truth is drawn where it lies, or not at all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from covidx.cohort import classes_of
from covidx.errors import InvalidSeriesError
from covidx.evaluate import Metrics, evaluate
from covidx.files import read_json
from covidx.imaging import BagCache, build_cache
from covidx.inference import ImagePredictor
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.image.cases import make_cases
from covidx.pipelines.source import Source
from covidx.report import CaseRow
from tests.conftest import Run


@pytest.fixture(scope="module")
def rows(trained: Run) -> pd.DataFrame:
    """A test patient with a lesion."""
    manifest = pd.read_parquet(trained.folder / "manifest.parquet")
    splits = pd.read_parquet(trained.folder / "splits.parquet")
    joined = manifest.merge(splits[["patient_id", "fold", "role"]], on="patient_id")
    found = joined[(joined["role"] == "test") & (joined["label"] == "other-pneumonia")]
    return found.head(1)


@pytest.fixture(scope="module")
def predictor(trained: Run) -> ImagePredictor:
    return ImagePredictor.load(trained.bundle)


@pytest.fixture(scope="module")
def cache(
    trained: Run,
    rows: pd.DataFrame,
    predictor: ImagePredictor,
    tmp_path_factory: pytest.TempPathFactory,
) -> BagCache:
    folder = tmp_path_factory.mktemp("cache")
    return build_cache(
        trained.phantom / "store", rows, predictor.bundle.recipe.preprocessing, folder
    )


@pytest.fixture(scope="module")
def metrics(trained: Run, predictor: ImagePredictor) -> Metrics:
    table = pd.read_parquet(trained.folder / "predictions.parquet")
    point = predictor.bundle.threshold.operating_point
    return evaluate(table[table["role"] == "test"], "covid-19", point, resamples=20)


def _cohort(trained: Run, masks: Path) -> Cohort:
    source = Source(trained.phantom / "dicom", None, None, masks=masks)
    manifest = pd.read_parquet(trained.folder / "manifest.parquet")
    listed = pd.read_parquet(trained.folder / "masks.parquet")
    classes = classes_of(["normal", "other-pneumonia", "covid-19"])
    store = trained.phantom / "store"
    return Cohort(source, store, None, manifest, listed, [], classes)  # type: ignore[arg-type]


def _moved(trained: Run, rows: pd.DataFrame, folder: Path, by: float, cut: int = 0) -> Path:
    """The patient's lesion mask, moved by some mm and short of some slices."""
    name = f"{rows['patient_id'].iloc[0]}_lesion.nii.gz"
    image = nib.nifti1.Nifti1Image.from_filename(trained.phantom / "masks" / name)
    affine = np.array(image.affine)
    affine[2, 3] += by
    array = np.asarray(image.dataobj)[:, :, cut:]
    nib.nifti1.Nifti1Image(array, affine).to_filename(folder / name)
    return folder


def _make(
    trained: Run,
    rows: pd.DataFrame,
    predictor: ImagePredictor,
    cache: BagCache,
    metrics: Metrics,
    masks: Path,
    out: Path,
) -> list[CaseRow]:
    cohort = _cohort(trained, masks)
    told: list[tuple[int, int]] = []
    cases = make_cases(
        predictor, cohort, cache, rows, metrics, out, lambda done, total: told.append((done, total))
    )
    assert told == [(1, 2), (2, 2)]  # explained, then drawn
    return cases


def test_a_case_tells_truth_score_and_decision(
    trained: Run,
    rows: pd.DataFrame,
    predictor: ImagePredictor,
    cache: BagCache,
    metrics: Metrics,
    tmp_path: Path,
) -> None:
    masks = trained.phantom / "masks"
    (case,) = _make(trained, rows, predictor, cache, metrics, masks, tmp_path)
    table = pd.read_parquet(trained.folder / "predictions.parquet").set_index("patient_id")
    patient = rows["patient_id"].iloc[0]
    assert case.name == patient
    assert case.result is not None
    assert case.result.score == pytest.approx(table.loc[patient, "prob_covid-19"], abs=1e-5)
    assert case.error == ("false alarm" if case.result.called else None)
    assert case.lesion_ml is not None and case.lesion_ml > 0
    exam = read_json(tmp_path / "exam.json")
    assert [image["image_id"] for image in exam["images"]] == [rows["image_id"].iloc[0]]
    maps = exam["images"][0]["maps"]
    assert Counter(one["verdict"] for one in maps) == case.verdicts
    assert sum(exam["verdicts"].values()) == len(maps) == 4  # top_k
    assert all(0 <= one["lung_area"] < 1 for one in maps if one["evidence"] is not None)
    assert exam["images"][0]["pointing"] is None  # not of the positive class
    assert exam["figures"]["pointing_game"]["n"] == 0
    assert exam["scale"]["top"] > exam["scale"]["floor"] == 0.1
    assert len(exam["robustness"]) == (maps[0]["verdict"] != "no evidence")
    page = (tmp_path / case.folder / "index.html").read_text()
    assert patient in page
    assert all(f"Exam of the map: {verdict}" in page for verdict in case.verdicts)


@pytest.mark.parametrize(("by", "cut"), [(5.0, 0), (0.01, 0), (0.0, 1)])
def test_a_mask_elsewhere_is_refused(
    trained: Run,
    rows: pd.DataFrame,
    predictor: ImagePredictor,
    cache: BagCache,
    metrics: Metrics,
    tmp_path: Path,
    by: float,
    cut: int,
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    _moved(trained, rows, masks, by, cut)
    with pytest.raises(InvalidSeriesError) as caught:
        _make(trained, rows, predictor, cache, metrics, masks, tmp_path / "cases")
    assert caught.value.code == "MASK_ELSEWHERE"
    assert "affines" in str(caught.value)

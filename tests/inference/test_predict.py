"""Scoring: parity of all paths, the predictions table, and what lies outside the domain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from covidx.imaging import build_cache
from covidx.inference import (
    PARITY_TOLERANCE,
    ImagePredictor,
    outside_domain,
    predict_cache,
)
from covidx.ingest import Identities, ingest, load_image, read_images
from covidx.phantom import generate_cohort
from covidx.tables import PREDICTIONS, check

from .conftest import CLASSES, HOW, make_bundle, make_cache, make_predictor, make_rows, write

FACTS = {
    "modality": "CT",
    "units": "hu",
    "manufacturer": "covidx phantom A",
    "kind": "volume",
    "slice_thickness_mm": 6.0,
}


@pytest.fixture(scope="module")
def dicom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two phantom patients as DICOM."""
    return generate_cohort(tmp_path_factory.mktemp("phantom") / "out", 2, 2, workers=1) / "dicom"


def test_the_cache_and_the_files_give_one_score(dicom: Path, tmp_path: Path) -> None:
    write(tmp_path / "bundle", make_predictor())
    predictor = ImagePredictor.load(tmp_path / "bundle")
    store = tmp_path / "store"
    manifest = ingest(dicom, store, workers=1).manifest
    cache = build_cache(store, manifest, HOW, tmp_path / "cache", workers=1)
    assert cache.refused == {} and len(manifest) == 2
    rows = manifest.assign(fold=0, role="test", label="normal")
    table = predict_cache(predictor, cache, rows, "run")
    columns = [f"prob_{name}" for name in CLASSES]
    cached = {row["patient_id"]: [row[c] for c in columns] for _, row in table.iterrows()}
    images = list(read_images(dicom, identities=Identities.keyed()))
    assert len({tuple(v) for v in cached.values()}) == 2  # the model tells them apart
    for image in images:
        patient = image.fields["patient_id"]
        _, scores = predictor.score_volume(image.volume)
        np.testing.assert_allclose(scores.probabilities, cached[patient], atol=PARITY_TOLERANCE)
        (row,) = manifest[manifest["patient_id"] == patient].to_dict("records")
        _, stored = predictor.score_volume(load_image(store, row))
        np.testing.assert_allclose(stored.probabilities, cached[patient], atol=PARITY_TOLERANCE)
    answers = list(predictor.stream(dicom, identities=Identities.keyed()))
    positive = sorted(probabilities[2] for probabilities in cached.values())
    assert sorted(a.score or 0 for a in answers) == pytest.approx(positive, abs=PARITY_TOLERANCE)
    for answer in answers:
        assert answer.problem is None and answer.outside == ()
        assert (answer.decision == "covid-19") == ((answer.score or 0) >= 0.35)


def test_a_score_is_of_the_bag_alone(tmp_path: Path) -> None:
    predictor, cache = make_predictor(), make_cache(tmp_path)
    scores = predictor.score(cache.bag("i1"))
    assert scores.probabilities.sum() == pytest.approx(1, abs=1e-12)
    assert scores.slice_probabilities.shape == (3, 3) and scores.weights.sum() == 1
    assert (scores.weights > 0).sum() == 2  # top_k
    assert predictor.positive_score(scores) == scores.probabilities[2]


def test_the_predictions_table(tmp_path: Path) -> None:
    predictor, cache = make_predictor(), make_cache(tmp_path)
    told: list[tuple[int, int]] = []
    table = predict_cache(
        predictor, cache, make_rows()[::-1], "run", lambda *done: told.append(done)
    )
    check(table, PREDICTIONS)
    assert table["unit_id"].tolist() == [f"p{k}" for k in range(10)]
    assert set(table["level"]) == {"patient"} and set(table["split_sha256"]) == {"s"}
    assert told[-1] == (10, 10)
    one = predictor.score(cache.bag("i4")).probabilities
    assert table.loc[4, "prob_covid-19"] == pytest.approx(one[2], abs=1e-12)


def test_patients_with_several_images_are_scored_by_image(tmp_path: Path) -> None:
    rows = make_rows().assign(patient_id=[f"p{k // 2}" for k in range(10)])
    table = predict_cache(make_predictor(), make_cache(tmp_path), rows, "run")
    check(table, PREDICTIONS)
    assert set(table["level"]) == {"image"}
    assert table["unit_id"].tolist() == [f"i{k}" for k in range(10)]
    assert table["patient_id"].nunique() == 5


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"manufacturer": "Siemens"}, "trained on simulated scans"),
        ({"manufacturer": None}, "trained on simulated scans"),
        ({"manufacturer": float("nan")}, "trained on simulated scans"),
        ({"modality": "MR"}, "trained on CT, this is MR"),
        ({"units": "unproven"}, "trained on values in hu, these are unproven"),
        ({"units": "display"}, "values in hu"),
        ({"contrast": "given"}, "contrast medium was given"),
        ({"kind": "slice"}, "trained on a volume, this is a slice"),
        ({"slice_thickness_mm": 1.0}, "slices of 5 to 7 mm, these are 1"),
        ({"slice_thickness_mm": 10}, "slices of 5 to 7 mm, these are 10"),
        ({"slice_thickness_mm": np.float32(10)}, "these are 10"),
    ],
)
def test_each_way_out_of_the_domain_is_named(facts: dict[str, object], said: str) -> None:
    reasons = outside_domain(make_bundle(), FACTS | facts)
    assert len(reasons) == 1
    assert said in reasons[0]


@pytest.mark.parametrize("thickness", [5.0, 7.0, 4.8, 7.3, None, float("nan")])
def test_inside_the_domain_nothing_is_said(thickness: float | None) -> None:
    assert outside_domain(make_bundle(), FACTS | {"slice_thickness_mm": thickness}) == []


def test_contrast_is_no_surprise_to_a_model_that_saw_it() -> None:
    seen = make_bundle().trained_on.model_copy(update={"contrast": True})
    assert outside_domain(make_bundle(trained_on=seen), FACTS | {"contrast": "given"}) == []


def test_a_model_of_two_modalities_takes_both() -> None:
    """CR and DX are both radiographs, and a hospital has both."""
    seen = make_bundle().trained_on.model_copy(update={"modalities": ["CR", "DX"]})
    bundle = make_bundle(trained_on=seen)
    for modality in ("CR", "DX"):
        assert outside_domain(bundle, FACTS | {"modality": modality}) == []
    assert outside_domain(bundle, FACTS) == ["trained on CR and DX, this is CT"]


def test_a_simulated_scan_is_outside_a_real_models_domain() -> None:
    seen = make_bundle().trained_on.model_copy(update={"domain": "real"})
    reasons = outside_domain(make_bundle(trained_on=seen), FACTS)
    assert reasons == ["the model was trained on real scans, this one is simulated"]


def test_the_positive_class_may_stand_anywhere() -> None:
    bundle = make_bundle(positive="other")
    predictor = make_predictor(bundle)
    scores = predictor.score(replace_bag())
    assert predictor.positive_score(scores) == scores.probabilities[1]


def replace_bag() -> Any:
    from covidx.inference import parity_bags

    return replace(parity_bags(HOW)[0])

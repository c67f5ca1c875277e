"""What is saved gives the same scores, or is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from covidx.bundles import Threshold
from covidx.clinical import (
    ClinicalBundle,
    ClinicalRecipe,
    Fitted,
    fit_recipe,
    load_bundle,
    write_bundle,
)
from covidx.clinical.bundle import PIPELINE
from covidx.domain import TrainedOn
from covidx.errors import BundleError
from covidx.evaluate import OperatingPoint
from covidx.files import sha256_file
from tests.clinical.synthetic import synthetic_rows
from tests.clinical.test_fit import RECIPES

POINT = OperatingPoint(0.4, "youden", "validation, n = 40 (20 positive)")
TRAINED = TrainedOn(
    dataset="small",
    domain="simulated",
    card_sha256="0" * 64,
    table_sha256="1" * 64,
    split_sha256="2" * 64,
    patients={"negative": 80, "covid-19": 80},
)
FACTS: dict[str, Any] = {
    "trained_on": TRAINED,
    "classes": ["negative", "covid-19"],
    "positive": "covid-19",
    "threshold": Threshold.of(POINT),
    "run_id": "now",
}


def save(folder: Path, fitted: Fitted, **change: Any) -> ClinicalBundle:
    """Write a bundle of the facts above."""
    return write_bundle(folder, ClinicalBundle.of(fitted, **FACTS | change), fitted)


def _fitted(recipe: ClinicalRecipe = RECIPES[0]) -> Fitted:
    return fit_recipe(recipe, synthetic_rows(160, 1), seed=0, folds=3)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda one: one.name)
def test_every_recipe_comes_back_as_it_was(recipe: ClinicalRecipe, tmp_path: Path) -> None:
    fitted = _fitted(recipe)
    saved = save(tmp_path, fitted)
    bundle, again = load_bundle(tmp_path)
    assert bundle == saved and bundle.threshold.operating_point == POINT
    rows = synthetic_rows(100, 2).table
    np.testing.assert_array_equal(again.score(rows), fitted.score(rows))
    assert [c.name for c in bundle.columns] == ["signal", "noise", "gap"]
    with zipfile.ZipFile(tmp_path / PIPELINE) as archive:
        assert not [n for n in archive.namelist() if n.endswith((".pkl", ".pickle"))]


def test_a_bundles_hash_is_of_what_it_is_not_of_when(tmp_path: Path) -> None:
    one = save(tmp_path / "a", _fitted())
    two = save(tmp_path / "b", _fitted(), run_id="later")
    other = save(tmp_path / "c", _fitted(RECIPES[1]))
    assert one.sha256 == two.sha256 != other.sha256


@pytest.mark.parametrize("name", [PIPELINE, "bundle.json"])
def test_a_changed_file_is_refused(name: str, tmp_path: Path) -> None:
    save(tmp_path, _fitted())
    if name == PIPELINE:
        save_other = tmp_path / "other"
        save(save_other, _fitted(RECIPES[3]))
        (save_other / PIPELINE).replace(tmp_path / PIPELINE)
    else:
        said = json.loads((tmp_path / name).read_text()) | {"patient_column": "id"}
        (tmp_path / name).write_text(json.dumps(said))
    with pytest.raises(BundleError, match="BUNDLE_CHANGED") as caught:
        load_bundle(tmp_path)
    assert caught.value.path == str(tmp_path / name)


def test_a_pipeline_with_code_of_others_is_not_loaded(tmp_path: Path) -> None:
    save(tmp_path, _fitted())
    # os.system would run when the pipeline is used.
    import os

    skops.io.dump(Pipeline([("evil", FunctionTransformer(os.system))]), tmp_path / PIPELINE)
    said = json.loads((tmp_path / "bundle.json").read_text())
    said["pipeline_sha256"] = sha256_file(tmp_path / PIPELINE)
    (tmp_path / "bundle.json").write_text(json.dumps(said))
    with pytest.raises(BundleError, match="BUNDLE_UNTRUSTED"):
        load_bundle(tmp_path)

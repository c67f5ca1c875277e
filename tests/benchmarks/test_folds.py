"""Cross-validation: kept folds, the stamp of a leak, and results from all of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import covid_ct, darkcovidnet
from benchmarks.folds import Study, cross_validate, make_study
from benchmarks.kept import KeptFolds
from covidx.cohort import classes_of
from covidx.imaging import BagCache
from covidx.inference.image_bundle import ImageRecipe
from covidx.models import BagClassifier
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.image.fit import ImageFit
from covidx.pipelines.source import Source
from covidx.tables import MASKS, empty
from covidx.training import Fit

ROWS, SIDE = 60, 32
RECIPE = ImageRecipe.model_validate(
    {
        "preprocessing": {"input": "slice", "slices": 1, "rows": SIDE, "columns": SIDE},
        "architecture": {"backbone": "tf_efficientnet_lite0", "top_k": 1},
        "learning": {"epochs": 1, "pretrained": False},
    }
)


class _Train:
    """Instead of `fit`: an untrained network, once a call."""

    def __init__(self, classes: int = 2) -> None:
        self.calls = 0
        self.model = BagClassifier(RECIPE.architecture, classes, pretrained=False).eval()

    def __call__(self, cache: object, rows: pd.DataFrame, *_: object) -> ImageFit:
        self.calls += 1
        self.rows = rows
        return ImageFit(self.model, [Fit(self.model, pd.DataFrame({"epoch": [0]}), 0, None)])


@pytest.fixture(scope="module")
def train() -> _Train:
    """Made once: building the network takes longer than the rest."""
    return _Train()


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Random pictures, two a source."""
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (ROWS, SIDE, SIDE)).astype(np.uint8)
    names = [f"i{k:02d}" for k in range(ROWS)]
    np.save(tmp_path / "pixels.npy", pixels)
    index = {
        n: {"rows": [k, k + 1], "slices": [0], "box": [0, 32, 0, 32]} for k, n in enumerate(names)
    }
    manifest = pd.DataFrame(
        {
            "image_id": names,
            "patient_id": [f"p{k // 2}" for k in range(ROWS)],
            "group_id": [f"g{k // 2}" for k in range(ROWS)],
            "label": np.array(["covid-19", "non-covid"])[np.arange(ROWS) // 2 % 2],
            "sha256": names,
            "modality": "CT",
            "kind": "slice",
            "units": "display",
            "manufacturer": None,
            "slice_thickness_mm": np.nan,
            "pixel_spacing_mm": np.nan,
            "slice_spacing_mm": np.nan,
            "body_part": None,
            "source_format": "PNG",
            "mode": "L",
            "rows": chance.integers(100, 400, ROWS),
            "columns": 100,
        }
    )
    source = Source(tmp_path, None, None)
    classes = classes_of(["covid-19", "non-covid"])
    cohort = Cohort(source, tmp_path, None, manifest, empty(MASKS), [], classes)  # type: ignore[arg-type]
    return make_study(cohort, BagCache(tmp_path, index, {}), RECIPE, 0)


def test_folds_that_are_done_are_kept(study: Study, train: _Train, tmp_path: Path) -> None:
    before = train.calls
    first = cross_validate(study, tmp_path / "work", train)
    assert train.calls == before + 5
    (tmp_path / "work" / study.key / "fold-2" / "fold.json").unlink()
    again = cross_validate(study, tmp_path / "work", train)
    assert train.calls == before + 6
    pd.testing.assert_frame_equal(first.test, again.test)
    assert first.points == again.points
    assert sorted(first.test["unit_id"]) == sorted(study.manifest["image_id"])
    assert set(first.test["role"]) == {"test"}


def test_folds_kept_in_the_repository_are_not_trained_again(
    study: Study, train: _Train, tmp_path: Path
) -> None:
    kept = KeptFolds(tmp_path / "scores.csv", tmp_path / "folds.json")
    first = cross_validate(study, tmp_path / "work", train, kept)
    calls = train.calls
    again = cross_validate(study, tmp_path / "elsewhere", train, kept)
    assert train.calls == calls
    columns = [name for name in first.test if name != "bundle_sha256"]
    pd.testing.assert_frame_equal(first.test[columns], again.test[columns], rtol=1e-6)
    assert (again.points, again.commit) == (first.points, first.commit)

    other = replace(study, seed=1)
    cross_validate(other, tmp_path / "work", train, kept)
    table = pd.read_csv(kept.scores)
    assert table.groupby("seed").size().to_dict() == {0: ROWS, 1: ROWS}
    assert list(table) == ["image_id", "seed", "fold", "score"]

    changed = replace(study, manifest=study.manifest.assign(sha256="other"))
    calls = train.calls
    cross_validate(changed, tmp_path / "work", train, kept)
    assert train.calls == calls + 5
    assert pd.read_csv(kept.scores).groupby("seed").size().to_dict() == {0: ROWS, 1: ROWS}


def test_the_key_follows_recipe_rows_and_seed(study: Study) -> None:
    slower = RECIPE.model_copy(
        update={"learning": RECIPE.learning.model_copy(update={"epochs": 2})}
    )
    others = [
        replace(study, recipe=slower),
        replace(study, seed=1),
        replace(study, manifest=study.manifest.assign(sha256="other")),
    ]
    assert len({one.key for one in (study, *others)}) == 4


def test_folds_by_group_divide_none(study: Study) -> None:
    for fold in study.splits.folds:
        assert (study.rows(fold).groupby("group_id")["role"].nunique() == 1).all()


def test_a_leak_is_stamped_and_keeps_honest_groups(
    study: Study, train: _Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaky = make_study(study.cohort, study.cache, RECIPE, 0, leaky=True)
    assert (leaky.rows(0).groupby("group_id")["role"].nunique() > 1).any()
    monkeypatch.setattr(covid_ct, "cross_validate", lambda s, work: cross_validate(s, work, train))
    results = tmp_path / "results.json"
    found = covid_ct.by_image(leaky, tmp_path, results)
    assert found.test["run_id"].str.endswith("-leaky").all()
    assert set(found.test["group_id"]) == set(study.manifest["group_id"])
    folders = list((tmp_path / "benchmarks" / "covid-ct").glob("*-leaky/fold-*/fold.json"))
    assert len(folders) == 5
    assert all(json.loads(path.read_text())["leaky"] for path in folders)
    assert json.loads(results.read_text())["covid_ct_5fold_auroc_image"]["against"].startswith(
        "LEAKY"
    )


def test_all_results_by_source_run(
    study: Study, train: _Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.controls.TREES", 5)
    monkeypatch.setattr(
        covid_ct, "cross_validate", lambda s, work, kept: cross_validate(s, work, train, kept)
    )
    results = tmp_path / "results.json"
    seeds = [study, make_study(study.cohort, study.cache, RECIPE, 1)]
    covid_ct.by_group(seeds, tmp_path, results, kept=None)
    found = json.loads(results.read_text())
    assert found["covid_ct_5fold_auroc"]["n"] == ROWS
    assert "mean of 10 folds, seeds 0, 1" in found["covid_ct_5fold_auroc"]["against"]
    spread, mean = found["covid_ct_seed_spread"], found["covid_ct_5fold_auroc"]["value"]
    assert spread["n"] == 2
    assert mean == pytest.approx((spread["low"] + spread["high"]) / 2, abs=1e-4)
    assert "90 % interval" in found["covid_ct_minus_best_control"]["against"]
    assert sorted(found) == [
        "covid_ct_5fold_accuracy",
        "covid_ct_5fold_auroc",
        "covid_ct_5fold_auroc_pooled",
        "covid_ct_5fold_f1",
        "covid_ct_border_auroc",
        "covid_ct_histogram_auroc",
        "covid_ct_metadata_auroc",
        "covid_ct_minus_best_control",
        "covid_ct_seed_spread",
    ]


def test_results_of_three_classes_by_patient_and_by_image(
    study: Study, train: _Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.controls.TREES", 5)
    labels = np.array(["a", "b", "sick"])[np.arange(ROWS) // 2 % 3]
    manifest = study.cohort.manifest.assign(label=labels, group_id=np.arange(ROWS).astype(str))
    manifest["patient_id"] = manifest["group_id"]
    cohort = replace(
        study.cohort, manifest=manifest, classes=classes_of(["a", "b", "sick"], "sick")
    )
    three = _Train(3)
    monkeypatch.setattr(
        darkcovidnet, "cross_validate", lambda s, work: cross_validate(s, work, three)
    )
    results = tmp_path / "results.json"
    for leaky, by in ((False, darkcovidnet.by_group), (True, darkcovidnet.by_image)):
        by(make_study(cohort, study.cache, RECIPE, 0, leaky=leaky), tmp_path, results)
    found = json.loads(results.read_text())
    assert sorted(found) == [
        "darkcovidnet_2class_image_accuracy",
        "darkcovidnet_2class_patient_accuracy",
        "darkcovidnet_3class_image_accuracy",
        "darkcovidnet_3class_patient_accuracy",
        "darkcovidnet_border_only_auroc",
        "darkcovidnet_covid_auroc",
        "darkcovidnet_histogram_only_auroc",
        "darkcovidnet_metadata_only_auroc",
        "darkcovidnet_pneumonia_in_nih_image_auroc",
        "darkcovidnet_pneumonia_in_nih_patient_auroc",
    ]
    for name in ("3class_{}_accuracy", "2class_{}_accuracy", "pneumonia_in_nih_{}_auroc"):
        leaky = found[f"darkcovidnet_{name.format('image')}"]
        honest = found[f"darkcovidnet_{name.format('patient')}"]
        assert leaky["against"].startswith("LEAKY")
        assert f"by patient {honest['value']:.3f}" in leaky["against"]


def test_rows_of_two_classes_share_the_probability_between_them() -> None:
    table = pd.DataFrame(
        {
            "label": ["sick", "b", "a"],
            "prob_a": [0.2, 0.1, 0.3],
            "prob_b": [0.0, 0.5, 0.1],
            "prob_sick": [0.6, 0.4, 0.6],
        }
    )
    found = darkcovidnet.between(table, "sick", "a")
    assert found["label"].tolist() == ["sick", "a"]
    assert found["prob_sick"].tolist() == pytest.approx([0.75, 2 / 3])
    assert found["prob_a"].tolist() == pytest.approx([0.25, 1 / 3])
    assert "prob_b" not in found

"""Bundles as they were written before: upgraded, proven by their reference cases, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from covidx.bundles import BundleFile
from covidx.errors import BundleError, StoreError
from covidx.files import read_json, sha256_file, sha256_json, write_json
from covidx.inference import ImagePredictor
from covidx.inference.clinical import ClinicalPredictor
from covidx.inference.segmentation_bundle import build_network
from covidx.inference.segmenter import Segmenter
from covidx.inference.upgrade import upgrade_bundle
from tests.clinical.synthetic import synthetic_rows
from tests.clinical.test_bundle import _fitted, save

from .conftest import make_predictor
from .test_segmenter import GROUPS
from .test_segmenter import bundle as segmentation_bundle

TRAINED = ("manufacturers", "slice_thickness_mm", "contrast", "kind", "units", "modalities")
ROWS = ("dataset", "domain", "card_sha256", "table_sha256", "split_sha256", "patients")


def rewrite(folder: Path, values: dict[str, Any], apart: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """``bundle.json`` with the digest that covidx gave it then."""
    hidden = BundleFile.NOT_HASHED | apart
    digest = sha256_json({key: value for key, value in values.items() if key not in hidden})
    write_json(folder / "bundle.json", {**values, "sha256": digest})


def old_trained(values: dict[str, Any]) -> dict[str, Any]:
    named = ("dataset", "domain", "card_sha256", "manifest_sha256", "split_sha256", "patients")
    return {name: values["trained_on"][name] for name in (*named, *TRAINED)}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image bundle of version 2."""
    folder = tmp_path / "run" / "bundle"
    make_predictor().save(folder)
    values = read_json(folder / "bundle.json")
    recipe = values.pop("recipe")
    old = {"preprocessing": recipe["preprocessing"], "architecture": recipe["architecture"]}
    rewrite(folder, {**values, **old, "schema_version": 2, "trained_on": old_trained(values)})
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in folder.iterdir()}


def test_an_image_bundle_gives_the_same_score(image: Path, tmp_path: Path) -> None:
    before = digests(image)
    with pytest.raises(BundleError, match="BUNDLE_VERSION") as caught:
        ImagePredictor.load(image)
    assert "covidx bundle upgrade" in str(caught.value.hint)
    upgrade_bundle(image, tmp_path / "new")
    assert digests(image) == before
    new, made = ImagePredictor.load(tmp_path / "new"), make_predictor()
    assert new.bundle.recipe == made.bundle.recipe and new.bundle.recipe.learning is None
    assert new.bundle.trained_on == made.bundle.trained_on
    assert new.bundle.threshold == made.bundle.threshold
    for name, value in made.model.state_dict().items():
        assert torch.equal(new.model.state_dict()[name], value), name
    with pytest.raises(StoreError, match="FOLDER_TAKEN"):
        upgrade_bundle(image, tmp_path / "new")


def test_the_learning_is_that_of_the_run_around_it(image: Path, tmp_path: Path) -> None:
    learning = {"epochs": 3, "batch": 2}
    write_json(
        image.parent / "run.json",
        {"run_id": "run", "config": {"volume": {"learning": learning}}},
    )
    upgrade_bundle(image, tmp_path / "new")
    found = ImagePredictor.load(tmp_path / "new").bundle.recipe.learning
    assert found is not None and (found.epochs, found.batch) == (3, 2)


def test_a_changed_or_newer_bundle_is_not_upgraded(image: Path, tmp_path: Path) -> None:
    upgrade_bundle(image, tmp_path / "new")
    with pytest.raises(BundleError, match="BUNDLE_VERSION"):
        upgrade_bundle(tmp_path / "new", tmp_path / "newer")
    values = read_json(image / "bundle.json")
    write_json(image / "bundle.json", {**values, "positive": "other"})
    with pytest.raises(BundleError, match="BUNDLE_CHANGED"):
        upgrade_bundle(image, tmp_path / "other")
    assert not (tmp_path / "other").exists() and not (tmp_path / "newer").exists()


def test_lost_parity_leaves_nothing(image: Path, tmp_path: Path) -> None:
    values = read_json(image / "bundle.json")
    classes = values["classes"]
    rewrite(image, {**values, "architecture": {**values["architecture"], "top_k": 4}})
    assert classes == read_json(image / "bundle.json")["classes"]
    with pytest.raises(BundleError, match="PARITY_LOST"):
        upgrade_bundle(image, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_clinical_bundle_gives_the_same_score(tmp_path: Path) -> None:
    folder, fitted = tmp_path / "bundle", _fitted()
    save(folder, fitted)
    values = read_json(folder / "bundle.json")
    point, trained = values.pop("threshold"), values.pop("trained_on")
    old = {"threshold": point["value"], "threshold_rule": point["rule"]}
    old |= {"threshold_origin": point["origin"], **{name: trained[name] for name in ROWS}}
    rewrite(folder, {**values, **old, "schema_version": 1}, {"pipeline_sha256"})
    upgrade_bundle(folder, tmp_path / "new")
    new = ClinicalPredictor.load(tmp_path / "new")
    rows = synthetic_rows(50, 2).table
    assert (new.fitted.score(rows) == fitted.score(rows)).all()
    assert new.bundle.trained_on.columns == {} and new.bundle.threshold.value == point["value"]


def test_a_segmentation_bundle_gives_the_same_masks(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = Segmenter(
        segmentation_bundle(), build_network(segmentation_bundle().recipe, GROUPS).eval()
    ).save(tmp_path / "bundle")
    values = read_json(tmp_path / "bundle" / "bundle.json")
    for name in ("classes", "positive", "threshold"):
        del values[name]
    recipe = {name: values["recipe"][name] for name in ("framing", "network", "patch", "mirrored")}
    old = {"recipe": recipe, "schema_version": 1, "trained_on": old_trained(values)}
    rewrite(tmp_path / "bundle", {**values, **old})
    upgrade_bundle(tmp_path / "bundle", tmp_path / "new")
    new = Segmenter.load(tmp_path / "new")
    assert (new.parity() == made.parity()).all() and new.bundle.recipe == made.bundle.recipe

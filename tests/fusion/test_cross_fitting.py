"""What a fusion learns from: outputs of both arms by models that had not seen the patient."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from covidx.cards import Column
from covidx.clinical import ClinicalRecipe, ClinicalRows, fit_recipe, out_of_fold
from covidx.cohort import Classes
from covidx.fusion import CrossFittedArms, cross_fit_arms, logit, read_images
from covidx.inference import ImagePredictor, held_out_rows
from covidx.models import BagEnsemble
from covidx.models.bag import make_classifier
from tests.inference.conftest import HOW, make_bundle
from tests.training.conftest import TINY, make_cache

MEMBERS, SEED, FOLDS = 2, 5, 3
CLASSES = Classes(("well", "sick"), "sick")
IDS = [f"p{number:02d}" for number in range(20)]


class Made(NamedTuple):
    p1: ImagePredictor
    images: pd.DataFrame
    rows: ClinicalRows
    crossed: CrossFittedArms
    place: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """16 patients train, 4 test; the first of either has no image, the second no clinical row."""
    import torch

    from covidx.inference.image_bundle import ImageRecipe
    from covidx.models.learning import ImageLearning

    place = tmp_path_factory.mktemp("arms")
    recipe = ImageRecipe(
        preprocessing=HOW.model_copy(update={"slices": 3, "columns": 32}),
        architecture=TINY.model_copy(update={"members": MEMBERS}),
        learning=ImageLearning(pretrained=False),
    )
    torch.manual_seed(0)
    bundle = make_bundle(recipe=recipe, classes=list(CLASSES.names), positive="sick")
    p1 = ImagePredictor(bundle, make_classifier(recipe.architecture, 2).eval())
    role = np.where(np.arange(20) < 16, "train", "test")
    patients = pd.DataFrame(
        {
            "patient_id": IDS,
            "group_id": IDS,
            "label": ["well", "sick"] * 10,
            "fold": 0,
            "role": role,
        }
    )
    images = patients.assign(image_id=[f"i{number}" for number in range(20)])
    images = images[~images["patient_id"].isin(["p00", "p16"])].reset_index(drop=True)
    crp = np.random.default_rng(1).normal(np.arange(20) % 2, 1.0)
    table = patients[~patients["patient_id"].isin(["p01", "p17"])].reset_index(drop=True)
    table = table.assign(crp=crp[[IDS.index(one) for one in table["patient_id"]]])
    rows = ClinicalRows(table, [Column(name="crp", meaning="CRP", type="number")], CLASSES, [])
    train = rows.only(table["role"] == "train")
    model = fit_recipe(ClinicalRecipe(name="plain", kind="logistic"), train, seed=SEED, folds=FOLDS)
    cache = make_cache(place / "cache", bags=20)
    crossed = cross_fit_arms(
        patients, p1, cache, images, rows, {"plain": model}, seed=SEED, folds=FOLDS
    )
    return Made(p1, images, rows, crossed, place)


def test_images_of_training_patients_are_read_by_the_member_without_them(made: Made) -> None:
    cache, crossed = make_cache(made.place / "again", bags=20), made.crossed
    assert isinstance(made.p1.model, BagEnsemble)
    arms, width = crossed.arms, made.p1.model.width // MEMBERS
    assert arms.features.shape == (20, MEMBERS * width)
    seen = 0
    parts = held_out_rows(made.images, made.p1.bundle.recipe, SEED)
    for member, part in zip(made.p1.model.members, parts, strict=True):
        alone = read_images(member, cache, part, 1)
        for patient in part["patient_id"]:
            place = IDS.index(patient)
            assert crossed.own.logits[patient] == pytest.approx(alone.logits[patient])
            wide = np.tile(alone.features.loc[patient], MEMBERS)
            np.testing.assert_allclose(arms.features[place], wide, rtol=1e-6)
            seen += 1
    assert seen == 15
    tested = made.images[made.images["role"] == "test"]
    whole = read_images(made.p1.model, cache, tested, 1)
    np.testing.assert_allclose(arms.features[17:], whole.features.to_numpy(), rtol=1e-6)
    known = ~np.isnan(arms.image)
    assert known.tolist() == [one not in ("p00", "p16") for one in IDS]
    calibrated = crossed.own.calibrated(crossed.scale).logits
    assert arms.image[known] == pytest.approx(calibrated.reindex(IDS).dropna().to_numpy())


def test_clinical_scores_of_training_patients_are_out_of_fold(made: Made) -> None:
    arms, train = made.crossed.arms, made.rows.only(made.rows.table["role"] == "train")
    model = fit_recipe(ClinicalRecipe(name="plain", kind="logistic"), train, seed=SEED, folds=FOLDS)
    expected = pd.Series(
        logit(out_of_fold(model, train, seed=SEED, folds=FOLDS)), train.table["patient_id"]
    )
    test = made.rows.only(made.rows.table["role"] == "test")
    own = pd.Series(logit(model.score(test.table)), test.table["patient_id"])
    found = arms.clinical["plain"].set_axis(IDS)
    assert found.drop(["p01", "p17"]).to_dict() == pytest.approx(
        pd.concat([expected, own]).to_dict()
    )
    assert np.isnan(found[["p01", "p17"]]).all()
    assert list(arms.patients["role"]) == ["out-of-fold"] * 16 + ["test"] * 4


def test_what_a_fusion_is_fitted_on_says_which_groups_each_model_knows(made: Made) -> None:
    for unseen in (made.crossed.image, made.crossed.clinical["plain"]):
        assert len(unseen.patients) == 15
        for fold, part in unseen.patients.groupby("fold"):
            known = set(unseen.patients["group_id"]) - set(part["group_id"])
            assert unseen.trained_on[int(str(fold))] == known

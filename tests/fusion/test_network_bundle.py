"""A fusion by networks is read back as it was saved; each of its networks has its own weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covidx.cards import Column
from covidx.clinical import ClinicalBundle, ClinicalRecipe, ClinicalRows, fit_recipe
from covidx.cohort import Classes
from covidx.domain import TrainedOn
from covidx.fusion import (
    Arms,
    FusionBundle,
    FusionPredictor,
    FusionRecipe,
    ImageTraining,
    JointFusion,
    JointLearning,
    Line,
    fit_joint,
    read_images,
    score,
)
from covidx.inference import ImagePredictor, ImageRecipe, Threshold
from covidx.inference.clinical import ClinicalPredictor
from covidx.models import BagEnsemble
from covidx.models.bag import make_classifier
from covidx.models.learning import ImageLearning
from tests.inference.conftest import HOW, make_bundle
from tests.training.conftest import TINY, make_cache

N, MEMBERS = 40, 2
CLASSES = Classes(("well", "sick"), "sick")
COLUMNS = [Column(name="crp", meaning="CRP", type="number")]
LEARNING = ImageLearning(batch=4, slices=2, pretrained=False)
FACTS = {
    "trained_on": TrainedOn(dataset="small", domain="simulated", patients={"well": 20, "sick": 20}),
    "classes": list(CLASSES.names),
    "positive": "sick",
    "threshold": Threshold(value=0.5, rule="youden", origin="out-of-fold, n = 40 (20 positive)"),
    "run_id": "run",
}


def _p1(folder: Path) -> ImagePredictor:
    recipe = ImageRecipe(
        preprocessing=HOW.model_copy(update={"slices": 3, "columns": 32}),
        architecture=TINY.model_copy(update={"members": MEMBERS}),
        learning=LEARNING,
    )
    bundle = make_bundle(recipe=recipe, classes=list(CLASSES.names), positive="sick")
    return ImagePredictor(bundle, make_classifier(recipe.architecture, 2).eval()).save(folder)


@pytest.mark.parametrize("end_to_end", [False, True])
def test_networks_are_read_back(tmp_path: Path, end_to_end: bool) -> None:
    p1 = _p1(tmp_path / "bundle" / "image")
    assert isinstance(p1.model, BagEnsemble)
    names = [f"p{number}" for number in range(N)]
    patients = pd.DataFrame(
        {"patient_id": names, "group_id": names, "label": ["well", "sick"] * (N // 2), "fold": 0}
    )
    images = patients.assign(image_id=[f"i{number}" for number in range(N)])
    cache, chance = make_cache(tmp_path / "cache", bags=N), np.random.default_rng(0)
    values = pd.DataFrame({"crp": chance.normal(size=N)})
    logits, features = chance.normal(size=N), chance.normal(size=(N, p1.model.width))
    arms = Arms(patients, logits, features, pd.DataFrame({"plain": logits}), values)
    truth = (patients["label"] == "sick").to_numpy(np.float64)
    classes = pd.Series(truth.astype(int), names)
    training = ImageTraining(p1.model, cache, images, classes, 1, LEARNING)
    learning = JointLearning(width=8, hidden=4, epochs=1, batch=8, end_to_end=end_to_end)
    recipe = FusionRecipe(name="net", kind="joint", learning=learning)
    folds = np.arange(N) // 2 % MEMBERS  # both classes in either
    fuser, unseen = fit_joint(
        recipe, arms, COLUMNS, truth, training, folds, 0, tmp_path / "training"
    )
    assert unseen.shape == (N,) and np.isfinite(unseen).all()

    table = pd.concat([patients.assign(role="train"), values], axis=1)
    rows = ClinicalRows(table, COLUMNS, CLASSES, [])
    plain = fit_recipe(ClinicalRecipe(name="plain", kind="logistic"), rows, seed=0, folds=2)
    own = ClinicalPredictor(ClinicalBundle.of(plain, **FACTS), plain)
    clinical = own.save(tmp_path / "bundle" / "clinical" / "plain")
    draft = FusionBundle(
        recipe=recipe,
        lines=dict(fuser.lines),
        scale=Line(intercept=0.0, weights={"p1": 1.0}, means={"p1": 0.0}),
        prior=fuser.prior,
        image_sha256=p1.bundle.sha256,
        clinical_sha256={"plain": clinical.bundle.sha256},
        **FACTS,
    )
    models = {"plain": clinical.fitted}
    saved = FusionPredictor(draft, p1, clinical.bundle, models, fuser).save(tmp_path / "bundle")
    assert isinstance(saved.fuser, JointFusion) and len(saved.fuser.networks) == MEMBERS
    assert saved.score(arms) == pytest.approx(score(fuser, arms), abs=1e-6)
    first, second = (one.network.head[0].weight for one in saved.fuser.networks)
    assert not (first == second).all()
    assert (saved.reader is saved.image.model) is not end_to_end
    if end_to_end:
        assert fuser.bag is not None
        found, expected, before = (
            read_images(model, cache, images[:3], 1).features.to_numpy()
            for model in (saved.reader, fuser.bag, p1.model)
        )
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert not np.allclose(found, before, atol=1e-6)  # it was trained on

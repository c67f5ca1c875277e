"""P1 as an ensemble: every training patient teaches, and is scored by a network without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from covidx.cohort import Classes
from covidx.evaluate import OperatingRule
from covidx.explain import heatmaps
from covidx.explain.background import backgrounds
from covidx.explain.parts import path_contributions
from covidx.explain.scorer import SliceScorer
from covidx.inference import ImagePredictor, held_out_rows, predict_cache, score_rows
from covidx.inference.image import to_tensor
from covidx.inference.image_bundle import ImageRecipe
from covidx.models import BagEnsemble
from covidx.models.learning import ImageLearning
from covidx.pipelines.image.fit import ImageFit, fit_image
from covidx.pipelines.image.results import with_threshold
from tests.inference.conftest import HOW, make_bundle
from tests.training.conftest import TINY, make_cache

CLASSES = Classes(("well", "sick"), "sick")
MEMBERS = 2
LEARNING = ImageLearning(epochs=2, batch=2, slices=2, pretrained=False)
RECIPE = ImageRecipe(
    preprocessing=HOW.model_copy(update={"slices": 3, "columns": 32}),
    architecture=TINY.model_copy(update={"members": MEMBERS}),
    learning=LEARNING,
)
SEED = 5


def make_rows() -> pd.DataFrame:
    """Twelve to train on, two to test."""
    return pd.DataFrame(
        {
            "image_id": [f"i{bag}" for bag in range(14)],
            "patient_id": [f"p{bag}" for bag in range(14)],
            "group_id": [f"p{bag}" for bag in range(14)],
            "label": ["well", "sick"] * 7,
            "fold": 0,
            "role": ["train"] * 12 + ["test"] * 2,
        }
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ensemble")


@pytest.fixture(scope="module")
def fitted(place: Path) -> ImageFit:
    cache = make_cache(place / "cache", bags=14)
    return fit_image(cache, make_rows(), CLASSES, RECIPE, SEED, place / "checkpoints")


@pytest.fixture(scope="module")
def saved(place: Path, fitted: ImageFit) -> ImagePredictor:
    bundle = make_bundle(recipe=RECIPE, classes=list(CLASSES.names), positive="sick")
    return ImagePredictor(bundle, fitted.model).save(place / "bundle")


def test_each_member_learns_without_its_fold(fitted: ImageFit) -> None:
    rows = make_rows()
    parts = held_out_rows(rows, RECIPE, SEED)
    assert sorted(pd.concat(parts)["image_id"]) == sorted(rows["image_id"][:12])  # each row once
    assert [len(part) for part in parts] == [6, 6]
    assert [set(part["label"]) for part in parts] == [{"well", "sick"}] * 2
    # Nothing chose an epoch: both have all of them.
    assert [len(one.curves) for one in fitted.members] == [LEARNING.epochs] * MEMBERS
    assert fitted.best_epoch == LEARNING.epochs - 1
    one, other = (dict(member.model.named_parameters()) for member in fitted.members)
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_the_fold_that_was_held_out_does_not_matter(fitted: ImageFit, place: Path) -> None:
    """Other labels in a member's own fold leave its weights as they are: it never saw them."""
    rows = make_rows()
    unseen = held_out_rows(rows, RECIPE, SEED)[0]["image_id"]
    swapped = {"well": "sick", "sick": "well"}
    other = rows.assign(
        label=rows["label"].where(~rows["image_id"].isin(unseen), rows["label"].map(swapped))
    )
    own = rows["role"].mask(rows["image_id"].isin(unseen), "validation")
    cache = make_cache(place / "again", bags=14)
    single = RECIPE.with_members(1)
    again = fit_image(cache, other.assign(role=own), CLASSES, single, SEED, place / "swapped")
    theirs = fitted.members[0].model.state_dict()
    for name, value in again.model.state_dict().items():
        assert torch.equal(value, theirs[name]), name


def test_training_rows_are_scored_by_the_member_without_them(
    saved: ImagePredictor, place: Path
) -> None:
    rows, cache = make_rows(), make_cache(place / "scores", bags=14)
    table = score_rows(saved, cache, rows, SEED, "run").set_index("unit_id")
    assert table["role"].value_counts().to_dict() == {"out-of-fold": 12, "test": 2}
    assert isinstance(saved.model, BagEnsemble)
    for member, part in zip(saved.model.members, held_out_rows(rows, RECIPE, SEED), strict=True):
        alone = ImagePredictor(saved.bundle, member)
        for image, patient in zip(part["image_id"], part["patient_id"], strict=True):
            score = alone.positive_score(alone.score(cache.bag(image)))
            assert table.loc[patient, "prob_sick"] == pytest.approx(score, abs=1e-7)
    whole = predict_cache(saved, cache, rows[12:], "run").set_index("unit_id")
    assert table.loc[["p12", "p13"], "prob_sick"].tolist() == whole["prob_sick"].tolist()


def test_an_ensemble_gives_its_mean_logits_and_each_members_score(
    saved: ImagePredictor, place: Path
) -> None:
    bag = make_cache(place / "one", bags=14).bag("i3")
    scores = saved.score(bag)
    assert isinstance(saved.model, BagEnsemble)
    alone = [ImagePredictor(saved.bundle, member).score(bag) for member in saved.model.members]
    expected = np.mean([np.log(one.probabilities) for one in alone], axis=0)
    expected = np.exp(expected) / np.exp(expected).sum()
    np.testing.assert_allclose(scores.probabilities, expected, atol=1e-6)
    members = np.stack([one.probabilities for one in alone])
    np.testing.assert_allclose(scores.member_probabilities, members, atol=1e-6)
    assert scores.weights.sum() == pytest.approx(1)


def test_the_evidence_of_an_ensemble_is_the_mean_of_its_members(
    saved: ImagePredictor, place: Path
) -> None:
    """Of two classes the log-odds of mean logits are the mean of the log-odds."""
    assert isinstance(saved.model, BagEnsemble)
    bag = make_cache(place / "maps", bags=14).bag("i3")
    slices = to_tensor(bag.pixels)
    hidden = backgrounds(slices, None)
    found = path_contributions(SliceScorer(saved.model, 1), slices, hidden)
    alone = [
        path_contributions(SliceScorer(member, 1), slices, hidden) for member in saved.model.members
    ]
    assert not torch.allclose(alone[0], alone[1], atol=1e-3 * float(found.abs().max()))
    mean = torch.stack(alone).mean(dim=0)
    np.testing.assert_allclose(found, mean, atol=1e-4 * float(mean.abs().max()))
    first = replace(saved.score(bag), weights=np.array([1.0, 0, 0]))
    assert [one.place for one in heatmaps(saved, bag, first, method="grad-cam")] == [0]


def test_the_threshold_comes_from_out_of_fold_rows(saved: ImagePredictor, place: Path) -> None:
    cache = make_cache(place / "threshold", bags=14)
    chosen = with_threshold(saved, cache, make_rows(), OperatingRule(rule="youden"), SEED)
    assert chosen.bundle.threshold.origin == "out-of-fold, n = 12 (6 positive)"


def test_an_ensemble_has_no_rows_to_be_stopped_on() -> None:
    with pytest.raises(ValueError, match="patience is for one network"):
        ImageRecipe(
            preprocessing=HOW,
            architecture=RECIPE.architecture,
            learning=LEARNING.model_copy(update={"patience": 3}),
        )

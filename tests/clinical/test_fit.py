"""Recipes, folds and what must not leak; scikit-learn as the independent reference."""

from __future__ import annotations

from itertools import compress
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from covidx.clinical import (
    CONTROLS,
    ClinicalRecipe,
    ClinicalRows,
    cut,
    fit_best,
    fit_recipe,
    nested,
    out_of_fold,
)
from covidx.errors import ConfigError, InvalidTableError
from covidx.evaluate import evaluate_folds
from tests.clinical.synthetic import synthetic_rows

LOGISTIC = ClinicalRecipe(name="logistic", kind="logistic")
RECIPES = [
    LOGISTIC,
    ClinicalRecipe(
        name="l1", kind="logistic", penalty="l1", missing="iterative", grid={"C": [0.1, 1]}
    ),
    ClinicalRecipe(name="svm", kind="svm", calibration="sigmoid"),
    ClinicalRecipe(name="forest", kind="forest", select=2, calibration="isotonic"),
    ClinicalRecipe(name="boosting", kind="boosting", missing="native", grid={"max_depth": [2, 3]}),
    ClinicalRecipe(name="mlp", kind="mlp"),
]


def test_logistic_is_what_scikit_learn_gives_by_hand() -> None:
    rows = synthetic_rows()
    fitted = fit_recipe(LOGISTIC, rows, seed=0)
    inputs = rows.table[["signal", "noise", "gap"]]
    filled = SimpleImputer(strategy="median").fit_transform(inputs)
    design = np.column_stack([filled, inputs["gap"].isna()])
    scaled = StandardScaler().fit_transform(design)
    by_hand = LogisticRegression(C=1.0).fit(scaled, rows.truth).predict_proba(scaled)[:, 1]
    np.testing.assert_allclose(fitted.score(rows.table), by_hand, atol=1e-4)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda one: one.name)
def test_every_recipe_learns_and_gives_probabilities(recipe: ClinicalRecipe) -> None:
    train, test = synthetic_rows(160, 1), synthetic_rows(400, 2)
    fitted = fit_recipe(recipe, train, seed=0, folds=3)
    scores = fitted.score(test.table)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert roc_auc_score(test.truth, scores) > 0.8
    assert set(fitted.chosen) == set(recipe.grid)
    again = fit_recipe(recipe, train, seed=0, folds=3).score(test.table)
    np.testing.assert_array_equal(scores, again)


def test_fitting_looks_at_training_rows_alone() -> None:
    """A row that is scored alone gets what it gets among others, however strange those are."""
    fitted = fit_recipe(LOGISTIC, synthetic_rows(), seed=0)
    test = synthetic_rows(50, 3).table
    strange = test.assign(signal=1e6, gap=np.nan)
    both = fitted.score(pd.concat([test, strange], ignore_index=True))[:50]
    np.testing.assert_array_equal(both, fitted.score(test))


def test_selection_inside_the_folds_finds_nothing_in_noise() -> None:
    """Mean of six sets of 60 columns of noise; selection on all rows would be fooled by them."""
    inside, outside = [], []
    recipe = ClinicalRecipe(name="few", kind="logistic", select=5)
    for seed in range(6):
        rows = synthetic_rows(240, seed)
        rng = np.random.default_rng(seed + 100)
        wide = {f"x{i}": rng.normal(size=240) for i in range(60)}
        features = [rows.features[0].model_copy(update={"name": name}) for name in wide]
        rows = ClinicalRows(rows.table.assign(**wide), features, rows.classes, [])
        seen = SelectKBest(f_classif, k=5).fit(rows.table[rows.names], rows.truth).get_support()
        few = ClinicalRows(rows.table, list(compress(features, seen)), rows.classes, [])
        for kept, into in ((rows, inside), (few, outside)):
            found = nested([recipe], kept, seed=0, outer=4, inner=3)
            folds = evaluate_folds(found.predictions, "covid-19", found.points, resamples=50)
            into.append(folds["auroc"].value)
    assert np.mean(inside) == pytest.approx(0.5, abs=0.06)  # three standard errors
    assert np.mean(outside) > 0.6


def test_folds_divide_no_group() -> None:
    rows = synthetic_rows(200, per_group=4)
    groups = rows.table["group_id"].to_numpy()
    seen: list[int] = []
    for train, test in cut(rows, 5, 0):
        assert not set(groups[train]) & set(groups[test])
        seen += test.tolist()
    assert sorted(seen) == list(range(200))


def test_nested_scores_every_row_once_by_a_model_that_had_not_its_group() -> None:
    rows = synthetic_rows(200, 6, per_group=4)
    found = nested([LOGISTIC], rows, seed=0, outer=5, inner=3)
    assert sorted(found.predictions["unit_id"]) == sorted(rows.table["patient_id"])
    assert set(found.predictions["role"]) == {"test"}
    assert found.predictions.groupby("group_id")["fold"].nunique().max() == 1
    assert set(found.points) == {0, 1, 2, 3, 4}
    assert all("out-of-fold" in point.origin for point in found.points.values())


def test_out_of_fold_scores_are_not_those_of_the_final_model() -> None:
    rows = synthetic_rows(160, 7)
    forest = ClinicalRecipe(name="forest", kind="forest")
    fitted = fit_recipe(forest, rows, seed=0)
    outside = roc_auc_score(rows.truth, out_of_fold(fitted, rows, seed=0))
    assert roc_auc_score(rows.truth, fitted.score(rows.table)) > outside + 0.02


def test_the_best_is_chosen_by_inner_folds() -> None:
    rows = synthetic_rows(200, 8)
    best, fitted = fit_best([*CONTROLS, LOGISTIC], rows, seed=0)
    assert best.recipe is LOGISTIC
    assert best.inner_auroc == max(one.inner_auroc for one in fitted)


def test_the_control_sees_gaps_and_nothing_else() -> None:
    rows = synthetic_rows(300, 9)
    control = fit_recipe(CONTROLS[0], rows, seed=0)
    rng = np.random.default_rng(0)
    other = rows.table.assign(signal=rng.normal(size=300), noise=0.0)
    other["gap"] = other["gap"] * 100 + 3
    np.testing.assert_array_equal(control.score(rows.table), control.score(other))
    assert roc_auc_score(rows.truth, control.score(rows.table)) == pytest.approx(0.85, abs=0.06)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "svm"},
        {"kind": "logistic", "missing": "native"},
        {"kind": "forest", "penalty": "l1"},
        {"kind": "menni", "select": 3},
        {"kind": "logistic", "unknown": 1},
    ],
)
def test_recipes_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClinicalRecipe(name="wrong", **wrong)


def test_a_grid_of_what_the_model_has_not() -> None:
    recipe = ClinicalRecipe(name="wrong", kind="forest", grid={"gamma": [1]})
    with pytest.raises(ConfigError, match="RECIPE_INVALID") as caught:
        fit_recipe(recipe, synthetic_rows(), seed=0)
    assert caught.value.actual == "gamma"


def test_too_few_rows_of_a_class() -> None:
    rows = synthetic_rows(20)
    few = rows.only((~rows.truth) | (np.arange(20) < 6))
    with pytest.raises(InvalidTableError, match="TOO_FEW_GROUPS"):
        fit_recipe(LOGISTIC, few, seed=0, folds=5)

"""Training rows scored by models that did not see them, and found again in a run's tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from covidx.clinical import (
    ClinicalRecipe,
    ClinicalRows,
    Division,
    cross_fit_rows,
    divide,
    fit_recipe,
    out_of_fold,
    predictions_of,
    reference_of,
    rows_of_run,
    score_by_role,
)
from covidx.clinical.pipeline import make_pipeline
from covidx.evaluate import choose_operating_point
from covidx.tables import OUT_OF_FOLD
from tests.clinical.synthetic import synthetic_rows

HOW = {"seed": 0, "folds": 4}
PLAIN = ClinicalRecipe(name="plain", kind="logistic")
FORMULA = ClinicalRecipe(name="formula", kind="menni")


def _divided(validation: float = 0.0) -> ClinicalRows:
    return divide(synthetic_rows(240, 5, per_group=2), Division(validation=validation), seed=1)[0]


def test_each_row_is_scored_by_a_pipeline_fitted_without_its_group() -> None:
    rows = synthetic_rows(120, 5, per_group=3)
    fitted = fit_recipe(PLAIN, rows, **HOW)
    crossed = cross_fit_rows(fitted, rows, **HOW)
    groups, scores = rows.table["group_id"].to_numpy(), crossed.score(rows.table)
    assert sorted(np.concatenate(crossed.held_out)) == list(range(120))
    for places in crossed.held_out:
        others = ~np.isin(np.arange(120), places)
        assert not set(groups[others]) & set(groups[places])
        inputs = rows.table[rows.names]
        again = make_pipeline(PLAIN, rows.features, 0).fit(inputs[others], rows.truth[others])
        expected = again.predict_proba(inputs.iloc[places])[:, 1]
        assert scores[places] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_array_equal(scores, out_of_fold(fitted, rows, **HOW))


def test_medians_and_selected_columns_are_those_of_the_other_folds() -> None:
    rows = synthetic_rows(120, 5)
    recipe = ClinicalRecipe(name="one", kind="logistic", select=1)
    crossed = cross_fit_rows(fit_recipe(recipe, rows, **HOW), rows, **HOW)
    for model, places in zip(crossed.models, crossed.held_out, strict=True):
        others = rows.table.drop(index=places)[rows.names]
        medians = model.model.named_steps["missing"].statistics_
        assert medians == pytest.approx(others.median().to_numpy())
    whole = rows.table[rows.names].median().to_numpy()
    assert (crossed.models[0].model.named_steps["missing"].statistics_ != whole).any()


def test_training_rows_are_out_of_fold_where_none_validates() -> None:
    rows = _divided()
    train, test = (rows.only(rows.table["role"] == role) for role in ("train", "test"))
    assert (len(train.table), len(test.table)) == (192, 48)  # four parts and one
    fitted = fit_recipe(PLAIN, train, **HOW)
    known, scores = score_by_role(fitted, rows, **HOW)
    assert known.table["role"].value_counts().to_dict() == {OUT_OF_FOLD: 192, "test": 48}
    tested = (rows.table["role"] == "test").to_numpy()
    np.testing.assert_array_equal(scores[tested], fitted.score(test.table))
    np.testing.assert_array_equal(scores[~tested], out_of_fold(fitted, train, **HOW))
    table = predictions_of(known, scores, run_id="r")
    point = choose_operating_point(table[table["role"] == OUT_OF_FOLD], "covid-19")
    assert point.origin == "out-of-fold, n = 192 (96 positive)"


def test_a_part_that_validates_is_scored_by_the_model_itself() -> None:
    rows = _divided(validation=0.25)
    train = rows.only(rows.table["role"] == "train")
    assert len(train.table) == 144  # three quarters of the groups of four parts
    fitted = fit_recipe(PLAIN, train, **HOW)
    known, scores = score_by_role(fitted, rows, **HOW)
    assert known is rows
    np.testing.assert_array_equal(scores, fitted.score(rows.table))
    before = reference_of(fitted, rows, **HOW)
    assert set(before.rows.table["role"]) == {"validation"} and before.model is fitted


def test_blanked_training_rows_are_scored_out_of_fold_too() -> None:
    """Drift asks what the loss of a column costs on rows that the model did not learn from."""
    rows = _divided()
    train = rows.only(rows.table["role"] == "train")
    fitted = fit_recipe(PLAIN, train, **HOW)
    before = reference_of(fitted, rows, **HOW)
    assert set(before.rows.table["role"]) == {"train"}
    expected = out_of_fold(fitted, train, **HOW)
    np.testing.assert_array_equal(before.model.score(before.rows.table), expected)
    blanked = before.rows.table.assign(signal=np.nan)
    without = before.model.score(blanked)
    places = np.flatnonzero(without != expected)
    assert len(places) == len(blanked)  # each by its own fold's median in place of the value


def test_a_formula_that_learns_nothing_has_no_folds() -> None:
    rows = synthetic_rows(3)  # too few to be cut
    concepts = ["age_years", "male", "loss_of_smell_or_taste", "cough", "fatigue", "skipped_meals"]
    columns = [
        rows.features[0].model_copy(update={"name": name, "concept": name}) for name in concepts
    ]
    table = rows.table.assign(**dict.fromkeys(concepts, 1.0))
    known = replace(rows, table=table, features=columns)
    fitted = fit_recipe(FORMULA, known, **HOW)
    np.testing.assert_array_equal(out_of_fold(fitted, known, **HOW), fitted.score(table))


def test_the_tables_of_a_run_give_its_rows_and_scores_again() -> None:
    rows = _divided()
    fitted = fit_recipe(PLAIN, rows.only(rows.table["role"] == "train"), **HOW)
    known, scores = score_by_role(fitted, rows, **HOW)
    predictions = predictions_of(known, scores, run_id="r").sort_values("unit_id")
    splits = rows.table[["group_id", "patient_id", "role"]].assign(fold=0)
    values = rows.table[["patient_id", *rows.names]]
    again = rows_of_run(
        values, splits.sample(frac=1, random_state=0), predictions, rows.features, rows.classes
    )
    columns = ["patient_id", "group_id", "label", "role", *rows.names]
    pd.testing.assert_frame_equal(again.table[columns], rows.table[columns])
    np.testing.assert_array_equal(score_by_role(fitted, again, **HOW)[1], scores)

"""Importance, dependence and odds ratios, against scikit-learn and two-by-two tables."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import partial_dependence as reference

from covidx.cards import Column
from covidx.clinical import (
    ClinicalRecipe,
    ClinicalRows,
    fit_control,
    fit_recipe,
    missingness_warning,
    odds_ratios,
    partial_dependence,
    permutation_importance,
)
from covidx.evaluate import Estimate
from tests.clinical.synthetic import synthetic_rows

LOGISTIC = ClinicalRecipe(name="logistic", kind="logistic")


def test_what_the_label_follows_matters_and_noise_does_not() -> None:
    fitted = fit_recipe(LOGISTIC, synthetic_rows(300, 1), seed=0)
    found = permutation_importance(fitted, synthetic_rows(300, 2), resamples=300)
    assert set(found) == {"signal", "noise", "gap"}
    assert found["signal"].low > 0.02
    assert found["noise"].low <= 0.005 and abs(found["noise"].value) < 0.02
    values = [one.value for one in found.values()]
    assert values == sorted(values, reverse=True)


def test_a_column_that_the_model_does_not_use_loses_exactly_nothing() -> None:
    fitted = fit_recipe(
        ClinicalRecipe(name="one", kind="logistic", select=1), synthetic_rows(300, 1), seed=0
    )
    found = permutation_importance(fitted, synthetic_rows(300, 2), resamples=100)
    assert sorted(one.value for one in found.values())[:2] == [0.0, 0.0]


def test_partial_dependence_is_scikit_learns_where_nothing_is_missing() -> None:
    whole = synthetic_rows(120)
    levels = whole.table.assign(noise=np.arange(120) % 4, gap=0.5)
    rows = ClinicalRows(levels, whole.features[:2], whole.classes, [])
    fitted = fit_recipe(LOGISTIC, rows, seed=0)
    mine = partial_dependence(fitted, rows, "noise")
    inputs = rows.table[rows.names].astype(float)
    theirs = reference(
        fitted.model, inputs, ["noise"], kind="average", response_method="predict_proba"
    )
    np.testing.assert_allclose(mine["value"], theirs["grid_values"][0])
    np.testing.assert_allclose(mine["score"], theirs["average"][0])


def test_partial_dependence_shows_the_unknown_apart() -> None:
    rows = synthetic_rows(200)
    curve = partial_dependence(fit_recipe(LOGISTIC, rows, seed=0), rows, "gap", points=5)
    assert len(curve) == 6 and np.isnan(curve["value"].iloc[-1])
    assert curve["score"].iloc[-1] < curve["score"].iloc[:-1].min()  # gaps are of the negative


def _two_by_two(a: int, b: int, c: int, d: int) -> ClinicalRows:
    """a, b: positives with and without; c, d: negatives with and without."""
    n = a + b + c + d
    whole = synthetic_rows(n)
    table = whole.table.assign(
        label=["covid-19"] * (a + b) + ["negative"] * (c + d),
        sign=[1.0] * a + [0.0] * b + [1.0] * c + [0.0] * d,
    )
    return ClinicalRows(table, [Column(name="sign", meaning="sign")], whole.classes, [])


def test_odds_ratio_of_a_two_by_two_table() -> None:
    found = odds_ratios(_two_by_two(30, 20, 10, 40))["sign"]
    assert found.value == pytest.approx(30 * 40 / (20 * 10), rel=1e-6)  # 6
    half = 1.959964 * math.sqrt(1 / 30 + 1 / 20 + 1 / 10 + 1 / 40)  # Woolf
    assert found.low == pytest.approx(6 * math.exp(-half), rel=1e-4)
    assert found.high == pytest.approx(6 * math.exp(half), rel=1e-4)
    assert found.n == 100


def test_no_odds_ratio_where_a_cell_is_empty_and_the_others_keep_theirs() -> None:
    rows = _two_by_two(30, 20, 0, 50)
    table = rows.table.assign(other=rows.table["signal"])
    both = ClinicalRows(
        table, [*rows.features, Column(name="other", meaning="other")], rows.classes, []
    )
    found = odds_ratios(both)
    assert math.isnan(found["sign"].value) and "only one class" in str(found["sign"].reason)
    assert not math.isnan(found["other"].value)


def test_columns_that_determine_each_other_have_no_odds_ratio() -> None:
    rows = synthetic_rows(100)
    table = rows.table.assign(noise=2 * rows.table["signal"])
    found = odds_ratios(ClinicalRows(table, rows.features[:2], rows.classes, []))
    assert all("no single solution" in str(one.reason) for one in found.values())


def test_clustered_rows_have_wider_intervals() -> None:
    apart = synthetic_rows(200)
    table = pd.concat([apart.table] * 4, ignore_index=True)  # each row four times tells no more
    four = ClinicalRows(table, apart.features[:2], apart.classes, [])
    one = odds_ratios(ClinicalRows(apart.table, apart.features[:2], apart.classes, []))["signal"]
    found = odds_ratios(four)["signal"]
    assert found.value == pytest.approx(one.value, rel=1e-5)
    ratio = math.log(found.high / found.low) / math.log(one.high / one.low)
    assert ratio == pytest.approx(1, abs=0.15)  # 0.5 if the copies counted as new patients
    assert "cluster-robust" in found.method


def test_control_is_fitted_only_where_something_is_missing() -> None:
    rows = synthetic_rows(200)
    control = fit_control(rows, seed=0)
    assert control is not None and control.recipe.missing == "only"
    whole = ClinicalRows(rows.table, rows.features[:2], rows.classes, [])
    assert fit_control(whole, seed=0) is None


def _e(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, low, high, 100, "made up")


def test_warning_where_the_control_nearly_matches() -> None:
    model, control = _e(0.9, 0.85, 0.94), _e(0.87, 0.8, 0.92)
    told = missingness_warning(model, control, _e(0.03, -0.01, 0.07))
    assert told is not None and "0.87 (0.80 to 0.92)" in told
    assert missingness_warning(model, _e(0.55, 0.5, 0.6), _e(0.35, 0.28, 0.42)) is None


def test_columns_that_miss_together_share_an_indicator() -> None:
    rows = synthetic_rows(300)
    gap = rows.table["gap"]
    almost = gap.where(np.arange(300) != int(np.flatnonzero(gap.notna())[0]))  # one gap more
    table = rows.table.assign(noise=rows.table["noise"].where(almost.notna()))
    found = odds_ratios(ClinicalRows(table, rows.features, rows.classes, []))
    assert [name for name in found if "missing" in name] == ["noise, gap missing"]
    assert found["noise, gap missing"].high < 0.2  # gaps are of the negative

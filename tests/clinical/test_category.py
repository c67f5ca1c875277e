"""Columns whose values have no order: one-hot in the model, words in what is told."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from covidx.cards import Column, DataCard
from covidx.clinical import (
    ClinicalRecipe,
    ClinicalRows,
    Reference,
    fit_control,
    fit_recipe,
    load_bundle,
    odds_ratios,
    partial_dependence,
    permutation_importance,
    read_rows,
    weekly,
)
from covidx.clinical.drift import psi
from covidx.errors import InvalidTableError
from tests.clinical.synthetic import synthetic_rows
from tests.clinical.test_bundle import save
from tests.clinical.test_fit import RECIPES

LOGISTIC = RECIPES[0]
WARD = Column(name="ward", meaning="ward", type="category", values=["a", "b", "c"])


def _rows(n: int = 300, seed: int = 0, *, gaps: bool = True) -> ClinicalRows:
    """Ward b is mostly of the positive class, a and c are not; no order could say so."""
    rows = synthetic_rows(n, seed)
    rng = np.random.default_rng(seed + 50)
    ill = rows.truth & (rng.random(n) < 0.8)
    ward = np.where(ill, 1.0, rng.choice([0.0, 2.0], n))
    if gaps:
        ward[rng.random(n) < 0.1] = np.nan
    return ClinicalRows(
        rows.table.assign(ward=ward), [WARD, rows.features[1]], rows.classes, rows.notes
    )


def _with(card: DataCard, values: list[str] | None) -> DataCard:
    column = Column(name="clinic", meaning="clinic", type="category", values=values)
    columns = [column if c.name == "clinic" else c for c in card.columns]
    return card.model_copy(update={"columns": columns})


TABLE = "id,result,day,clinic,age\n1,pos,,north,30\n2,neg,,,40\n3,neg,,2.0,50\n4,pos,,2,60\n"


def test_values_of_the_card_and_of_the_table(card: DataCard, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    named = read_rows(path, _with(card, ["north", "east", "2"]), features=["clinic", "age"])
    np.testing.assert_array_equal(named.table["clinic"], [0, np.nan, 2, 2])
    found = read_rows(path, _with(card, None), features=["clinic", "age"])
    assert found.features[0].values == ["2", "north"]
    np.testing.assert_array_equal(found.table["clinic"], [1, np.nan, 0, 0])
    with pytest.raises(InvalidTableError, match="CODE_UNKNOWN") as caught:
        read_rows(path, _with(card, ["north", "east"]), features=["clinic", "age"])
    assert caught.value.actual == "row 4: 2.0; row 5: 2"


def test_logistic_is_what_dummies_by_hand_give() -> None:
    rows = _rows()
    dummies = pd.get_dummies(rows.table["ward"])[[0.0, 1.0, 2.0]].to_numpy(float)  # a gap: none
    design = StandardScaler().fit_transform(np.column_stack([dummies, rows.table["noise"]]))
    by_hand = LogisticRegression(C=1.0).fit(design, rows.truth).predict_proba(design)[:, 1]
    scores = fit_recipe(LOGISTIC, rows, seed=0).score(rows.table)
    np.testing.assert_allclose(scores, by_hand, atol=1e-4)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda one: one.name)
def test_every_recipe_takes_a_category_and_comes_back_from_its_bundle(
    recipe: ClinicalRecipe, tmp_path: Path
) -> None:
    fitted = fit_recipe(recipe, _rows(), seed=0, folds=3)
    at = [fitted.score(_rows(50, 1).table.assign(ward=w, noise=0.0))[0] for w in (0.0, 1.0, 2.0)]
    assert at[1] > max(at[0], at[2]) + 0.2
    save(tmp_path, fitted)
    bundle, again = load_bundle(tmp_path)
    assert bundle.columns[0].values == ["a", "b", "c"]
    other = _rows(100, 2).table
    np.testing.assert_array_equal(again.score(other), fitted.score(other))


def test_the_control_sees_whether_a_category_is_known() -> None:
    rows = _rows()
    control = fit_control(rows, seed=0)
    assert control is not None
    other = rows.table.assign(ward=rows.table["ward"].replace({0.0: 2.0, 1.0: 0.0}))
    np.testing.assert_array_equal(control.score(rows.table), control.score(other))
    assert len(set(control.score(rows.table))) == 2


def test_odds_ratio_of_each_value_against_the_most_frequent() -> None:
    # positive: 30 a, 20 b, 10 c; negative: 40 a, 10 b, 5 c.
    said = {True: [0.0] * 30 + [1.0] * 20 + [2.0] * 10, False: [0.0] * 40 + [1.0] * 10 + [2.0] * 5}
    whole = synthetic_rows(115)
    table = whole.table.assign(
        label=["covid-19"] * 60 + ["negative"] * 55, ward=said[True] + said[False]
    )
    found = odds_ratios(ClinicalRows(table, [WARD], whole.classes, []))
    assert list(found) == ["ward: b against a", "ward: c against a"]
    assert found["ward: b against a"].value == pytest.approx((20 / 30) / (10 / 40), rel=1e-6)
    assert found["ward: c against a"].value == pytest.approx((10 / 30) / (5 / 40), rel=1e-6)
    half = 1.959964 * math.sqrt(1 / 20 + 1 / 30 + 1 / 10 + 1 / 40)  # Woolf
    low = found["ward: b against a"].low
    assert low == pytest.approx((20 / 30) / (10 / 40) * math.exp(-half), rel=1e-4)


def test_importance_and_dependence_in_words() -> None:
    rows = _rows()
    fitted = fit_recipe(LOGISTIC, rows, seed=0)
    assert next(iter(permutation_importance(fitted, rows, resamples=100))) == "ward"
    curve = partial_dependence(fitted, rows, "ward", points=2)
    assert curve["value"].tolist()[:3] == ["a", "b", "c"] and pd.isna(curve["value"].iloc[3])
    assert curve["score"].iloc[:3].idxmax() == 1


def test_psi_over_the_values_of_a_category() -> None:
    before = np.array([0.0] * 50 + [2.0] * 50)
    now = np.array([0.0] * 50 + [1.0] * 50)  # b is new, c is gone; the order does not matter
    expected = (0.5 - 1e-4) * math.log(0.5 / 1e-4) + (1e-4 - 0.5) * math.log(1e-4 / 0.5)
    assert psi(before, now, 3) == pytest.approx(expected)
    assert psi(before, 2 - now, 3) == pytest.approx(expected)
    twenty = np.arange(20.0)
    swapped = np.where(twenty < 10, 1 - twenty % 2 + 2 * (twenty // 2), twenty)
    assert psi(twenty, swapped, 20) == 0


def test_drift_of_a_category() -> None:
    train, later = _rows(400), _rows(400, 3)
    moved = later.table.assign(ward=later.table["ward"].replace({2.0: 0.0}))
    fitted = fit_recipe(LOGISTIC, train, seed=0)
    after = ClinicalRows(moved, later.features, later.classes, [])
    weeks = weekly(fitted, train, Reference(later, fitted), after)
    assert {week.columns[0].state for week in weeks} == {"changed"}


def test_columns_that_cannot_be() -> None:
    for wrong in ({"codes": {"a": 1}}, {"unit": "mg/L"}, {"high": 2}):
        with pytest.raises(ValidationError, match="no order"):
            Column(name="x", meaning="x", type="category", **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="type category"):
        Column(name="x", meaning="x", values=["a"])

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from covidx.errors import InvalidTableError
from covidx.evaluate import Rows
from covidx.evaluate.rows import joined
from tests.evaluate.reference import predictions, three_classes

Change = Callable[[pd.DataFrame], pd.DataFrame]


def _set(column: str, row: int, value: object) -> Change:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.copy()
        if isinstance(value, str) or value is None:
            table[column] = table[column].astype(object)
        table.loc[row, column] = value
        return table

    return change


ILL: list[tuple[Change, str, str]] = [
    (lambda t: t.iloc[:0], "TABLE_EMPTY", "no rows"),
    (_set("prob_covid-19", 2, np.nan), "SCORE_INVALID", "u2"),
    (_set("prob_covid-19", 3, 1.2), "SCORE_INVALID", "u3"),
    (_set("prob_covid-19", 4, -0.1), "SCORE_INVALID", "u4"),
    (_set("prob_rest", 0, 0.99), "SCORE_INVALID", "sum to 1"),
    (lambda t: t.drop(columns=["prob_covid-19", "prob_rest"]), "SCORE_INVALID", "prob_<class>"),
    (_set("label", 1, None), "LABEL_MISSING", "u1"),
    (_set("label", 1, "covid19"), "LABEL_UNKNOWN", r"u1 \(covid19\)"),
    (_set("unit_id", 5, "u4"), "DUPLICATE_IDS", "u4"),
    (_set("arm", 5, "p2"), "MIXED_ROWS", "p1"),
    (_set("role", 5, "validation"), "MIXED_ROWS", "validation"),
    (_set("level", 5, "image"), "MIXED_ROWS", "image"),
    (lambda t: t.drop(columns="group_id"), "TABLE_INVALID", "predictions table"),
]


@pytest.mark.parametrize(("change", "code", "match"), ILL)
def test_bad_tables_are_refused_by_row(change: Change, code: str, match: str) -> None:
    table = change(predictions(np.linspace(0.1, 0.9, 8), np.arange(8) > 3))
    with pytest.raises(InvalidTableError, match=match) as caught:
        Rows.of(table, "covid-19")
    assert caught.value.code == code


def test_unknown_positive_class() -> None:
    table = predictions(np.array([0.2, 0.8]), np.array([False, True]))
    with pytest.raises(InvalidTableError, match="covid-19, rest") as caught:
        Rows.of(table, "sars")
    assert caught.value.code == "CLASS_UNKNOWN"


def test_scores_are_those_of_the_positive_class() -> None:
    table = three_classes(n=9)
    rows = Rows.of(table, "normal")
    assert rows.classes == ("covid-19", "other-pneumonia", "normal")
    assert np.array_equal(rows.scores, table["prob_normal"])
    assert rows.truth.tolist() == [label == "normal" for label in table["label"]]
    assert len(rows) == 9


def test_long_lists_of_ids_are_cut() -> None:
    table = predictions(np.full(30, 0.5), np.arange(30) > 3).assign(label=None)
    with pytest.raises(InvalidTableError, match="and 20 more"):
        Rows.of(table, "covid-19")


def test_rows_of_a_patient_stay_together_whatever_the_group_says() -> None:
    table = predictions(np.linspace(0.1, 0.9, 8), np.arange(8) > 3)
    table["patient_id"] = [f"p{i // 2}" for i in range(8)]
    assert Rows.of(table, "covid-19").clusters.n_groups == 4
    assert Rows.of(table, "covid-19", by_group_alone=True).clusters.n_groups == 8
    coarse = table.assign(group_id=["a"] * 4 + ["b"] * 4)
    assert Rows.of(coarse, "covid-19").groups.tolist() == ["a"] * 4 + ["b"] * 4


def test_a_chain_of_groups_and_patients_is_one_group() -> None:
    one, two = np.array(["a", "a", "b", "c"]), np.array(["x", "y", "y", "z"])
    assert len(set(joined([one, two])[:3])) == 1
    assert len(set(joined([one, two]))) == 2

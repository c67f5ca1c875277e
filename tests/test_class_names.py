"""Which class a label names: spelling that does not count, and labels that are none."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from covidx.class_names import NO_CLASS, by_class, class_named, doubtful, label_key, with_map
from covidx.errors import InvalidTableError

CLASSES = ("normal", "covid-19")


@pytest.mark.parametrize(
    "label",
    [
        "COVID-19",
        "Covid-19 ",
        "\u00a0covid-19",
        "covid\u201119",
        "covid\u201319",
        "covid-\uff11\uff19",
        "co\u00advid-19\u200b",
    ],
)
def test_spelling_does_not_count(label: str) -> None:
    labels, notes = by_class(pd.Series(["covid-19", label, "normal"]), CLASSES)
    assert labels.tolist() == ["covid-19", "covid-19", "normal"]
    assert notes == [f"label {label}: 1 row taken as covid-19"]


def test_numbers_and_booleans_are_one_in_every_format() -> None:
    for texts in (["1", "0"], ["1.0", "0.0"], ["True", "False"], ["TRUE", "FALSE"], ["1,0", "0"]):
        assert [label_key(text) for text in texts] == ["1", "0"]
    labels, _ = by_class(pd.Series(["True", "False"]), ["0", "1"])
    assert labels.tolist() == ["1", "0"]
    assert by_class(pd.Series(["1.0", "0.0"]))[0].tolist() == ["1", "0"]
    assert label_key("1.5") == "1.5" and label_key("01") == "01"


def test_other_marks_count() -> None:
    for one, two in (("PCR+", "PCR-"), ("covid-19", "covid19"), ("covid-19", "covid_19")):
        assert label_key(one) != label_key(two)
    labels, notes = by_class(pd.Series(["covid_19", "flu", None]), CLASSES)
    assert labels.tolist() == ["covid_19", "flu", None] and notes == []


def test_two_spellings_in_one_table_are_one_class() -> None:
    labels, notes = by_class(pd.Series(["Flu", "flu", "flu", "FLU"]))
    assert set(labels) == {"flu"}
    assert notes == ["label FLU: 1 row taken as flu", "label Flu: 1 row taken as flu"]


def test_classes_that_differ_in_spelling_alone_are_taken_as_written() -> None:
    labels, _ = by_class(pd.Series(["A", "a", "A "]), ["A", "a"])
    assert labels.tolist() == ["A", "a", "A "]
    assert class_named("COVID-19", CLASSES) == "covid-19"
    assert class_named("flu", CLASSES) == "flu" and class_named("a ", ["A", "a"]) == "a "


@pytest.mark.parametrize(
    "label",
    [
        *("covid19", "covid_19", "COVID", "positive", "SARS-CoV-2", "inconclusive", "not done"),
        *("NA", "nan", "?", "N/A", "unknown", "pending", "Not tested", "POS", "confirmed", "#REF!"),
    ],
)
def test_what_must_not_become_the_negative_class(label: str) -> None:
    assert doubtful([label, "covid-19", "normal"], "covid-19") == [label]


def test_what_may() -> None:
    others = ["normal", "None", "flu", "non-covid", "negative", "viral pneumonia", "rest", "0", "-"]
    assert doubtful(others, "covid-19") == []
    assert doubtful(["covid-19", "tb"], "tb") == []  # another disease is in question
    assert doubtful(["PCR-"], "PCR+") == []


def test_a_users_map() -> None:
    labels = pd.Series(["Pos", "pos", "flu", "n.d.", None])
    mapped, notes = with_map(labels, {"POS": "covid-19", "n.d.": ""}, Path("t.csv"))
    assert mapped.tolist()[:4] == ["covid-19", "covid-19", "flu", NO_CLASS]
    assert pd.isna(mapped.iloc[4])
    assert notes == [
        "label POS: 2 rows taken as covid-19, as --map says",
        "label n.d.: 1 row left out, as --map says",
    ]
    with pytest.raises(InvalidTableError, match="MAP_UNUSED") as caught:
        with_map(labels, {"positive": "covid-19"}, Path("t.csv"))
    assert caught.value.actual == "positive"

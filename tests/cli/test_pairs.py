"""Options of pairs: columns under other names, and the classes of labels."""

from __future__ import annotations

import pytest

from covidx.cli.pairs import columns_of, map_of
from covidx.errors import InvalidInputError


def test_columns_by_comma_or_one_by_one() -> None:
    expected = {"patient_id": "Patient, ID", "label": "PCR = result"}
    assert columns_of(["patient_id=Patient, ID,label=PCR = result"]) == expected
    assert columns_of(["patient_id=Patient, ID", " label = PCR = result "]) == expected
    assert columns_of(None) == {}
    assert columns_of(["prob_covid-19=score,label=x"]) == {"prob_covid-19": "score", "label": "x"}


def test_a_label_may_hold_an_equals_sign_and_a_class_may_be_empty() -> None:
    assert map_of(["Ct=30=covid-19", "not done="]) == {"Ct=30": "covid-19", "not done": ""}
    assert map_of(None) == {}


@pytest.mark.parametrize("text", ["label", "label=", "=PID"])
def test_what_is_no_column(text: str) -> None:
    with pytest.raises(InvalidInputError, match="COLUMNS_INVALID"):
        columns_of([text])


@pytest.mark.parametrize("text", ["pos", "=covid-19"])
def test_what_is_no_map(text: str) -> None:
    with pytest.raises(InvalidInputError, match="MAP_INVALID"):
        map_of([text])

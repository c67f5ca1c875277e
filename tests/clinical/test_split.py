"""Roles by patient, date and site."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from covidx.clinical import ClinicalRows, Division, divide
from covidx.errors import InvalidTableError
from tests.clinical.synthetic import synthetic_rows


def _days(**changes: Any) -> Division:
    said = {
        "by": "date",
        "train": ["2020-03-02", "2020-03-15"],
        "test": ["2020-03-16", "2020-03-20"],
    }
    return Division.model_validate(said | changes)


def test_training_days_come_before_test_days() -> None:
    rows, splits = divide(synthetic_rows(280), _days(), seed=0)
    days = rows.table.groupby("role")["date"].agg(["min", "max"])
    assert days.loc["train", "max"] <= pd.Timestamp("2020-03-15") < days.loc["test", "min"]
    assert days.loc["test", "max"] == pd.Timestamp("2020-03-20")
    # 280 rows over 28 days: 14 days train, 5 test, 9 are neither.
    assert rows.table["role"].value_counts().to_dict() == {"train": 140, "test": 50}
    assert "90 rows left out: of other days" in rows.notes
    assert len(splits.table) == 190


def test_a_share_of_the_training_groups_may_validate() -> None:
    rows, _ = divide(synthetic_rows(280), _days(validation=0.2), seed=0)
    counts = {"train": 112, "test": 50, "validation": 28}
    assert rows.table["role"].value_counts().to_dict() == counts
    by_patient, _ = divide(synthetic_rows(300), Division(validation=0.25), seed=0)
    counts = {"train": 180, "validation": 60, "test": 60}
    assert by_patient.table["role"].value_counts().to_dict() == counts


def test_a_group_that_is_tested_later_does_not_train() -> None:
    whole = synthetic_rows(280)
    table = whole.table.assign(group_id=[f"g{i % 20}" for i in range(280)])  # over many days
    again = ClinicalRows(table, whole.features, whole.classes, [])
    with pytest.raises(InvalidTableError, match="PART_EMPTY"):  # all 20 groups are in the test
        divide(again, _days(), seed=0)
    few = table.assign(
        group_id=np.where(np.arange(280) < 20, table["group_id"], whole.table["patient_id"])
    )
    rows, _ = divide(ClinicalRows(few, whole.features, whole.classes, []), _days(), seed=0)
    roles = rows.table.groupby("group_id")["role"].nunique()
    assert roles.max() == 1


def test_sites_that_test_do_not_train() -> None:
    how = Division(by="site", sites=["a"])
    rows, _ = divide(synthetic_rows(300), how, seed=0)
    sites = rows.table.groupby("role")["site"].unique()
    assert set(sites["test"]) == {"a"}
    assert set(sites["train"]) == {"b"}
    with pytest.raises(InvalidTableError, match="SITE_UNKNOWN"):
        divide(synthetic_rows(300), Division(by="site", sites=["c"]), seed=0)


def test_by_patient_divides_no_group() -> None:
    rows, _ = divide(synthetic_rows(300, per_group=3), Division(), seed=0)
    assert rows.table.groupby("group_id")["role"].nunique().max() == 1
    assert set(rows.table["role"]) == {"train", "test"}


def test_a_row_without_date_is_no_row_of_a_division_by_date() -> None:
    whole = synthetic_rows(280)
    table = whole.table.assign(date=whole.table["date"].where(np.arange(280) > 2))
    with pytest.raises(InvalidTableError, match="3 of 280"):
        divide(ClinicalRows(table, whole.features, whole.classes, []), _days(), seed=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": "date"},
        {"by": "site"},
        {"sites": ["a"]},
        {"by": "date", "train": ["2020-03-02", "2020-03-17"], "test": ["2020-03-16", "2020-03-20"]},
    ],
)
def test_divisions_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Division.model_validate(wrong)

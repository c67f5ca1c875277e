"""Two tables of one pipeline, cell by cell; and which figure a run claims first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from covidx.audit.run.tables import compare_tables, read_found
from covidx.kinds import kind_of_pipeline

KEY = ("image_id", "structure")


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": ["b", "a", "a"],
            "structure": ["lungs", "lungs", "opacity"],
            "dice": [0.5, 0.75, np.nan],
            "run_id": "one",
        }
    )


def test_order_and_run_are_no_difference_where_columns_name_the_rows(table: pd.DataFrame) -> None:
    found = compare_tables("t", table, table[::-1].assign(run_id="other"), KEY)
    assert (found.n, found.largest, found.same_units, found.rows) == (3, 0, True, [])
    without = compare_tables("t", table, table[::-1], ())
    assert without.rows and np.isinf(without.largest)


@pytest.mark.parametrize(
    ("line", "column", "value", "largest"),
    [(1, "dice", 0.875, 0.125), (2, "dice", 0.5, np.inf), (0, "dice", np.nan, np.inf)],
)
def test_a_changed_cell_is_named_by_its_place_in_the_file(
    table: pd.DataFrame, line: int, column: str, value: Any, largest: float
) -> None:
    other = table.copy()
    other.loc[line, column] = value
    found = compare_tables("t", table, other, KEY)
    assert found.largest == largest and found.same_units
    (row,) = found.rows
    assert row == {
        "table": "t",
        "row": line + 1,
        "column": column,
        "run": str(table.loc[line, column]),
        "replay": str(value),
    }


def test_other_units_rows_or_columns(table: pd.DataFrame) -> None:
    other = table.assign(structure=["lungs", "lungs", "consolidation"])
    units = compare_tables("t", table, other, KEY)
    assert not units.same_units and np.isinf(units.largest)
    assert units.rows[0]["run"] == "3 rows, 1 of units that the other lacks"
    fewer = compare_tables("t", table, table[:2], ())  # found another number: no other units
    assert fewer.same_units and fewer.rows[0]["replay"] == "2 rows"
    assert not compare_tables("t", table, table[:2], KEY).same_units
    assert not compare_tables("t", table, table.drop(columns="dice"), KEY).same_units
    twice = pd.concat([table, table[:1]])
    assert not compare_tables("t", twice, table, KEY).same_units


def test_tables_without_rows_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("image_id,left\n")
    boxes = read_found(tmp_path / "boxes.csv")
    assert compare_tables("t", boxes, boxes, ()).largest == 0


def test_numbers_of_a_csv_to_their_last_digit(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("a,b\n0.1,x\n,7\n")
    (tmp_path / "two.csv").write_text("a,b\n0.10000000000000002,x\n,7\n")
    one, two = (read_found(tmp_path / name) for name in ("one.csv", "two.csv"))
    assert one["a"].iloc[0] == 0.1 and list(one["b"]) == ["x", "7"]
    found = compare_tables("t", one, two, ())
    assert 0 < found.largest < 1e-16 and len(found.rows) == 1


@pytest.mark.parametrize(
    ("pipeline", "metrics", "name"),
    [
        ("train_ct", {"brier": {"value": 0.1}, "auroc": {"value": 0.9}}, "auroc"),
        (
            "train_segmentation",
            {"lungs.dice": {"value": 1}, "opacity.dice": {"value": 0}},
            "opacity.dice",
        ),
        ("train_segmentation", {"lungs.dice": {"value": 1}}, "lungs.dice"),
        ("train_detection", {"map50_95": {"value": 0}, "map50": {"value": 1}}, "map50"),
        (
            "train_radiograph_severity",
            {"extent.kappa": {"value": 1}, "extent.mae": {"value": 0}},
            "extent.mae",
        ),
        ("train_ct", {"brier": {"value": 0.1}}, None),
    ],
)
def test_the_figure_that_a_run_claims_first(
    pipeline: str, metrics: dict[str, Any], name: str | None
) -> None:
    kind = kind_of_pipeline(pipeline)
    assert kind is not None and kind.headline_of(metrics) == name

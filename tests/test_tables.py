"""The hand-over tables: each fault named by column and row, versions, digests, CSV of people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from covidx import tables
from covidx.cells import read_cells
from covidx.errors import InvalidTableError
from covidx.tables import (
    CLINICAL,
    MANIFEST,
    MASKS,
    PREDICTIONS,
    QUARANTINE,
    SPLITS,
    check,
    empty,
    probability_columns,
    read_table,
    table_digest,
    write_table,
)

SPLIT = pd.DataFrame(
    {
        "group_id": ["g1", "g2"],
        "patient_id": ["007", "p2"],
        "fold": [0, 0],
        "role": ["train", "test"],
    }
)
PREDICTION = {
    "run_id": "r",
    "arm": "p1",
    "unit_id": "u1",
    "level": "patient",
    "patient_id": "p1",
    "group_id": "g1",
    "fold": 0,
    "role": "test",
    "split_sha256": None,
    "bundle_sha256": None,
    "arms_used": "p1",
    "label": None,
    "prob_normal": 0.25,
    "prob_covid-19": 0.75,
}
PREDICTED = pd.DataFrame([PREDICTION, PREDICTION | {"unit_id": "u2"}])


def faults(table: pd.DataFrame, schema: Any) -> str:
    with pytest.raises(InvalidTableError, match="TABLE_INVALID") as caught:
        check(table, schema)
    return str(caught.value.actual)


@pytest.mark.parametrize(
    ("schema", "table", "said"),
    [
        (SPLITS, SPLIT.assign(role=["train", "tset"]), ["column role: isin", "(row 1: 'tset')"]),
        (SPLITS, SPLIT.drop(columns="fold"), ["column fold: missing or not wanted"]),
        (SPLITS, SPLIT.assign(x=1), ["column x: missing or not wanted"]),
        (SPLITS, SPLIT.assign(fold=[-1, 0]), ["column fold: greater_than", "(row 0: -1)"]),
        (SPLITS, SPLIT.assign(fold=["a", 0]), ["column fold: ", "(row 0: 'a')"]),
        (SPLITS, SPLIT.assign(group_id=["g", None]), ["column group_id: not_nullable (row 1"]),
        (PREDICTIONS, PREDICTED.assign(prob_normal=[0.2, 1.2]), ["in_range(0, 1) (row 1: 1.2)"]),
        (PREDICTIONS, PREDICTED.assign(prob_normal=[np.nan, 0.2]), ["not_nullable (row 0: nan)"]),
        (PREDICTIONS, PREDICTED.assign(level="slice"), ["(row 0: 'slice')", "(row 1: 'slice')"]),
        (CLINICAL, pd.DataFrame({"patient_id": ["a", "b", "a"]}), ["(row 0: 'a')", "(row 2: 'a')"]),
    ],
)
def test_every_fault_is_named_by_column_and_row(
    schema: Any, table: pd.DataFrame, said: list[str]
) -> None:
    text = faults(table, schema)
    assert [part for part in said if part not in text] == []


def test_rows_that_repeat_each_other_are_named_once_each() -> None:
    text = faults(PREDICTED.assign(unit_id="u1"), PREDICTIONS)
    keys = "arm, fold, role, unit_id"
    assert text == f"row 0: repeats another in {keys}; row 1: repeats another in {keys}"


def test_all_faults_are_counted_and_the_first_ten_told() -> None:
    table = pd.concat([SPLIT] * 6, ignore_index=True).assign(role="none")
    with pytest.raises(InvalidTableError, match="12 faults") as caught:
        check(table, SPLITS)
    assert str(caught.value.actual).count("'none'") == 10


def test_missing_is_kept_missing_and_ids_stay_text(tmp_path: Path) -> None:
    write_table(PREDICTED.assign(patient_id="007"), tmp_path / "p.parquet", PREDICTIONS)
    back = read_table(tmp_path / "p.parquet", PREDICTIONS)
    assert back["label"].isna().all() and set(back["patient_id"]) == {"007"}
    assert back["prob_covid-19"].tolist() == [0.75, 0.75]


@pytest.mark.parametrize("schema", [MANIFEST, QUARANTINE, CLINICAL, MASKS, SPLITS])
def test_an_empty_table_fits_and_comes_back(schema: Any, tmp_path: Path) -> None:
    write_table(empty(schema), tmp_path / "t.parquet", schema)
    back = read_table(tmp_path / "t.parquet", schema)
    assert back.empty and list(back.columns) == list(schema.columns)


def test_an_invalid_table_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidTableError):
        write_table(SPLIT.assign(role="none"), tmp_path / "t.parquet", SPLITS)
    assert list(tmp_path.iterdir()) == []


def test_another_version_or_another_table_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.parquet"
    write_table(SPLIT, path, SPLITS)
    with pytest.raises(InvalidTableError, match="TABLE_VERSION"):
        read_table(path, MASKS)
    monkeypatch.setattr(tables, "SCHEMA_VERSION", tables.SCHEMA_VERSION + 1)
    with pytest.raises(InvalidTableError, match="TABLE_VERSION") as caught:
        read_table(path, SPLITS)
    assert caught.value.path == str(path)


def test_a_table_of_another_system_needs_no_stamp(tmp_path: Path) -> None:
    SPLIT.to_parquet(tmp_path / "t.parquet")
    SPLIT.to_csv(tmp_path / "t.csv", index=False)
    for name in ("t.parquet", "t.csv"):
        pd.testing.assert_frame_equal(
            read_table(tmp_path / name, SPLITS), check(SPLIT, SPLITS), check_index_type=False
        )


@pytest.mark.parametrize("content", [None, b"", b"PAR1 cut off"])
def test_a_damaged_table_is_unreadable(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "t.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidTableError, match="TABLE_UNREADABLE"):
        read_table(path, SPLITS)


def test_the_stamp_does_not_hide_pandas_types(tmp_path: Path) -> None:
    write_table(SPLIT, tmp_path / "t.parquet", SPLITS)
    meta = pq.read_schema(tmp_path / "t.parquet").metadata
    assert {b"covidx", b"pandas"} <= set(meta)


def test_digest_is_of_the_content() -> None:
    turned = SPLIT[::-1][["role", "fold", "patient_id", "group_id"]]
    assert table_digest(turned) == table_digest(SPLIT)
    assert table_digest(SPLIT.assign(role="train")) != table_digest(SPLIT)


def test_probability_columns_keep_the_order_of_classes() -> None:
    found = probability_columns(PREDICTED)
    assert list(found.items()) == [("normal", "prob_normal"), ("covid-19", "prob_covid-19")]


def test_a_persons_csv(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffid, age ,note\r\n007, 5,ä\r\n\r\n,,\r\nx,,\r\n".encode())
    table = read_cells(path)
    assert list(table.columns) == ["id", "age", "note"]
    assert table["id"].tolist() == ["007", "x"] and table["age"].tolist()[0] == "5"
    assert (table.index + 2).tolist() == [2, 5]  # lines in the file


@pytest.mark.parametrize("content", [None, b"", b"a,b\n1,2,3\n", b"a\n\xff\n", b'a,b\n"1,2\n'])
def test_what_is_no_csv_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidTableError, match="TABLE_UNREADABLE"):
        read_cells(path)

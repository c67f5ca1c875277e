"""The tables that a run found beside those of its replay: every cell, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from covidx.audit.finding import Finding, Verdict
from covidx.audit.run.folder import AnyRun
from covidx.cells import read_cells
from covidx.tables import PREDICTIONS, read_table
from covidx.wording import counted

OF_A_RUN = ["run_id", "bundle_sha256"]
"""Columns that name the run; the bundles are compared by themselves."""


def tables_finding(first: AnyRun, second: AnyRun, elsewhere: bool) -> tuple[Finding, float, int]:
    """Did both find the same?

    Parameters
    ----------
    first, second : AnyRun
        Of one pipeline.
    elsewhere : bool
        Whether machine, lock or code differ, so that other figures are no fault; other units are.

    Returns
    -------
    finding : Finding
    largest : float
        As in `TableComparison`, over all tables.
    n : int
        Rows compared.

    Raises
    ------
    InvalidTableError
        As `read_found`.
    """
    compared = [
        compare_tables(
            name, read_found(first.folder / name), read_found(second.folder / name), keys
        )
        for name, keys in first.known.tables.items()
    ]
    rows = [row for one in compared for row in one.rows]
    largest, n = max(one.largest for one in compared), sum(one.n for one in compared)
    same_units = all(one.same_units for one in compared)
    names = " and ".join(first.known.tables)
    if not rows:
        found = f"{counted(n, 'row')} of {names}: the same."
    elif same_units:
        found = (
            f"Rows of {names} that differ: {len(rows)} of {n}, the first in {_place(rows[0])}; the "
            f"largest difference is {largest:.3g}."
        )
    else:
        found = f"Units or columns of {names} differ."
    to_do = (
        "Something that shapes the result is not in the record (compare both runs' run.json), or "
        "the run was changed since (covidx audit run)."
        if same_units
        else "Other data, another split, or pseudonyms by another key (COVIDX_KEY)."
    )
    noted = elsewhere and same_units
    verdict: Verdict = ("note" if noted else "fail") if rows else "pass"
    finding = Finding(
        "same_tables",
        "Tables",
        verdict,
        "every cell of both, to the last bit that is written",
        found,
        "Certain.",
        to_do if verdict == "fail" else "",
        rows,
    )
    return finding, largest, n


def _place(row: dict[str, Any]) -> str:
    cell = f", row {row['row']}, column {row['column']}" if row["row"] else ""
    return f"{row['table']}{cell}"


@dataclass(frozen=True)
class TableComparison:
    """What became of a table.

    Parameters
    ----------
    n : int
        Rows of the first.
    largest : float
        Greatest difference of two cells; infinite for words, for a number beside none, and where
        the tables have other rows or columns.
    same_units : bool
        Whether rows and columns are of the same things.
    rows : list of dict
        A row that differs each: its place in the first table, and the column that differs most.
    """

    n: int
    largest: float
    same_units: bool
    rows: list[dict[str, Any]] = field(repr=False)


def read_found(path: Path) -> pd.DataFrame:
    """A table of results, as a pipeline wrote it to `path`, parquet or CSV.

    Columns of a CSV in which every cell is a number are float64; the others are text.

    Raises
    ------
    InvalidTableError
        As `read_table` and `read_cells`.
    """
    if path.suffix == ".parquet":
        return read_table(path, PREDICTIONS)
    return read_cells(path).apply(_numbers)


def _numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    try:
        return column.astype(np.float64)
    except ValueError:
        return column


def compare_tables(
    name: str, one: pd.DataFrame, two: pd.DataFrame, keys: Sequence[str]
) -> TableComparison:
    """Compare two tables of one pipeline.

    Parameters
    ----------
    name : str
        File name of the table, for the evidence.
    one, two : DataFrame
        Of the run, and of its replay.
    keys : sequence of str
        Columns that name a row: both must have the same, in any order. Without any, the rows are
        what was found: they are compared in their order, and another number is a difference.
    """
    first, second = (
        table.reset_index(drop=True).drop(columns=OF_A_RUN, errors="ignore") for table in (one, two)
    )
    if set(first.columns) != set(second.columns):
        return _others(name, len(one), ", ".join(first.columns), ", ".join(second.columns))
    if keys:
        named = [table[list(keys)].astype(str).sort_values(list(keys)) for table in (first, second)]
        if not named[0].reset_index(drop=True).equals(named[1].reset_index(drop=True)):
            return _others(name, len(one), *_units(*named))
        first, second = first.loc[named[0].index], second.loc[named[1].index]
    elif len(first) != len(second):
        found = _others(name, len(one), *(counted(len(table), "row") for table in (first, second)))
        return replace(found, same_units=True)
    second = second[first.columns]
    off = np.column_stack([_off(first[column], second[column]) for column in first.columns])
    rows = [
        {
            "table": name,
            "row": int(first.index[k]) + 1,
            "column": str(first.columns[place]),
            "run": str(first.iat[k, place]),
            "replay": str(second.iat[k, place]),
        }
        for k, place in _differing(off)
    ]
    return TableComparison(len(one), float(off.max(initial=0)), True, rows)


def _units(one: pd.DataFrame, two: pd.DataFrame) -> list[str]:
    """What is to be said of the rows of either."""
    sides = one.merge(two, how="outer", indicator=True)["_merge"].value_counts()
    alone = (sides["left_only"], sides["right_only"])
    return [
        f"{counted(len(table), 'row')}, {n} of units that the other lacks"
        for table, n in zip((one, two), alone, strict=True)
    ]


def _differing(off: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Rows that differ, and the column that does most."""
    return [(int(k), int(off[k].argmax())) for k in np.flatnonzero(off.max(axis=1))]


def _others(name: str, n: int, run: str, replay: str) -> TableComparison:
    """Tables that cannot be laid side by side, and what each of them has."""
    row = {"table": name, "row": "", "column": "", "run": run, "replay": replay}
    return TableComparison(n, float("inf"), False, [row])


def _off(one: pd.Series[Any], two: pd.Series[Any]) -> NDArray[np.float64]:
    """How far two columns are apart, row by row; nothing beside nothing is no difference."""
    if is_numeric_dtype(one) and is_numeric_dtype(two):
        apart = np.abs(one.to_numpy(np.float64) - two.to_numpy(np.float64))
        neither = (one.isna().to_numpy() & two.isna().to_numpy()) | (
            one.to_numpy() == two.to_numpy()
        )
        return np.where(neither, 0.0, np.nan_to_num(apart, nan=np.inf))
    same = one.astype(str).to_numpy() == two.astype(str).to_numpy()
    return np.where(same, 0.0, np.inf)

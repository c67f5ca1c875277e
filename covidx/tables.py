"""The tables that rooms hand to each other: how they are checked, read and written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.parquet as pq

from covidx.cells import read_cells
from covidx.constants import PROBABILITY_PREFIX, SCHEMA_VERSION
from covidx.errors import InvalidTableError
from covidx.files import replacing, sha256_bytes
from covidx.schemas import (
    BOXES,
    CLINICAL,
    MANIFEST,
    MASK_SCORES,
    MASKS,
    OUT_OF_FOLD,
    PREDICTIONS,
    QUARANTINE,
    RADIOGRAPH_SCORES,
    ROLES,
    SPLITS,
    TRUE_BOXES,
)
from covidx.table_lines import unreadable

__all__ = [
    "BOXES",
    "CLINICAL",
    "MANIFEST",
    "MASKS",
    "MASK_SCORES",
    "OUT_OF_FOLD",
    "PREDICTIONS",
    "PROBABILITY_PREFIX",
    "QUARANTINE",
    "RADIOGRAPH_SCORES",
    "ROLES",
    "SPLITS",
    "TRUE_BOXES",
    "check",
    "empty",
    "is_stamped",
    "probability_columns",
    "read_table",
    "table_digest",
    "write_csv",
    "write_table",
]


def probability_columns(predictions: pd.DataFrame) -> dict[str, str]:
    """Class name -> its probability column in `predictions`, in the order of the table."""
    prefix = PROBABILITY_PREFIX
    return {c.removeprefix(prefix): c for c in predictions.columns if c.startswith(prefix)}


def empty(schema: pa.DataFrameSchema) -> pd.DataFrame:
    """A table of `schema` without rows."""
    return pd.DataFrame({name: pd.Series(dtype=object) for name in schema.columns})


def check(
    table: pd.DataFrame, schema: pa.DataFrameSchema, path: Path | None = None
) -> pd.DataFrame:
    """Return a table with its columns coerced, or name every row that is wrong.

    Parameters
    ----------
    table : DataFrame
        It is not changed; its index does not matter.
    schema : DataFrameSchema
        One of those above.
    path : Path, optional
        Where the table lies, for the error.

    Raises
    ------
    InvalidTableError
        ``TABLE_INVALID``, with up to ten faults, each by column, row and value.
    """
    try:
        return schema.validate(table, lazy=True)
    except pa.errors.SchemaErrors as error:
        faults = [
            fault
            for case in error.failure_cases.itertuples()
            if (fault := _fault(case, schema, str(table.index.name or "row")))
        ]
        raise InvalidTableError(
            "TABLE_INVALID",
            f"The {schema.name} table does not fit its schema ({len(faults)} faults).",
            path=path,
            actual="; ".join(faults[:10]) + ("; …" if len(faults) > 10 else ""),
        ) from error


def _fault(case: Any, schema: pa.DataFrameSchema, place: str) -> str:
    """One line for a failure case of pandera; empty where another case says it.

    `place` is what the table's index counts: rows from 0, or lines of a person's file.
    """
    if case.check == "multiple_fields_uniqueness":
        first, *_ = schema.unique  # pandera lists each of the columns
        same = f"{place} {case.index}: repeats another in {', '.join(schema.unique)}"
        return same if case.column == first else ""
    if case.schema_context == "DataFrameSchema":
        return f"column {case.failure_case}: missing or not wanted ({case.check})"
    where = "" if pd.isna(case.index) else f" ({place} {case.index}: {case.failure_case!r})"
    return f"column {case.column}: {case.check}{where}"


def write_table(table: pd.DataFrame, path: Path, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Check a table, then write it as parquet with its schema's name and version, atomically.

    Parameters
    ----------
    table, path, schema
        As in `check`; the file is replaced, its index is not written.
    """
    checked = check(table, schema, path)
    stamp = json.dumps({"schema": schema.name, "version": SCHEMA_VERSION}).encode()
    data = arrow.Table.from_pandas(checked, preserve_index=False)
    with replacing(path) as temporary:
        pq.write_table(
            data.replace_schema_metadata({**data.schema.metadata, b"covidx": stamp}), temporary
        )
    return checked


def write_csv(table: pd.DataFrame, path: Path, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Check a table, then write it as CSV, atomically; numbers have six significant digits.

    Parameters
    ----------
    table, path, schema
        As in `write_table`.
    """
    checked = check(table, schema, path)
    with replacing(path) as temporary:
        checked.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    return checked


def read_table(path: Path, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Read a table from `path`, of covidx or of a person, and check it against `schema`.

    Raises
    ------
    InvalidTableError
        As `read_cells`, ``TABLE_VERSION`` or ``TABLE_INVALID``.
    """
    stamp = _stamp(path)
    if not stamp:
        raw = read_cells(path)
        lines = (raw.index + 2).rename("line")
        return check(raw.set_axis(lines), schema, path).reset_index(drop=True)
    if stamp != {"schema": schema.name, "version": SCHEMA_VERSION}:
        raise InvalidTableError(
            "TABLE_VERSION",
            "The table was written as another one, or by another version of covidx.",
            path=path,
            expected=f"{schema.name}, version {SCHEMA_VERSION}",
            actual=f"{stamp.get('schema')}, version {stamp.get('version')}",
            hint="Make it again with this version.",
        )
    return check(_of_parquet(pq.read_table, path).to_pandas(), schema, path)


def is_stamped(path: Path) -> bool:
    """Whether covidx itself wrote the table at `path`, as parquet."""
    return bool(_stamp(path))


def _stamp(path: Path) -> dict[str, Any]:
    """What covidx writes into its own tables; empty for a table of anyone else."""
    if path.suffix.lower() != ".parquet":
        return {}
    stamp = (_of_parquet(pq.read_schema, path).metadata or {}).get(b"covidx")
    return {} if stamp is None else _of_parquet(lambda _: dict(json.loads(stamp)), path)


def _of_parquet(read: Callable[[Path], Any], path: Path) -> Any:
    try:
        return read(path)
    except Exception as error:  # what damaged files raise has nothing in common
        hint = "Check the path, or make the table again."
        raise unreadable(path, error, hint, "PARQUET") from error


def table_digest(table: pd.DataFrame) -> str:
    """SHA-256 of the content of a `table`, whatever the order of its rows and columns."""
    columns = sorted(table.columns)
    ordered = table[columns].sort_values(columns, ignore_index=True)
    text = ordered.to_csv(index=False, float_format="%.9g", lineterminator="\n", na_rep="")
    return sha256_bytes(text.encode())

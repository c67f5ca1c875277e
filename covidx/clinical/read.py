"""Reading a clinical table, whatever its format, as text by column and line."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as arrow

from covidx.errors import InvalidTableError
from covidx.tables import read_csv
from covidx.wording import counted

SUFFIXES = (".csv", ".zip", ".xlsx", ".parquet")
"""A ZIP holds one CSV."""

LARGEST_MEMBER = 1 << 31
"""Bytes to which a zipped table may unpack; 100 times the largest known here. Modelling choice."""


def read_cells(path: Path) -> pd.DataFrame:
    """Every cell of the table at `path` as text; an empty one is missing.

    Returns
    -------
    DataFrame
        Column names with single spaces; the index is the line in the file less 2, as the header is
        line 1.

    Raises
    ------
    InvalidTableError
        ``TABLE_FORMAT``, ``TABLE_UNREADABLE``, ``TABLE_EMPTY`` or ``COLUMN_TWICE``.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidTableError(
            "TABLE_FORMAT",
            "A clinical table of this format cannot be read.",
            path=path,
            expected=", ".join(SUFFIXES),
            actual=path.suffix or "no suffix",
        )
    cells = _read(path)
    cells.columns = pd.Index([" ".join(str(name).split()) for name in cells.columns])
    twice = sorted(set(cells.columns[cells.columns.duplicated()]))
    if twice:
        raise InvalidTableError(
            "COLUMN_TWICE",
            "Several columns have the same name.",
            path=path,
            actual=", ".join(twice),
            hint="Rename or remove the repeated columns.",
        )
    cells = cells.dropna(how="all")
    if cells.empty:
        raise InvalidTableError(
            "TABLE_EMPTY",
            "The clinical table has no rows.",
            path=path,
            hint="Check that this is the right file, and that rows follow its header.",
        )
    return cells


def _read(path: Path) -> pd.DataFrame:
    suffix = path.suffix.lower()
    try:
        if suffix == ".zip":
            _check_archive(path)
        if suffix in (".csv", ".zip"):
            return read_csv(path)
        if suffix == ".xlsx":
            cells = pd.read_excel(path, dtype=str)
        else:
            cells = pd.read_parquet(path)
            known = cells.notna()
            cells = cells.astype(str).where(known, np.nan).reset_index(drop=True)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, arrow.ArrowException) as error:
        if isinstance(error, InvalidTableError):
            raise
        raise InvalidTableError(
            "TABLE_UNREADABLE",
            "The clinical table cannot be read.",
            path=path,
            actual=error,
            hint="Check the path, or save the table again as CSV (UTF-8).",
        ) from error
    text: pd.DataFrame = cells.apply(lambda column: column.str.strip())
    return text.where(text != "")


def _check_archive(path: Path) -> None:
    """Refuse a ZIP that is no single CSV of a sensible size."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if len(members) != 1 or members[0].file_size > LARGEST_MEMBER:
        raise InvalidTableError(
            "TABLE_UNREADABLE",
            "A zipped table must be one CSV.",
            path=path,
            expected=f"one file of at most {LARGEST_MEMBER} bytes",
            actual=f"{counted(len(members), 'file')}, {sum(m.file_size for m in members)} bytes",
            hint="Zip the CSV alone, or name it unzipped.",
        )

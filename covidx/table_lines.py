"""The lines of a table's file, whatever its format: cells as text, as a person sees them."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from collections.abc import Iterator
from datetime import datetime, time
from pathlib import Path
from typing import Any

import numpy as np

from covidx.errors import CovidxError, InvalidTableError
from covidx.wording import counted

TEXT = (".csv", ".tsv")
WORKBOOKS = (".xlsx", ".xlsm")
SUFFIXES = (*TEXT, ".zip", ".gz", *WORKBOOKS, ".parquet")
"""A ZIP or gzip file holds one CSV."""

LARGEST_UNPACKED = 1 << 31
"""Bytes to which a packed table may unpack; 100 times the largest known here. Modelling choice."""

DIVIDERS = ("\t", ";", ",")

EXCEL_DIVIDER = re.compile(r"sep=(.)\s*", re.IGNORECASE)
"""A first line by which Excel is told what divides the cells."""
_ZEROS = re.compile(r"0{2,}")
_UNCOMPUTED = re.compile(
    rb'<c (?![^>]*t="str")[^>]*>\s*<f[^>]*(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>'
)
"""A cell of a workbook with a formula and no value; a text may be empty."""

Line = tuple[int, list[str | None]]
"""Number of a line in the file, from 1, and its cells; None is an empty one."""


def read_lines(path: Path, *, remarks: bool = False) -> tuple[list[Line], list[str]]:
    """The lines of a table, the header among them, and notes on what of the file was not read.

    Parameters
    ----------
    path : Path
        With one of `SUFFIXES`.
    remarks : bool
        Whether lines before the header that begin with ``#`` are remarks.

    Raises
    ------
    InvalidTableError
        ``TABLE_FORMAT`` or ``TABLE_UNREADABLE``.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidTableError(
            "TABLE_FORMAT",
            "A table of this format is not read.",
            path=path,
            expected=", ".join(SUFFIXES),
            actual=path.suffix or "no suffix",
            hint="Save it as CSV in UTF-8, or as XLSX.",
        )
    if not path.is_file():
        raise InvalidTableError(
            "TABLE_UNREADABLE",
            "There is no table at this path.",
            path=path,
            actual="a folder" if path.is_dir() else "no such file",
            hint="Check the path of the table.",
        )
    form = "CSV in UTF-8" if suffix in (*TEXT, ".zip", ".gz") else suffix[1:].upper()
    try:
        if suffix in WORKBOOKS:
            return _workbook(path)
        if suffix == ".parquet":
            return list(_parquet(path)), []
        return list(_text(_content(path), remarks)), []
    except CovidxError:
        raise
    except Exception as error:  # the readers of damaged files have no error in common
        hint = "Open it and save it again as CSV in UTF-8, or as XLSX."
        raise unreadable(path, f"{type(error).__name__}: {error}", hint, form) from error


def unreadable(path: Path, actual: object, hint: str, form: str = "a table") -> InvalidTableError:
    """What to raise where a file is no table.

    Parameters
    ----------
    path : Path
        Of the file.
    actual : object
        What was found.
    hint : str
        What to do.
    form : str
        What it should have been.
    """
    return InvalidTableError(
        "TABLE_UNREADABLE", f"This cannot be read as {form}.", path=path, actual=actual, hint=hint
    )


def _content(path: Path) -> bytes:
    if path.suffix.lower() == ".gz":
        with gzip.open(path) as stream:
            data = stream.read(LARGEST_UNPACKED + 1)
        if len(data) > LARGEST_UNPACKED:
            raise ValueError(f"it unpacks to more than {LARGEST_UNPACKED} bytes")
        return data
    if path.suffix.lower() != ".zip":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) != 1 or members[0].file_size > LARGEST_UNPACKED:
            size = sum(member.file_size for member in members)
            raise ValueError(
                f"{counted(len(members), 'file')}, {size} bytes, and not one file of at most "
                f"{LARGEST_UNPACKED} bytes"
            )
        return archive.read(members[0])


def divider_of(header: str) -> str:
    """What divides the cells: of `DIVIDERS` the one that `header`, a line, has most of."""
    return max(reversed(DIVIDERS), key=header.count)


def _text(data: bytes, remarks: bool) -> Iterator[Line]:
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    if "\0" in text:
        raise ValueError("it holds bytes that are no text")
    lines = io.StringIO(text, newline="")
    passed, divider = 0, None
    for line in lines:
        excel = EXCEL_DIVIDER.fullmatch(line)
        divider = excel.group(1) if excel else divider
        if line.strip() and not excel and not (remarks and line.lstrip().startswith("#")):
            break
        passed += 1
    else:
        return
    unquoted = re.sub(r'"[^"]*"', "", line)
    divider = divider or divider_of(unquoted)
    lines.seek(0)
    for _ in range(passed):
        lines.readline()
    reader = csv.reader(lines, delimiter=divider, strict=True, skipinitialspace=True)
    begun = passed + 1
    try:
        for cells in reader:
            yield begun, list(cells)
            begun = passed + reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"line {begun}: {error}") from error


def _workbook(path: Path) -> tuple[list[Line], list[str]]:
    """The first sheet with cells; the others are counted."""
    from openpyxl import load_workbook

    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > LARGEST_UNPACKED:
            raise ValueError(f"it unpacks to more than {LARGEST_UNPACKED} bytes")
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        unknown = sum(len(_UNCOMPUTED.findall(archive.read(name))) for name in sheets)
    if unknown:
        raise ValueError(f"{counted(unknown, 'formula')} whose values were never computed")
    book = load_workbook(path, read_only=True, data_only=True)
    try:
        filled = [lines for sheet in book.worksheets if (lines := _sheet(sheet))]
    finally:
        book.close()
    first, *others = filled or [[]]
    rows = counted(sum(map(len, others)), "row")
    # Without their names, which may be those of patients.
    note = f"The first sheet is read; {counted(len(others), 'other')} with {rows} not."
    return first, [note] if others else []


def _sheet(sheet: Any) -> list[Line]:
    sheet.reset_dimensions()  # some writers claim a size that is not so
    lines = []
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells = [_shown(cell) for cell in row]
        if any(cell and cell.strip() for cell in cells):
            lines.append((number, cells))
    widest = max((len(cells) for _, cells in lines), default=0)
    return [(number, cells + [None] * (widest - len(cells))) for number, cells in lines]


def _shown(cell: Any) -> str | None:
    """A cell as a person sees it: 7 in the format 00000 is 00007."""
    text = _as_text(cell.value)
    if isinstance(cell.value, int) and _ZEROS.fullmatch(str(cell.number_format)):
        return str(text).zfill(len(cell.number_format))
    return text


def _parquet(path: Path) -> Iterator[Line]:
    import pyarrow as arrow
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read()  # read_table fails where a name occurs twice
    kept = [
        k for k, n in enumerate(table.column_names) if not re.fullmatch(r"__index_level_\d+__", n)
    ]
    columns = []
    for k in kept:
        column = table.column(k)
        single = arrow.types.is_float16(column.type) or arrow.types.is_float32(column.type)
        # A single's 0.7 is 0.7, not 0.699999988.
        values = column.to_numpy().astype(str).astype(float) if single else column.to_pylist()
        columns.append([_as_text(value) for value in values])
    yield 1, [str(table.column_names[k]) for k in kept]
    yield from enumerate(map(list, zip(*columns, strict=True)), 2)


def _as_text(value: Any) -> str | None:
    """A typed cell as text; None where it is empty."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        return None if np.isnan(value) else repr(float(value))
    if isinstance(value, datetime):
        midnight = value.time() == time() and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, bytes):
        return value.decode()
    return str(value)

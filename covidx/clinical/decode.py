"""One column of a clinical table: from text to numbers in the card's unit, or a refusal by row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from covidx.cards import Column
from covidx.cell_numbers import to_numbers
from covidx.clinical.units import convert, convertible
from covidx.errors import InvalidTableError

ROUNDING = 1e-9
YES_NO = {"true": "1", "false": "0"}
"""Booleans as tables of any format have them."""
SHOWN = 10
"""Faults named in an error."""


def decode(
    cells: pd.Series, column: Column, path: Path | None, notes: list[str] | None = None
) -> pd.Series:
    """The numbers of a column; of a category the place of each value among its values.

    Parameters
    ----------
    cells : Series of str
        As `read_cells`; missing is unknown and stays NaN.
    column : Column
        Codes, unit, and the range of what is possible.
    path : Path or None
        For errors.
    notes : list of str, optional
        Takes a sentence for what is taken otherwise than written.

    Raises
    ------
    InvalidTableError
        ``CODE_UNKNOWN``: a value that the card gives no code; ``VALUE_INVALID``: no number, or no
        integer where the card says so; ``VALUE_IMPOSSIBLE``: outside the card's range,
        unless by the card it is unknown then. Each names column, row and value.
    ConfigError
        ``UNIT_UNKNOWN``.
    """
    codes = column.codes
    if column.type == "category":
        codes = {value: float(place) for place, value in enumerate(column.values or [])}
    if codes is not None:
        numbers = _by_code(cells, codes, column, path)
    else:
        found = to_numbers(_booleans(cells) if column.type == "flag" else cells)
        numbers, wrong = found.values, found.wrong
        hint = "Write numbers with a decimal point, and leave unknown cells empty."
        if notes is not None:
            notes += found.notes
        if column.impossible == "refuse":
            wrong |= np.isinf(numbers)
        _refuse("VALUE_INVALID", "is not a number", cells[wrong], column, path, "a number", hint)
    if column.source_unit is not None and column.unit is not None:
        values = convert(numbers.to_numpy(float), column.source_unit, column.unit)
        numbers = pd.Series(values, index=numbers.index)
    if column.type == "flag":
        odd = numbers.notna() & ~numbers.isin((0, 1))
        hint = "Write 1 for yes and 0 for no, or give the column codes in the card."
        _refuse("CODE_UNKNOWN", "is neither yes nor no", cells[odd], column, path, "1 or 0", hint)
    if column.type == "integer":
        odd = numbers.notna() & (numbers % 1 != 0)
        hint = "Correct the cells, or set type: number in the card."
        what = "a whole number"
        _refuse("VALUE_INVALID", f"is not {what}", cells[odd], column, path, what, hint)
    outside = _outside(numbers, column)
    if column.impossible == "unknown":
        return numbers.mask(outside)
    if outside.any():
        _refuse_impossible(cells[outside], numbers[outside], column, path)
    return numbers


def with_values(column: Column, cells: pd.Series) -> Column:
    """The `column`; a category whose card names no values gets those of the table, `cells`."""
    if column.type != "category" or column.values is not None:
        return column
    values = sorted(_plain(cells).dropna().unique())
    return column.model_copy(update={"values": values})


def _plain(cells: pd.Series) -> pd.Series:
    """A spreadsheet may give the code 1 as 1.0."""
    texts = cells.astype(object)
    return texts.where(~texts.str.fullmatch(r"-?\d+\.0", na=False), texts.str[:-2])


def _booleans(cells: pd.Series) -> pd.Series:
    places, distinct = pd.factorize(cells)
    known = [YES_NO.get(str(cell).casefold(), cell) for cell in distinct]
    return pd.Series(np.array([*known, np.nan], object)[places], cells.index, name=cells.name)


def _by_code(
    cells: pd.Series, codes: Mapping[str, float | None], column: Column, path: Path | None
) -> pd.Series:
    places, distinct = pd.factorize(cells)  # a column holds few texts many times
    texts = _plain(pd.Series(distinct, dtype=object))
    unknown = np.append(~texts.isin(list(codes)), False)[places]  # the last is an empty cell
    expected = ", ".join(codes)
    hint = "Correct the cells, or add them to the column's codes or values in the card."
    _refuse("CODE_UNKNOWN", "has no code in the card", cells[unknown], column, path, expected, hint)
    numbers = {name: np.nan if code is None else code for name, code in codes.items()}
    return pd.Series(np.append(texts.map(numbers).astype(float), np.nan)[places], cells.index)


def _range(column: Column) -> tuple[float, float]:
    low = -np.inf if column.low is None else column.low
    return low, np.inf if column.high is None else column.high


def _outside(numbers: pd.Series, column: Column) -> pd.Series:
    low, high = _range(column)
    # A converted value may miss the end of the range by rounding.
    return (numbers < low - ROUNDING) | (numbers > high + ROUNDING)


def _refuse_impossible(
    cells: pd.Series, numbers: pd.Series, column: Column, path: Path | None
) -> None:
    low, high = _range(column)
    hint = "Correct the cells, or leave them empty if the value is unknown."
    if column.unit is not None:
        source = column.source_unit or column.unit
        raw = convert(numbers.to_numpy(float), column.unit, source)
        for unit in sorted({column.unit, *convertible(column.unit)} - {source}):
            values = convert(raw, unit, column.unit)
            if ((values >= low) & (values <= high)).all():
                hint = (
                    f"Convert these cells, which fit in {unit} but not in {source}, or, if all "
                    f"of the column are in {unit}, set source_unit: {unit} in the card."
                )
                break
    expected = f"{low:g} to {high:g} {column.unit or ''}".strip()
    _refuse("VALUE_IMPOSSIBLE", "is impossible", cells, column, path, expected, hint)


def _refuse(
    code: str,
    what: str,
    wrong: pd.Series,
    column: Column,
    path: Path | None,
    expected: str,
    hint: str,
) -> None:
    """Raise if there are wrong cells, naming the first by row and value."""
    if wrong.empty:
        return
    first = wrong.head(SHOWN)
    lines = first.index.to_numpy(dtype=int) + 2
    shown = [f"row {line}: {value}" for line, value in zip(lines, first, strict=True)]
    more = f"; … {len(wrong)} in all" if len(wrong) > SHOWN else ""
    raise InvalidTableError(
        code,
        f"Column {column.name}: a value {what}.",
        path=path,
        expected=expected,
        actual="; ".join(shown) + more,
        hint=hint,
    )

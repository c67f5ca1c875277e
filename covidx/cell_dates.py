"""Cells of a column that holds dates, as days and times: one rule for every table of a person."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from covidx.wording import counted

OFFSET = r"([T ]\d{2}[\d:.,]*)\s*(?:Z|[+-]\d{2}(?::?\d{2})?)$"
"""A time with its offset from UTC, as in 2020-03-01T00:00:00+01:00."""
UNKNOWN_WORDS = ("na", "nan", "nat")
"""How R and pandas write an unknown date, without case."""


@dataclass(frozen=True, eq=False)
class Dates:
    """A column as dates.

    Parameters
    ----------
    values : Series of datetime64
        The day and time that are written, whatever their offset; NaT where a cell is unknown, or
        wrong.
    wrong : Series of bool
        Whether a cell is something else than an ISO date; the caller refuses it by row.
    notes : list of str
        A sentence for what was taken otherwise than it is written.
    """

    values: pd.Series
    wrong: pd.Series
    notes: list[str]


def is_unknown(cells: pd.Series) -> pd.Series:
    """Whether a cell is one of the words for an unknown date; an empty one is none.

    Parameters
    ----------
    cells : Series
        As `read_cells` gives it.
    """
    return cells.astype("string").str.casefold().isin(UNKNOWN_WORDS).fillna(False).astype(bool)


def to_dates(cells: pd.Series) -> Dates:
    """The dates of a column as `read_cells` gives it.

    An empty cell is unknown, and so are NA, NaN and NaT, with a note.

    Parameters
    ----------
    cells : Series
        Text, missing where empty.

    Examples
    --------
    >>> to_dates(pd.Series(["2020-03-01", "NA"])).values.dt.day.tolist()
    [1.0, nan]
    """
    unknown = is_unknown(cells)
    # The time as it is written: in UTC a patient of midnight would come on another day, and a table
    # that crosses a change of clocks has two offsets.
    written = cells.mask(unknown).astype("string").str.replace(OFFSET, r"\1", regex=True)
    values = pd.to_datetime(written, format="ISO8601", errors="coerce")
    n = int(unknown.sum())
    notes = [f"{cells.name}: {counted(n, 'cell')} NA, NaN or NaT taken as unknown"] if n else []
    return Dates(values, values.isna() & written.notna(), notes)

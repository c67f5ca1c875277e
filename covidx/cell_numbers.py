"""Cells of a column that holds numbers, as numbers: one rule for every table of a person."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from covidx.wording import counted

_NUMBER = re.compile(r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf(inity)?)", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(e[+-]?[0-9]+)?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
"""5,200 is five thousand in one country and five in another."""
UNKNOWN_WORDS = ("na", "nan")
"""How R and Python write an unknown number, without case."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column as numbers.

    Parameters
    ----------
    values : Series of float
        NaN where a cell is unknown, or wrong.
    wrong : Series of bool
        Whether a cell is something else than a number; the caller refuses it by row.
    notes : list of str
        A sentence for what was taken otherwise than it is written.
    """

    values: pd.Series
    wrong: pd.Series
    notes: list[str]


def to_numbers(cells: pd.Series) -> Numbers:
    """The numbers of a column as `read_cells` gives it.

    An empty cell is unknown, and so are NA and NaN, with a note. A comma is decimal where it cannot
    divide thousands, in its cell or, in a column without points, in another cell; else the cell is
    wrong, as any other word is.

    Parameters
    ----------
    cells : Series
        Text, missing where empty; numbers are taken as they are.

    Examples
    --------
    >>> to_numbers(pd.Series(["0,5", "NA", "7"])).values.tolist()
    [0.5, nan, 7.0]
    """
    if pd.api.types.is_numeric_dtype(cells):
        single = cells.dtype in (np.float32, np.float16)  # 0.7, not 0.699999988
        values = (cells.astype(str) if single else cells).astype(np.float64)
        return Numbers(values, pd.Series(False, cells.index), [])
    texts, notes = cells.astype(object), []
    # A column holds few texts many times: each is looked at once.
    places, distinct = pd.factorize(texts.where(texts.isna(), texts.astype(str)))
    counts = np.bincount(places[places >= 0], minlength=len(distinct))
    known = pd.Series(distinct, dtype=object)
    unknown = known.str.casefold().isin(UNKNOWN_WORDS).to_numpy(bool)
    if unknown.any():
        n = counted(int(counts[unknown].sum()), "cell")
        notes.append(f"{cells.name}: {n} NA or NaN taken as unknown")
    commas = _like(known, _COMMA)
    sure = commas & ~_like(known, _THOUSANDS)
    points = bool(known[~unknown].str.contains(".", regex=False).any())
    decimal = commas if sure.any() and not points else sure
    if decimal.any():
        n = counted(int(counts[decimal].sum()), "cell")
        notes.append(f"{cells.name}: commas taken as decimal ({n})")
        known = known.mask(decimal, known.str.replace(",", ".", regex=False))
    right = _like(known, _NUMBER) & ~unknown
    # The last place is that of an empty cell.
    numbers: npt.NDArray[np.float64] = np.full(len(known) + 1, np.nan)
    numbers[:-1][right] = known[right].to_numpy(str).astype(np.float64)
    wrong = np.append(~right & ~unknown, False)
    return Numbers(
        pd.Series(numbers[places], cells.index), pd.Series(wrong[places], cells.index), notes
    )


def _like(texts: pd.Series, pattern: re.Pattern[str]) -> npt.NDArray[np.bool_]:
    return np.array([pattern.fullmatch(text) is not None for text in texts], dtype=bool)

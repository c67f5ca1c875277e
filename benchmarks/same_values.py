"""Values of two runs compared: rows of tables and tensors, by names that may change.

Files, columns and tensors may be renamed between two revisions (`RENAMED`); values may not change.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

RENAMED = (
    (r"(.+)_found", r"\1_predicted"),  # predictions.csv of readers' scores
    (r"clinic", "clinical"),  # contributions.csv
    (r"find", "detection"),  # boxes.csv: the number of the opacity in its scan
    (r"find_score", "detection_score"),
    (r"find_score", "score"),
    (r"score", "box_score"),
    (r"score", "slice_score"),
)
"""Old name -> new name, as regular expressions of a whole name: of tables and their columns, of
tensors (``image/weights.safetensors:head.bias``) and pipelines (``clinical/svm/pipeline.skops``)
below ``bundle/``. The old name is always allowed."""
KEYS = ("arm", "fold", "role", "unit_id", "image_id", "patient_id", "structure")
"""Columns that name a row; rows of one name, such as the boxes of an image, go by their order."""


@dataclass(frozen=True)
class Comparison:
    """How much was compared, and what differs.

    Parameters
    ----------
    rows : int
        Rows of the old run's tables.
    values : int
        Numbers compared, of tables and of ``bundle.json``.
    tensors : int
        Arrays of the old run's bundle.
    largest : float
        The largest absolute difference; infinite where a value has no counterpart.
    differences : tuple of str
        A line for each column, tensor or parameter that is not the same.
    """

    rows: int = 0
    values: int = 0
    tensors: int = 0
    largest: float = 0.0
    differences: tuple[str, ...] = ()

    @classmethod
    def unmatched(cls, line: str) -> Comparison:
        """Something without a counterpart, in a line."""
        return cls(largest=math.inf, differences=(line,))

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def __add__(self, other: Comparison) -> Comparison:
        """Both together."""
        return Comparison(
            self.rows + other.rows,
            self.values + other.values,
            self.tensors + other.tensors,
            max(self.largest, other.largest),
            self.differences + other.differences,
        )


def names_now(name: str, present: Container[str]) -> list[str]:
    """Names that something may have by now, of those that are present.

    Parameters
    ----------
    name : str
        Its old name, which comes first if it is present.
    present : container of str
        Names of the new run.
    """
    matches = ((re.fullmatch(pattern, name), new) for pattern, new in RENAMED)
    allowed = [name, *(match.expand(new) for match, new in matches if match)]
    return [each for each in dict.fromkeys(allowed) if each in present]


def compare_tables(old: pd.DataFrame, new: pd.DataFrame, name: str) -> Comparison:
    """Compare every number of the old table with that of the row of the same name.

    Parameters
    ----------
    old, new : DataFrame
        Columns of `KEYS` name a row. Columns that only the new table has are not compared; of
        several that an old one may be called by now, the one that agrees best is taken.
    name : str
        What to call the table in a line about a difference.

    Returns
    -------
    Comparison
        Two NaN are equal.
    """
    keys = {key: now[0] for key in KEYS if key in old and (now := names_now(key, new))}
    old_rows = _by_name(old, list(keys))
    new_rows = _by_name(new.rename(columns={now: key for key, now in keys.items()}), list(keys))
    both = old_rows.index.intersection(new_rows.index)
    total = Comparison(rows=len(old))
    for run, rows in (("old", old_rows), ("new", new_rows)):
        if n := len(rows) - len(both):
            line = f"{name}: {n} of {len(rows)} rows are of the {run} run alone"
            total += Comparison.unmatched(line)
    old_rows, new_rows = old_rows.loc[both], new_rows.loc[both]
    for column in old_rows.select_dtypes(["number", "bool"]):
        total += _compare_column(old_rows[column], new_rows, f"{name}.{column}")
    return total


def _compare_column(old: pd.Series[Any], new_rows: pd.DataFrame, name: str) -> Comparison:
    candidates = names_now(str(old.name), new_rows)
    if not candidates:
        return Comparison.unmatched(f"{name}: the column is missing")
    numbers = (pd.to_numeric(new_rows[each], errors="coerce") for each in candidates)
    values = old.to_numpy(float)
    apart = [_differences(values, each.to_numpy(float)) for each in numbers]
    closest = min(apart, key=lambda each: (each.max(initial=0), np.count_nonzero(each)))
    largest, n = float(closest.max(initial=0)), np.count_nonzero(closest)
    line = f"{name}: {n} of {len(values)} values differ, by up to {largest:.3g}"
    return Comparison(values=len(values), largest=largest, differences=(line,) if n else ())


def compare_tensors(old: Mapping[str, NDArray[Any]], new: Mapping[str, NDArray[Any]]) -> Comparison:
    """Compare arrays of the same name: type, shape and every bit.

    Parameters
    ----------
    old, new : mapping of str to ndarray
        An array that only one of them has is a difference.
    """
    total, used = Comparison(tensors=len(old)), set()
    for name, array in old.items():
        names = names_now(name, new)
        if not names:
            total += Comparison.unmatched(f"{name}: the array is missing")
            continue
        used.add(names[0])
        total += _compare_array(array, new[names[0]], name)
    added = (f"{name}: the array is new" for name in new if name not in used)
    return sum(map(Comparison.unmatched, added), total)


def _compare_array(old: NDArray[Any], new: NDArray[Any], name: str) -> Comparison:
    if (old.dtype, old.shape) != (new.dtype, new.shape):
        line = f"{name}: {old.dtype} {old.shape} is now {new.dtype} {new.shape}"
        return Comparison.unmatched(line)
    if old.tobytes() == new.tobytes():
        return Comparison()
    if old.dtype.kind not in "biuf":
        return Comparison.unmatched(f"{name}: the array differs")
    largest = float(_differences(old.astype(float), new.astype(float)).max())
    line = f"{name}: differs by up to {largest:.3g}"
    return Comparison(largest=largest, differences=(line,))


def _differences(old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Absolute differences; 0 where both are NaN, infinite where one is."""
    same = (old == new) | (np.isnan(old) & np.isnan(new))
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        apart = np.where(same, 0.0, np.abs(old - new))
    return np.nan_to_num(apart, nan=np.inf, posinf=np.inf)


def _by_name(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The table, indexed by its keys as text and by the order of rows that share them."""
    named = table.reset_index(drop=True).astype(dict.fromkeys(keys, str))
    order = named.groupby(keys).cumcount() if keys else named.index
    return named.assign(_order=order).set_index([*keys, "_order"])

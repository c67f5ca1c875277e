"""Predictions of any system: a full table of covidx, or a CSV with ids, labels and scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as pq

from covidx.errors import InvalidInputError, InvalidTableError
from covidx.evaluate.positive import USUAL_POSITIVE, positive_class
from covidx.tables import (
    PREDICTIONS,
    PROBABILITY_PREFIX,
    is_text,
    probability_columns,
    read_csv,
    read_table,
)
from covidx.wording import counted, listed

REST = "rest"
"""Name of the class that stands for all others where a table has one probability column."""

COPIES = (
    ("patient_id", "unit_id", "each unit is taken for a patient of its own"),
    ("unit_id", "patient_id", "a row is taken for a patient"),
    ("group_id", "patient_id", "patients are taken for independent of each other"),
)
"""Column, the one that stands in for it, and what that means."""

DEFAULTS = {"role": "test", "arm": "other", "fold": 0}


@dataclass(frozen=True, eq=False)
class Predictions:
    """A predictions table, and what was assumed to complete it.

    Parameters
    ----------
    table : DataFrame
        With all columns of the schema; scores and labels are not checked yet (`Rows.of` does).
    assumed : list of str
        One sentence each; empty for a table that covidx wrote.
    sole : str, optional
        Class of the only probability column, where there was one.
    """

    table: pd.DataFrame
    assumed: list[str]
    sole: str | None = None

    def positive(self) -> tuple[str, list[str]]:
        """The positive class, and what was assumed to find it: by its name, or the only score's.

        Raises
        ------
        InvalidInputError
            ``POSITIVE_UNKNOWN``.
        """
        classes = list(probability_columns(self.table))
        try:
            positive, reason = positive_class(classes), "by its name"
        except InvalidInputError:
            if self.sole is None:
                raise
            positive, reason = self.sole, "the only class with a probability column"
        if positive == USUAL_POSITIVE:
            return positive, []
        return positive, [f"Positive is {positive}, {reason}; --positive names another."]


def read_predictions(path: Path) -> Predictions:
    """Read a predictions table, CSV or parquet, by covidx or by another system.

    Required are ``unit_id`` or ``patient_id``, ``label``, and one column ``prob_<class>`` for each
    class; of two classes the positive one's is enough. All other columns have a default, which is
    stated in `Predictions.assumed`.

    Parameters
    ----------
    path : Path
        CSV, or parquet with or without the stamp of covidx.

    Raises
    ------
    InvalidTableError
        ``TABLE_UNREADABLE``, ``TABLE_VERSION``, ``TABLE_EMPTY``, ``ID_MISSING`` or
        ``COLUMNS_MISSING``.
    """
    if is_text(path):
        raw = read_csv(path, words_for_empty=False)
        raw = raw.set_axis((raw.index + 2).rename("line"))
    else:
        raw = _read_parquet(path).reset_index(drop=True)
    if raw.empty:
        raise InvalidTableError("TABLE_EMPTY", "The predictions table has no rows.", path=path)
    table, assumed = _clean_ids(raw, path)
    complete = set(PREDICTIONS.columns) - {f"{PROBABILITY_PREFIX}.+"} <= set(raw.columns)
    read = Predictions(_numbers(table), []) if complete else _completed(table, path)
    return replace(read, assumed=[*assumed, *read.assumed])


def _clean_ids(raw: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Ids and labels without blanks around them; a row without a group is its patient's."""
    table, assumed = raw.copy(), []
    place = str(raw.index.name or "row")
    for name in ("unit_id", "patient_id", "group_id", "label", "role", "arm"):
        if name not in table or not pd.api.types.is_string_dtype(table[name].dropna()):
            continue
        stripped = table[name].str.strip().replace("", None)
        changed = int((stripped != table[name]).sum() - stripped.isna().sum())
        if changed:
            assumed.append(f"Blanks around {name} were removed ({counted(changed, 'row')}).")
        table[name] = stripped
    for name in ("unit_id", "patient_id"):
        empty = list(table.index[table[name].isna()]) if name in table else []
        if empty:
            raise InvalidTableError(
                "ID_MISSING",
                f"Rows have no {name}.",
                path=path,
                actual=f"{place} {listed(empty)}",
            )
    if {"group_id", "patient_id"} <= set(table) and table["group_id"].isna().any():
        without = counted(int(table["group_id"].isna().sum()), "row")
        assumed.append(f"{without} without a group: the patient is taken for the group.")
        table["group_id"] = table["group_id"].fillna(table["patient_id"])
    return table, assumed


def _read_parquet(path: Path) -> pd.DataFrame:
    """As `read_table`, which checks the stamp, but for tables that are not covidx's."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        if b"covidx" not in metadata:
            external: pd.DataFrame = pq.read_table(path).to_pandas()
            return external
    except (OSError, arrow.ArrowException) as error:
        raise InvalidTableError(
            "TABLE_UNREADABLE", "The predictions table cannot be read.", path=path, actual=error
        ) from error
    return read_table(path, PREDICTIONS)


def _completed(raw: pd.DataFrame, path: Path) -> Predictions:
    """Add the columns that are missing, each with a sentence on what that assumes."""
    _check_columns(raw, path)
    table, assumed = raw.copy(), []

    def fill(name: str, value: Any, sentence: str = "") -> None:
        if name not in raw.columns:
            table[name] = value
            assumed.extend([sentence] if sentence else [])

    for name, other, meaning in COPIES:
        fill(name, table.get(other), f"No {name}: {meaning}.")
    lacking = [name for name in DEFAULTS if name not in raw.columns]
    if lacking:
        values = ", ".join(f"{name} {DEFAULTS[name]}" for name in lacking)
        assumed.append(f"Every row is taken for {values}, since these columns are missing.")
    for name in lacking:
        fill(name, DEFAULTS[name])
    same = (table["unit_id"].astype(str) == table["patient_id"].astype(str)).all()
    level = "patient" if same else "image"
    fill("level", level, f"No level: a row is taken for one {level}.")
    fill("run_id", path.stem)
    fill("arms_used", table["arm"])
    for name in ("split_sha256", "bundle_sha256"):
        fill(name, None)
    classes = list(probability_columns(table))
    table, more = _two_classes(_numbers(table))
    required = [c for c in PREDICTIONS.columns if not c.startswith(PROBABILITY_PREFIX)]
    kept = [*required, *probability_columns(table).values()]
    ignored = sorted(map(str, set(table.columns) - set(kept)))
    more += [f"Columns ignored: {', '.join(ignored)}."] if ignored else []
    sole = classes[0] if len(classes) == 1 else None
    return Predictions(table[kept], assumed + more, sole)


def _check_columns(raw: pd.DataFrame, path: Path) -> None:
    columns = list(map(str, raw.columns))
    missing = [] if {"unit_id", "patient_id"} & set(columns) else ["unit_id or patient_id"]
    missing += [] if "label" in columns else ["label"]
    missing += [] if probability_columns(raw) else ["prob_<class>"]
    if missing:
        raise InvalidTableError(
            "COLUMNS_MISSING",
            f"The predictions table lacks {', '.join(missing)}.",
            path=path,
            expected="unit_id or patient_id, label, and a column prob_<class> a class",
            actual=", ".join(columns),
            hint="Rename the columns of the other system's table.",
        )


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Scores and folds as numbers; what is no number becomes NaN, which `Rows.of` refuses."""
    columns = [*probability_columns(table).values(), "fold"]
    return table.assign(**{c: _number(table[c]) for c in columns})


def _number(column: pd.Series) -> pd.Series:
    """A column as doubles: a single's 0.7 is 0.7, not 0.699999988; text may have commas."""
    if column.dtype in (np.float32, np.float16):
        return column.astype(str).astype(np.float64)
    if pd.api.types.is_string_dtype(column):
        column = column.str.replace(",", ".", regex=False)
    return pd.to_numeric(column, errors="coerce")


def _two_classes(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Give a table with one probability column the other one."""
    columns = probability_columns(table)
    if len(columns) != 1:
        return table, []
    (positive, column), labels = next(iter(columns.items())), table["label"]
    others = sorted({str(label) for label in labels.dropna()} - {positive})
    name = others[0] if len(others) == 1 else REST
    other = labels.notna() & (labels.astype(object) != positive)
    table = table.assign(
        label=np.where(other, name, labels.astype(object)),
        **{PROBABILITY_PREFIX + name: 1 - table[column]},
    )
    sentence = f"One probability column: that of {name} is taken for 1 - {column}."
    if len(others) > 1:
        sentence += f" Labels {', '.join(others)} count as {name}."
    return table, [sentence]

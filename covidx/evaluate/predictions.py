"""Predictions of any system: a full table of covidx, or a CSV with ids, labels and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from covidx.cell_numbers import to_numbers
from covidx.cells import alike_columns, as_ids, columns_option, read_cells
from covidx.class_names import NO_CLASS, by_class, doubtful, with_map
from covidx.errors import InvalidInputError, InvalidTableError
from covidx.evaluate.positive import USUAL_POSITIVE, positive_class
from covidx.tables import (
    OUT_OF_FOLD,
    PREDICTIONS,
    PROBABILITY_PREFIX,
    ROLES,
    is_stamped,
    probability_columns,
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

TEXT = ("unit_id", "patient_id", "group_id", "label", "role", "arm")
"""Columns whose blanks a reader is told of."""

ROLE_WORDS = {*ROLES, OUT_OF_FOLD, "training", "val", "valid", "dev", "testing", "holdout"}
"""How people call the roles of rows."""
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


def read_predictions(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    label_map: Mapping[str, str] | None = None,
) -> Predictions:
    """Read a predictions table, CSV, XLSX or parquet, by covidx or by another system.

    Required are ``unit_id`` or ``patient_id``, ``label``, and one column ``prob_<class>`` for each
    class; of two classes the positive one's is enough. All other columns have a default, which is
    stated in `Predictions.assumed`. Labels are taken as the classes that they are spelt like but
    for case, blanks and dashes.

    Parameters
    ----------
    path : Path
        CSV, TSV, XLSX, or parquet with or without the stamp of covidx.
    columns : mapping, optional
        Name of a column here -> its name in the table.
    label_map : mapping, optional
        Label -> class, or ``rest``; rows of an empty class are left out.

    Raises
    ------
    InvalidTableError
        As `read_cells`; ``TABLE_VERSION``, ``TABLE_EMPTY``, ``ID_MISSING``, ``COLUMNS_MISSING``,
        ``MAP_UNUSED`` or ``LABEL_UNKNOWN``.
    """
    if is_stamped(path) and not columns:
        raw, notes = read_table(path, PREDICTIONS), []
    else:
        raw = read_cells(path, columns=columns)
        notes = [*raw.attrs["notes"], *_blanks_note(raw)]
        raw = raw.set_axis((raw.index + 2).rename("line"))
    if raw.empty:
        raise InvalidTableError("TABLE_EMPTY", "The predictions table has no rows.", path=path)
    table, assumed = _clean_ids(raw, path)
    table, of_labels = _classed(table, label_map or {}, path)
    complete = set(PREDICTIONS.columns) - {f"{PROBABILITY_PREFIX}.+"} <= set(raw.columns)
    read = _numbered(table) if complete else _completed(table, path)
    return replace(read, assumed=[*notes, *assumed, *of_labels, *read.assumed])


def _blanks_note(raw: pd.DataFrame) -> list[str]:
    return [
        f"Blanks around {name} were removed ({counted(n, 'row')})."
        for name, n in raw.attrs["blanks"].items()
        if name in TEXT
    ]


def _classed(
    table: pd.DataFrame, label_map: Mapping[str, str], path: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Labels under the names of the classes that have probability columns."""
    classes = list(probability_columns(table))
    if "label" not in table or not classes:
        return table, []
    labels, mapped = with_map(table["label"], label_map, path)
    labels, respelt = by_class(labels, [*classes, *([REST] if len(classes) == 1 else [])])
    table = table.assign(label=labels)[labels != NO_CLASS]
    if len(classes) == 1:
        others = sorted(set(labels.dropna()) - {NO_CLASS, REST, *label_map.values()})
        strange = doubtful(others, classes[0])
        rows = table[table["label"].isin(strange)]
        if strange:
            raise InvalidTableError(
                "LABEL_UNKNOWN",
                f"It is not known whether these labels mean the class {classes[0]} or the rest: "
                f"{', '.join(strange)}.",
                path=path,
                expected=f"{classes[0]}, as in the column prob_{classes[0]}",
                actual=_places(rows.index),
                hint=f"State it, as in --map {strange[0]}={classes[0]} (or ={REST}); "
                f"--map {strange[0]}= leaves its rows out.",
            )
    return table, [f"{note[0].upper()}{note[1:]}." for note in (*mapped, *respelt)]


def _places(index: pd.Index) -> str:
    """Lines of a person's file, the first of them."""
    return f"{index.name or 'row'} {listed(list(index))}"


def _clean_ids(raw: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Ids, none of them missing; a row without a group is its patient's."""
    table, assumed = raw.copy(), []
    for name in {"unit_id", "patient_id", "group_id"} & set(table):
        table[name] = as_ids(table[name])
    for name in ("unit_id", "patient_id"):
        empty = table.index[table[name].isna()] if name in table else table.index[:0]
        if len(empty):
            raise InvalidTableError(
                "ID_MISSING", f"Rows have no {name}.", path=path, actual=_places(empty)
            )
    if {"group_id", "patient_id"} <= set(table) and table["group_id"].isna().any():
        without = counted(int(table["group_id"].isna().sum()), "row")
        assumed.append(f"{without} without a group: the patient is taken for the group.")
        table["group_id"] = table["group_id"].fillna(table["patient_id"])
    return table, assumed


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
    read = _numbered(table)
    table, more = read.table, read.assumed
    required = [c for c in PREDICTIONS.columns if not c.startswith(PROBABILITY_PREFIX)]
    kept = [*required, *probability_columns(table).values()]
    ignored = sorted(map(str, set(table.columns) - set(kept)))
    more += [f"Columns ignored: {', '.join(ignored)}."] if ignored else []
    return Predictions(table[kept], assumed + more, read.sole)


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
            hint=_rename_hint(columns, missing),
        )
    _check_roles(raw, path)


def _check_roles(raw: pd.DataFrame, path: Path) -> None:
    """Refuse a table whose roles stand under another name: validation rows would be tested."""
    if "role" in raw.columns:
        return
    for column in raw.columns:
        words = {str(value).strip().casefold() for value in raw[column].dropna().unique()[:50]}
        if len(words) > 1 and words <= ROLE_WORDS:
            raise InvalidTableError(
                "ROLE_ELSEWHERE",
                "A column looks like the role of each row, under another name.",
                path=path,
                expected="role: train, validation, test or out-of-fold",
                actual=f"{column}: {', '.join(sorted(words))}",
                hint=f"Add {columns_option({'role': str(column)})}, or remove the column if every "
                "row is a test row.",
            )


def _rename_hint(present: list[str], missing: list[str]) -> str:
    alike = alike_columns(present, [name for part in missing for name in part.split(" or ")])
    if {"unit_id", "patient_id"} <= set(alike):
        alike.pop("unit_id")
    if alike:
        return f"If that is what these columns hold, add {columns_option(alike)}."
    example = {"patient_id": "ID", "label": "TRUTH", "prob_covid-19": "SCORE"}
    return f"Name the other system's columns, as in {columns_option(example)}."


def _numbered(table: pd.DataFrame) -> Predictions:
    """Scores and folds as numbers; what is no number becomes NaN, which `Rows.of` refuses."""
    classes = list(probability_columns(table))
    columns = [*probability_columns(table).values(), "fold"]
    numbers = {c: to_numbers(table[c]) for c in columns}
    notes = [f"{note[0].upper()}{note[1:]}." for c in columns for note in numbers[c].notes]
    table, more = _two_classes(table.assign(**{c: n.values for c, n in numbers.items()}))
    return Predictions(table, [*notes, *more], classes[0] if len(classes) == 1 else None)


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
        counts = labels.value_counts()
        sentence += f" Labels {', '.join(others)} count as {name}"
        sentence += f" ({', '.join(str(counts[other]) for other in others)} rows)."
    return table, [sentence]

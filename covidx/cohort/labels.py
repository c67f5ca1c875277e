"""A user's label table: its rows, checked, under the names of their classes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from covidx.cells import alike_columns, as_ids, columns_option, read_cells
from covidx.class_names import NO_CLASS, by_class, doubtful, with_map
from covidx.errors import InvalidTableError
from covidx.wording import counted

KEYS = ("patient_id", "path")
"""Columns that may name the image of a label; of both, the path names it, the id its patient."""


def read_labels(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    mapping: Mapping[str, str] | None = None,
    classes: Sequence[str] = (),
    aliases: Mapping[str, str | None] | None = None,
    positive: str | None = None,
    missing: Collection[str] = (),
) -> pd.DataFrame:
    """Read the label table at `path`: ``patient_id`` or ``path``, ``label``, and clinical columns.

    A label is taken as the class that it is spelt like but for case, blanks and dashes. Which other
    labels are refused depends on what is known: those outside of `classes`, or, without classes,
    those that look like `positive` or like no result at all; none where neither is given.

    Parameters
    ----------
    path : Path
        CSV, TSV, XLSX or parquet.
    columns : mapping, optional
        Name of a column that covidx uses -> its name in the table.
    mapping : mapping, optional
        Label -> class; its rows are left out where the class is empty.
    classes : sequence of str
        The only ones that there are, where a card or a model names them.
    aliases : mapping, optional
        Label -> class by the card; None leaves its rows out, ``*`` is any label that is not named.
    positive : str, optional
        The positive class.
    missing : collection of str
        Words that stand for an empty cell, by the card.

    Returns
    -------
    DataFrame
        Text columns, and ``row``: the line in the file (the header is line 1). A row that repeats
        another one is left out; the label of rows of no class is `NO_CLASS`. ``attrs["notes"]``
        says what is taken otherwise than written.

    Raises
    ------
    InvalidTableError
        As `read_cells`; ``LABELS_COLUMNS``, ``LABELS_EMPTY``, ``LABELS_VALUE``,
        ``LABELS_CONFLICT``, ``LABEL_UNKNOWN`` or ``MAP_UNUSED``, by row.
    """
    table = read_cells(path, columns=columns, missing=missing)
    notes = table.attrs["notes"]
    key = _key_column(table, path)
    keys = [name for name in KEYS if name in table.columns]
    table = table.assign(row=table.index + 2, **{name: as_ids(table[name]) for name in keys})
    for column in (*keys, "label"):
        blank = table.loc[table[column].isna(), "row"]
        if len(blank):
            raise by_row(
                "LABELS_VALUE",
                f"Rows of the label table have no {column}.",
                path,
                blank,
                hint="Fill in the cells, or remove the rows.",
            )
    table["label"], mapped = with_map(table["label"], mapping or {}, path)
    named = [name for name in (mapping or {}).values() if name]
    known = classes or [*([positive] if positive else []), *named]
    table["label"], respelt = by_class(
        table["label"], list(dict.fromkeys([*known, *(aliases or {})]))
    )
    table, by_card = _by_card(table, aliases or {}, classes)
    if classes or positive:
        _refuse_strange(table, path, classes, positive, named)
    once = _once(table, key, path)
    again = len(table) - len(once)
    repeated = [f"{counted(again, 'label row')} left out: the same as another"] if again else []
    once.attrs["notes"] = [*notes, *mapped, *respelt, *by_card, *repeated]
    return once


def _key_column(table: pd.DataFrame, path: Path) -> str:
    """The column that names the image of a row."""
    keys = [key for key in KEYS if key in table.columns]
    if not keys or "label" not in table.columns:
        wanted = [*(() if keys else KEYS), *(() if "label" in table else ("label",))]
        alike = alike_columns(list(table.columns), wanted)
        if "patient_id" in alike:
            alike.pop("path", None)
        raise InvalidTableError(
            "LABELS_COLUMNS",
            "The label table needs a label column and one that names the image.",
            path=path,
            expected="label, and patient_id, path or both",
            actual=", ".join(table.columns),
            hint=f"If that is what these columns hold, add {columns_option(alike)} "
            "(make: COLUMNS=...)."
            if alike
            else "Name each image by its patient_id (DICOM PatientID) or its path below the data "
            "folder; other names of columns by --columns patient_id=ID,label=RESULT "
            "(make: COLUMNS=...).",
        )
    if table.empty:
        raise InvalidTableError(
            "LABELS_EMPTY",
            "The label table has no rows.",
            path=path,
            hint="Add a row for each patient or image, with its label.",
        )
    return keys[-1]


def _by_card(
    table: pd.DataFrame, aliases: Mapping[str, str | None], classes: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """The rows with the card's classes in place of its labels."""
    every = dict.fromkeys(table["label"].unique(), aliases["*"]) if "*" in aliases else {}
    to = every | {name: name for name in (*classes, NO_CLASS)} | dict(aliases)
    label = table["label"].map(lambda name: to.get(name, name))
    counts = table.loc[label.isna(), "label"].value_counts()
    notes = [
        f"label {name}: {counted(n, 'row')} left out, by the card" for name, n in counts.items()
    ]
    return table.assign(label=label.fillna(NO_CLASS)), notes


def _refuse_strange(
    table: pd.DataFrame,
    path: Path,
    classes: Sequence[str],
    positive: str | None,
    named: Sequence[str],
) -> None:
    """Refuse labels of no class, or, where none are known, those that should not become one."""
    labels = sorted(set(table["label"]) - {NO_CLASS})
    if classes:
        message = "Rows have labels that are none of the classes"
        strange = [label for label in labels if label not in classes]
    else:
        message = "Rows have labels that may be no class of their own"
        there = positive if positive in labels else ""
        strange = [label for label in doubtful(labels, there or "") if label not in named]
    if strange:
        rows = table[table["label"].isin(strange)]
        counts = rows["label"].value_counts()
        hint = (
            "Correct them, or say what they are: --map LABEL=CLASS, or --map LABEL= to leave its "
            "rows out (make: MAP=...)."
        )
        raise by_row(
            "LABEL_UNKNOWN",
            f"{message}.",
            path,
            rows["row"],
            detail=", ".join(f"{label} ({n})" for label, n in counts.items()),
            hint=hint + (f" The classes are {', '.join(classes)}." if classes else ""),
        )


def _once(table: pd.DataFrame, key: str, path: Path) -> pd.DataFrame:
    """One row for each key; rows that repeat another one are left out."""
    clashes = table.groupby(key)["label"].transform("nunique") > 1
    if clashes.any():
        message = f"One {key} has different labels."
        raise by_row(
            "LABELS_CONFLICT",
            message,
            path,
            table.loc[clashes, "row"],
            hint=f"Keep one label for each {key}.",
        )
    once = table.drop_duplicates(table.columns.difference(["row"]), ignore_index=True)
    again = once[key].duplicated(keep=False)
    if again.any():
        message = f"Rows of one {key} differ in other columns."
        raise by_row(
            "LABELS_CONFLICT",
            message,
            path,
            once.loc[again, "row"],
            hint=f"Keep one row for each {key}.",
        )
    return once


def by_row(
    code: str,
    message: str,
    path: Path,
    rows: pd.Series,
    hint: str | None = None,
    detail: str = "",
) -> InvalidTableError:
    """Make an error that names the first ten of the rows concerned.

    Parameters
    ----------
    code, message : str
        Of the error.
    path : Path
        The table.
    rows : Series of int
        Lines in the file.
    hint : str, optional
        What to do.
    detail : str
        What stands in the rows; the message, which a run's record shows, may not quote cells.
    """
    numbers = ", ".join(str(row) for row in rows.head(10)) + (" …" if len(rows) > 10 else "")
    actual = f"{'row' if len(rows) == 1 else 'rows'} {numbers}" + (f": {detail}" if detail else "")
    return InvalidTableError(code, message, path=path, actual=actual, hint=hint)

"""A user's label table: its rows, checked, and the classes that they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from covidx.errors import InvalidTableError
from covidx.tables import read_csv

KEYS = ("patient_id", "path")
"""Columns that may name the image of a label."""


@dataclass(frozen=True)
class Classes:
    """Class names in the model's order, and the positive one.

    Parameters
    ----------
    names : tuple of str
        The reference class first.
    positive : str
        One of the others.

    Raises
    ------
    InvalidTableError
        ``ONE_CLASS`` or ``POSITIVE_UNKNOWN``.
    """

    names: tuple[str, ...]
    positive: str

    @property
    def reference(self) -> str:
        """The class of images without a finding: the first name."""
        return self.names[0]

    def __post_init__(self) -> None:
        if len(set(self.names)) < 2 or len(set(self.names)) != len(self.names):
            raise InvalidTableError(
                "ONE_CLASS",
                "A classifier needs at least two classes, each named once.",
                actual=", ".join(self.names) or "none",
                hint=(
                    "Add patients of a second class, or correct the classes in the labels "
                    "or the card."
                ),
            )
        if self.positive not in self.names or self.positive == self.reference:
            raise InvalidTableError(
                "POSITIVE_UNKNOWN",
                "The positive class must be one of the classes, and not the reference.",
                expected=" or ".join(self.names[1:]),
                actual=self.positive,
                hint="Name it with --positive (make: POSITIVE=...).",
            )


def classes_of(labels: Sequence[str], positive: str = "covid-19") -> Classes:
    """Order the labels that occur: ``normal`` (or the first that is not positive) leads.

    Parameters
    ----------
    labels : sequence of str
        One an image or patient.
    positive : str
        The positive class.

    Raises
    ------
    InvalidTableError
        As `Classes`.

    Examples
    --------
    >>> classes_of(["covid-19", "flu", "normal"]).names
    ('normal', 'flu', 'covid-19')
    """
    if positive not in labels and len(set(labels)) > 1:
        raise InvalidTableError(
            "POSITIVE_UNKNOWN",
            "The positive class is none of the labels.",
            expected=" or ".join(sorted(set(labels) - {"normal"})),
            actual=positive,
            hint="Name it with --positive (make: POSITIVE=...).",
        )
    names = sorted(set(labels) - {positive}, key=lambda name: (name != "normal", name))
    return Classes((*names, *([positive] if positive in labels else [])), positive)


def read_labels(path: Path) -> pd.DataFrame:
    """Read the label table at `path`: ``patient_id`` or ``path``, ``label``, and clinical columns.

    Returns
    -------
    DataFrame
        Text columns, and ``row``: the line in the file (the header is line 1). A row that repeats
        another one is left out.

    Raises
    ------
    InvalidTableError
        ``LABELS_COLUMNS``, ``LABELS_EMPTY``, ``LABELS_VALUE`` or ``LABELS_CONFLICT``, by row.
    """
    table = read_csv(path)
    keys = [key for key in KEYS if key in table.columns]
    if len(keys) != 1 or "label" not in table.columns:
        raise InvalidTableError(
            "LABELS_COLUMNS",
            "The label table needs a label column and one that names the image.",
            path=path,
            expected="label, and either patient_id or path",
            actual=", ".join(table.columns),
            hint=(
                "Name each image by its patient_id (DICOM PatientID) or its path below "
                "the data folder."
            ),
        )
    if table.empty:
        raise InvalidTableError(
            "LABELS_EMPTY",
            "The label table has no rows.",
            path=path,
            hint="Add a row for each patient or image, with its label.",
        )
    key = keys[0]
    table = table.assign(row=table.index + 2)
    for column in (key, "label"):
        table[column] = table[column].str.strip()
        blank = table.loc[table[column].isna() | (table[column] == ""), "row"]
        if len(blank):
            raise by_row(
                "LABELS_VALUE",
                f"Rows of the label table have no {column}.",
                path,
                blank,
                hint="Fill in the cells, or remove the rows.",
            )
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
    code: str, message: str, path: Path, rows: pd.Series, hint: str | None = None
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
    """
    numbers = ", ".join(str(row) for row in rows.head(10)) + (" …" if len(rows) > 10 else "")
    actual = f"{'row' if len(rows) == 1 else 'rows'} {numbers}"
    return InvalidTableError(code, message, path=path, actual=actual, hint=hint)

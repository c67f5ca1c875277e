"""A table of pictures, read as a data card says: one row an image."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from covidx.cards import DataCard, ImageTable
from covidx.errors import InvalidTableError
from covidx.ingest.dicom.series import Outcome

NUMBERS = ("age", "rows", "columns")
FROM_TABLE = (
    *NUMBERS,
    "site",
    "manufacturer",
    "kernel",
    "contrast",
    "view",
    "sex",
    "acquired",
    "licence",
    "mode",
    "source_format",
)
"""Manifest columns that a card may fill from its table; what a picture was before it was reduced
(rows, columns, mode, format) tells more than what it is now."""


@dataclass(frozen=True, eq=False)
class TableRow:
    """What a table says of one picture."""

    path: Path
    name: str
    patient: str
    group: str | None
    label: str | None
    modality: str = "OT"
    kind: str = "slice"
    fields: dict[str, Any] = field(default_factory=dict)
    note: str | None = None


def read_image_table(root: Path, card: DataCard) -> tuple[list[TableRow], list[Outcome]]:
    """Read the rows of the image table of `card`, whose paths are relative to `root`.

    Returns
    -------
    rows, outcomes : list
        Rows whose picture exists; rows that are wrong, each named ``table:row`` (the header is row
        1); and those that the card leaves out, each by its picture if there is one.

    Raises
    ------
    InvalidTableError
        ``CARD_COLUMN``: the card names a column that the table or the manifest has not;
        ``TABLE_UNREADABLE``.
    """
    assert card.images is not None
    # Where there is a table; pandas is slow to load.
    from covidx.cells import read_cells
    from covidx.class_names import by_class

    table = read_cells(root / card.images.table, missing=card.missing)
    _check_columns(table, card.images, root)
    if card.images.label is not None:
        written = table[card.images.label]
        spelt, _ = by_class(written, list(card.images.labels or card.classes))
        table = table.assign(**{card.images.label: spelt})
        notes = {
            line: f"The label {one} is taken as {other}."
            for line, one, other in zip(table.index + 2, written, spelt, strict=True)
            if not pd.isna(one) and one != other
        }
    else:
        notes = {}
    rows: list[TableRow] = []
    outcomes: list[Outcome] = []
    seen: dict[str, int] = {}
    lines = (int(index) + 2 for index in table.index)  # of the file; the header is line 1
    for number, record in zip(lines, table.to_dict("records"), strict=True):
        values = {str(k): "" if pd.isna(v) else str(v).strip() for k, v in record.items()}
        row = replace(_row(root, card.images, values), note=notes.get(number))
        unread = _unread(card.images, values)
        if unread is not None:
            where = _place(row, root, f"{card.images.table}:{number}")
            outcomes.append(Outcome(where, "set_aside", unread[0], f"Row {number}: {unread[1]}"))
            continue
        wrong = _wrong(row, card, values, root)
        if wrong is None and row.name in seen:
            wrong = ("ROW_DUPLICATE", f"The picture was named in row {seen[row.name]} already.")
        if wrong is not None:
            place = f"{card.images.table}:{number}"
            outcomes.append(Outcome(place, "quarantined", wrong[0], f"Row {number}: {wrong[1]}"))
            continue
        seen[row.name] = number
        rows.append(row)
    return rows, outcomes


def _check_columns(table: pd.DataFrame, spec: ImageTable, root: Path) -> None:
    named = [spec.image, spec.label, spec.patient, spec.group, *spec.manifest.values(), *spec.where]
    absent = sorted({name for name in named if name is not None} - set(table.columns))
    if absent:
        raise InvalidTableError(
            "CARD_COLUMN",
            f"The card names columns that the table does not have: {', '.join(absent)}.",
            path=root / spec.table,
            expected=", ".join(name for name in named if name is not None),
            actual=", ".join(map(str, table.columns)),
        )
    unknown = sorted(set(spec.manifest) - set(FROM_TABLE))
    if unknown:
        raise InvalidTableError(
            "CARD_COLUMN",
            f"The card fills manifest columns that a table cannot fill: {', '.join(unknown)}.",
            expected=", ".join(FROM_TABLE),
        )


def _row(root: Path, spec: ImageTable, values: dict[str, str]) -> TableRow:
    image = values[spec.image]
    label = values[spec.label] if spec.label else ""
    return TableRow(
        path=root / image,
        name=PurePosixPath(image).as_posix(),
        patient=(values[spec.patient] if spec.patient else PurePosixPath(image).stem),
        group=values[spec.group] or None if spec.group else None,
        label=spec.labels.get(label, label if not spec.labels else None) or None,
        fields={
            column: _typed(column, values[source])
            for column, source in spec.manifest.items()
            if values[source]
        },
    )


def _typed(column: str, text: str) -> Any:
    if column not in NUMBERS:
        return text
    try:
        return float(text) if column == "age" else int(float(text))
    except ValueError:
        return None


def _unread(spec: ImageTable, values: dict[str, str]) -> tuple[str, str] | None:
    """Code and reason why the card leaves a row out; None where it is to be read."""
    for column, allowed in spec.where.items():
        if values[column] not in allowed:
            difference = f"{column} is {values[column] or 'empty'!r}, and not {', '.join(allowed)}."
            return "ROW_NOT_SELECTED", f"The card leaves it out: {difference}"
    label = values[spec.label] if spec.label else ""
    if label in spec.labels and spec.labels[label] is None:
        return "LABEL_UNUSED", f"The card counts the label {label!r} to no class."
    return None


def _place(row: TableRow, root: Path, otherwise: str) -> str:
    """The picture of a row, so that its file is counted once; the row where there is none."""
    inside = row.path.resolve().is_relative_to(root.resolve())
    return str(row.path) if inside and row.path.is_file() else otherwise


def _wrong(
    row: TableRow, card: DataCard, values: dict[str, str], root: Path
) -> tuple[str, str] | None:
    assert card.images is not None
    spec = card.images
    if not values[spec.image]:
        return "IMAGE_MISSING", "It names no picture."
    if not row.path.resolve().is_relative_to(root.resolve()):
        return "IMAGE_OUTSIDE", "It names a picture outside the data's root."
    if not row.path.is_file():
        return "IMAGE_MISSING", "The picture that it names does not exist."
    if not row.patient:
        return "PATIENT_MISSING", "It names no patient."
    label = values[spec.label] if spec.label else ""
    known = spec.labels or card.classes
    if label and label not in known:
        return "LABEL_UNKNOWN", f"The card maps no label {label!r} to a class."
    return None

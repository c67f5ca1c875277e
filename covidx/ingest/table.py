"""A table of pictures, read as a data card says: one row an image."""

from __future__ import annotations

import posixpath
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from covidx.cards import DataCard, ImageTable
from covidx.cell_dates import UNKNOWN_WORDS
from covidx.errors import InvalidTableError
from covidx.ingest.dicom.series import Outcome

NUMBERS = ("age", "rows", "columns")
UNNAMED = "the picture's name, since the card names none"
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
    patient_from: str = "the table"


def set_root(source: Path, card: DataCard | None) -> Path:
    """The folder that paths of a source are relative to.

    Of a picture set it is the nearest folder, at the source or above it, where the card's image
    table lies: whoever names one of its pictures means that one of the set.

    Parameters
    ----------
    source : Path
        A file or folder, absolute.
    card : DataCard, optional
        Without an image table, the source is a set of its own.
    """
    own = source if source.is_dir() else source.parent
    if card is None or card.images is None:
        return own
    table = card.images.table
    return next((root for root in (own, *own.parents) if (root / table).is_file()), own)


def read_image_table(
    root: Path, card: DataCard, within: Path | None = None
) -> tuple[list[TableRow], list[Outcome]]:
    """Read the rows of the image table of `card`, whose paths are relative to `root`.

    Parameters
    ----------
    root : Path
        Folder of the set.
    card : DataCard
        With an image table.
    within : Path, optional
        A picture or folder of the set, whose rows alone are read.

    Returns
    -------
    rows, outcomes : list
        Rows whose picture exists; rows that are wrong, each named ``table:row`` (the header is row
        1); and those that the card leaves out, each by its picture if there is one.

    Raises
    ------
    InvalidTableError
        ``CARD_TABLE_MISSING``; ``CARD_COLUMN``: the card names a column that the table or the
        manifest has not; ``TABLE_UNREADABLE``.
    """
    spec = card.images
    assert spec is not None
    table = _cells(root, spec, card)
    _check_columns(table, spec, root)
    table, notes = _with_labels(table, spec, card)
    rows: list[TableRow] = []
    outcomes: list[Outcome] = []
    seen: dict[str, int] = {}
    lines = (int(index) + 2 for index in table.index)  # of the file; the header is line 1
    names = {spec.name(str(name)) for name in table[spec.image].dropna()}
    stems = Counter(PurePosixPath(name).stem for name in names)
    for number, record in zip(lines, table.to_dict("records"), strict=True):
        values = {str(k): "" if pd.isna(v) else str(v).strip() for k, v in record.items()}
        row = _row(root, spec, values, stems)
        remarks = (notes.get(number), _taken_as_unknown(spec, values))
        row = replace(row, note=" ".join(filter(None, remarks)) or None)
        if within is not None and within not in (row.path, *row.path.parents):
            continue
        unread = _unread(spec, values)
        if unread is not None:
            where = _place(row, root, f"{spec.table}:{number}")
            outcomes.append(Outcome(where, "set_aside", unread[0], f"Row {number}: {unread[1]}"))
            continue
        wrong = _wrong(row, card, values, root)
        if wrong is None and row.name in seen:
            wrong = ("ROW_DUPLICATE", f"The picture was named in row {seen[row.name]} already.")
        if wrong is not None:
            place = f"{spec.table}:{number}"
            outcomes.append(Outcome(place, "quarantined", wrong[0], f"Row {number}: {wrong[1]}"))
            continue
        seen[row.name] = number
        rows.append(row)
    return rows, outcomes


def _cells(root: Path, spec: ImageTable, card: DataCard) -> pd.DataFrame:
    path = root / spec.table
    if not path.is_file():
        raise InvalidTableError(
            "CARD_TABLE_MISSING",
            "The image table that the card describes lies neither in this folder nor above it.",
            path=path,
            hint="Name the folder of the data set, or pictures in it. Pictures that are of no set "
            "need no card: say what they are with --modality CXR (or CT).",
        )
    state = path.stat()
    return _read_once(path, (state.st_mtime_ns, state.st_size), tuple(card.missing))


@lru_cache(maxsize=1)
def _read_once(path: Path, state: tuple[int, int], missing: tuple[str, ...]) -> pd.DataFrame:
    """The table of a set, which is the same for each of its pictures that is named; `state` of it.

    It must not be changed.
    """
    from covidx.cells import read_cells  # where there is a table; pandas is slow to load

    return read_cells(path, missing=missing)


def _with_labels(
    table: pd.DataFrame, spec: ImageTable, card: DataCard
) -> tuple[pd.DataFrame, dict[int, str]]:
    """The table with labels spelt as the card has them, and a note on each line that changed."""
    from covidx.class_names import by_class

    if spec.label is None:
        return table, {}
    written = table[spec.label]
    spelt, _ = by_class(written, list(spec.labels or card.classes))
    notes = {
        line: f"The label {one} is taken as {other}."
        for line, one, other in zip(table.index + 2, written, spelt, strict=True)
        if not pd.isna(one) and one != other
    }
    return table.assign(**{spec.label: spelt}), notes


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


def _row(root: Path, spec: ImageTable, values: dict[str, str], stems: Counter[str]) -> TableRow:
    name = _on_disk(root, PurePosixPath(posixpath.normpath(spec.name(values[spec.image]))))
    label = values[spec.label] if spec.label else ""
    # Folders of classes often number their pictures alike: then the folder is part of the patient.
    unknown = name.stem if stems[name.stem] <= 1 else str(name).removesuffix(name.suffix)
    return TableRow(
        path=root / name,
        name=name.as_posix(),
        patient=values[spec.patient] if spec.patient else unknown,
        patient_from="the table"
        if spec.patient
        else "the picture's name, since the card names none",
        group=values[spec.group] or None if spec.group else None,
        label=spec.labels.get(label, label if not spec.labels else None) or None,
        fields={
            column: _typed(column, values[source])
            for column, source in spec.manifest.items()
            if values[source] and not _is_unknown(column, values[source])
        },
    )


def _on_disk(root: Path, name: PurePosixPath) -> PurePosixPath:
    """A picture's name; where there is no such file, that with its extension in another case."""
    if not name.suffix or (root / name).is_file():
        return name
    others = (name.with_suffix(case(name.suffix)) for case in (str.lower, str.upper))
    return next((other for other in others if (root / other).is_file()), name)


def _is_unknown(column: str, text: str) -> bool:
    """Whether R or Python wrote it for an unknown number or date; of words they are words."""
    return column in (*NUMBERS, "acquired") and text.casefold() in UNKNOWN_WORDS


def _taken_as_unknown(spec: ImageTable, values: dict[str, str]) -> str | None:
    found = [
        f"{column} {values[source]}"
        for column, source in spec.manifest.items()
        if _is_unknown(column, values[source])
    ]
    return f"Taken as unknown: {', '.join(found)}." if found else None


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

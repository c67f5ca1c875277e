"""Anyone's table of images under covidx's names: columns named by the user, or by usual names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from covidx.cells import read_cells
from covidx.errors import InvalidTableError

NAMES: dict[str, tuple[str, ...]] = {
    "image": ("image_id", "image", "filename", "file_name", "file", "image_index", "path"),
    "path": ("path", "image_path", "image", "filename", "file_name", "file", "image_index"),
    "original": ("original_file", "original_filename", "filename"),
    "patient": ("patient_id", "patient", "subject_id", "subject"),
    "group": ("group_id", "source_id"),
    "study": ("study_uid", "study_instance_uid", "study_id"),
    "uid": ("series_uid", "series_instance_uid", "sop_instance_uid"),
    "label": ("label", "finding", "class", "diagnosis"),
    "source": ("source",),
    "site": ("site", "institution", "hospital", "location"),
    "manufacturer": ("manufacturer",),
    "kernel": ("kernel", "convolution_kernel"),
    "contrast": ("contrast", "contrast_bolus_agent"),
    "modality": ("modality",),
    "view": ("view", "view_position", "projection"),
    "sex": ("sex", "gender"),
    "age": ("age", "patient_age"),
    "date": ("acquired", "date", "study_date"),
    "format": ("original_format", "source_format", "format"),
    "mode": ("original_mode", "mode"),
    "width": ("original_width", "width", "columns"),
    "height": ("original_height", "height", "rows"),
    "thickness": ("slice_thickness_mm", "slice_thickness"),
    "spacing": ("pixel_spacing_mm", "pixel_spacing"),
    "sha256": ("original_sha256", "sha256"),
}
"""Column of the audit -> usual names, the first that a table has; case and ``_`` do not count."""


@dataclass(frozen=True, eq=False)
class Listing:
    """A table as the audit reads it.

    Parameters
    ----------
    table : DataFrame
        Text columns by the keys of `NAMES`, those that there are; ``dataset``, ``line`` (of a CSV,
        its header is line 1; of parquet, the row from 1), ``place`` (dataset and line) and ``file``
        (path of the image).
    taken : dict
        Column of the audit -> column of the table.
    without_image : int
        Rows that name no image; they are left out.
    """

    table: pd.DataFrame
    taken: dict[str, str]
    without_image: int


def read_listing(
    path: Path, columns: Mapping[str, str], images: Path | None, dataset: str
) -> Listing:
    """Read a manifest, or any table with a row an image.

    Parameters
    ----------
    path : Path
        CSV, XLSX or parquet.
    columns : mapping
        Column of the audit -> column of the table, where it has no usual name.
    images : Path, optional
        Folder that paths start from; by default the table's own.
    dataset : str
        What the table is called.

    Raises
    ------
    InvalidTableError
        As `read_cells`; ``TABLE_EMPTY``, ``COLUMN_UNKNOWN``, ``COLUMN_MISSING``,
        ``NO_IMAGE_COLUMN`` or ``NO_GROUP_COLUMN``.
    """
    raw, first = _read(path)
    taken = _taken(raw, columns, path)
    text = raw[list(taken.values())].astype("string").apply(lambda c: c.str.strip())
    text = text.mask(text == "").astype(object)
    text.columns = pd.Index(list(taken))
    named = text["path"].notna() & text["image"].notna()
    table = text[named].copy()
    if table.empty:
        raise InvalidTableError(
            "TABLE_EMPTY",
            "No row of the table names an image.",
            path=path,
            hint="Fill in the column of paths, or name another with --column path=NAME.",
        )
    root = path.parent if images is None else images
    table["dataset"] = dataset
    table["line"] = raw.index[named] + first
    table["place"] = dataset + " line " + table["line"].astype(str)
    table["file"] = [str(root / name) for name in table["path"]]
    return Listing(table.reset_index(drop=True), taken, int((~named).sum()))


def joined(listings: Sequence[Listing]) -> pd.DataFrame:
    """The rows of several `listings`; a data set's own ids are prefixed by its name.

    ``unit`` is what must never be divided: the group, or the patient where there is none, or the
    row where that is missing too.
    """
    parts = []
    for listing in listings:
        part = listing.table.copy()
        # Of type object: text of type str takes no column without a value.
        name = part["dataset"].astype(object) + "/"
        part["unit"] = "row " + part["line"].astype(str)
        for column in ("patient", "group"):
            if column in part:
                part["unit"] = (f"{column} " + part[column]).fillna(part["unit"])
        for column in ("unit", "patient", "group", "image"):
            if column in part:
                part[column] = name + part[column]
        for column in ("study", "uid"):  # a UID (PS3.5, 9.1) is one everywhere, a number is not
            if column in part:
                own = ~part[column].str.fullmatch(r"\d+(\.\d+)+", na=True)
                part.loc[own, column] = name + part[column]
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _read(path: Path) -> tuple[pd.DataFrame, int]:
    """The rows, and the line that index 0 stands for."""
    return read_cells(path), 1 if path.suffix.lower() == ".parquet" else 2


def _taken(raw: pd.DataFrame, columns: Mapping[str, str], path: Path) -> dict[str, str]:
    for wanted, name in columns.items():
        if wanted not in NAMES:
            raise InvalidTableError(
                "COLUMN_UNKNOWN",
                "The audit has no column of this name.",
                path=path,
                expected=", ".join(NAMES),
                actual=wanted,
                hint="Begin --column OURS=THEIRS with one of these.",
            )
        if name not in raw:
            raise InvalidTableError(
                "COLUMN_MISSING",
                "The table has no such column.",
                path=path,
                expected=name,
                actual=", ".join(raw.columns),
                hint=f"Name the table's own column with --column {wanted}=NAME.",
            )
    there = {plain(name): name for name in reversed(list(raw.columns))}
    found = {
        wanted: there[plain(name)]
        for wanted, names in NAMES.items()
        for name in reversed(names)
        if plain(name) in there
    }
    taken = found | dict(columns)
    for needed, code, what in (
        (("image", "path"), "NO_IMAGE_COLUMN", "names the image"),
        (("patient", "group"), "NO_GROUP_COLUMN", "says which images belong to one patient"),
    ):
        if not any(name in taken for name in needed):
            usual_names = dict.fromkeys(name for key in needed for name in NAMES[key])
            raise InvalidTableError(
                code,
                f"No column of the table {what}.",
                path=path,
                expected="one of " + ", ".join(usual_names),
                actual=", ".join(raw.columns),
                hint="The table has one column only: divide its cells by commas."
                if len(raw.columns) == 1
                else f"Name it: --column {needed[0]}=NAME.",
            )
    taken.setdefault("path", taken.get("image", ""))
    taken.setdefault("image", taken["path"])
    return taken


def plain(name: str) -> str:
    """A column's `name` without case and marks."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())

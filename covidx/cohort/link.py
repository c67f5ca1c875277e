"""Joining labels and clinical rows to images, by patient or by path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

import pandas as pd

from covidx.errors import InvalidTableError
from covidx.ingest import Identities
from covidx.tables import CLINICAL, check, read_csv

__all__ = [
    "Classes",
    "classes_of",
    "clinical_of",
    "drop_unmatched",
    "join_labels",
    "read_labels",
]

KEYS = ("patient_id", "path")


@dataclass(frozen=True)
class Classes:
    """Class names in the model's order (the reference first) and the positive one."""

    names: tuple[str, ...]
    positive: str

    @property
    def reference(self) -> str:
        """What counts as nothing found: the first name."""
        return self.names[0]

    def __post_init__(self) -> None:
        if len(set(self.names)) < 2 or len(set(self.names)) != len(self.names):
            raise InvalidTableError(
                "ONE_CLASS",
                "A classifier needs at least two classes, each named once.",
                actual=", ".join(self.names) or "none",
            )
        if self.positive not in self.names or self.positive == self.reference:
            raise InvalidTableError(
                "POSITIVE_UNKNOWN",
                "The positive class must be one of the labels, and not the reference.",
                expected=" or ".join(self.names[1:]),
                actual=self.positive,
                hint="Name it with --positive (make: POSITIVE=...).",
            )


def classes_of(labels: Sequence[str], positive: str = "covid-19") -> Classes:
    """Order the labels that occur: ``normal`` (or the first that is not positive) leads.

    >>> classes_of(["covid-19", "flu", "normal"]).names
    ('normal', 'flu', 'covid-19')
    """
    names = sorted(set(labels) - {positive}, key=lambda name: (name != "normal", name))
    return Classes((*names, *([positive] if positive in labels else [])), positive)


def read_labels(path: Path) -> pd.DataFrame:
    """Read a label table: ``patient_id`` or ``path``, ``label``, clinical columns if any.

    Returns
    -------
    DataFrame
        Text columns, and ``row``: the line in the file (the header is line 1).

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
        )
    if table.empty:
        raise InvalidTableError("LABELS_EMPTY", "The label table has no rows.", path=path)
    key = keys[0]
    table = table.assign(row=range(2, len(table) + 2))
    for column in (key, "label"):
        table[column] = table[column].str.strip()
        blank = table.loc[table[column].isna() | (table[column] == ""), "row"]
        if len(blank):
            raise _by_row("LABELS_VALUE", f"Rows of the label table have no {column}.", path, blank)
    clashes = table.groupby(key)["label"].transform("nunique") > 1
    if clashes.any():
        message = f"One {key} has different labels."
        raise _by_row("LABELS_CONFLICT", message, path, table.loc[clashes, "row"])
    return table.drop_duplicates([key, "label"], ignore_index=True)


def join_labels(
    manifest: pd.DataFrame,
    labels: pd.DataFrame,
    path: Path,
    identities: Identities,
    linkage: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give each image its label and each label row its patient.

    Parameters
    ----------
    manifest : DataFrame
        As `tables.MANIFEST`.
    labels : DataFrame
        From `read_labels`.
    path : Path
        Where the labels came from, for errors and for relative paths.
    identities : Identities
        The pseudonyms that the manifest was written with.
    linkage : DataFrame, optional
        image_id and source_path; needed where labels name paths.

    Returns
    -------
    manifest, labels : DataFrame
        The manifest with `label` filled (missing where unmatched); the labels with the
        manifest's patient_id (missing where unmatched).
    """
    if "patient_id" in labels.columns:
        labels = labels.assign(patient_id=labels["patient_id"].map(identities.patient))
        known = labels["patient_id"].isin(manifest["patient_id"])
        labels["patient_id"] = labels["patient_id"].where(known)
        by_patient = labels.dropna(subset="patient_id").set_index("patient_id")["label"]
        return manifest.assign(label=manifest["patient_id"].map(by_patient)), labels
    sources = (
        {}
        if linkage is None
        else dict(zip(linkage["image_id"], linkage["source_path"], strict=True))
    )
    label_of: dict[str, str] = {}
    patient_of: dict[int, str] = {}
    named = list(zip(labels.index, labels["path"], labels["label"], strict=True))
    for image, patient in zip(manifest["image_id"], manifest["patient_id"], strict=True):
        for index, place, label in named:
            if _is_within(sources.get(image), place):
                label_of[image], patient_of[index] = label, patient
    labels = labels.assign(patient_id=pd.Series(patient_of, dtype=object))
    return manifest.assign(label=manifest["image_id"].map(label_of)), labels


def drop_unmatched(
    manifest: pd.DataFrame,
    labels: pd.DataFrame,
    path: Path,
    unmatched: Literal["refuse", "exclude"] = "refuse",
) -> tuple[pd.DataFrame, list[str]]:
    """Keep the labelled images; refuse, or count, what has no partner.

    Returns
    -------
    manifest : DataFrame
        Rows with a label.
    notes : list of str
        One line for each kind of exclusion.

    Raises
    ------
    InvalidTableError
        ``LABEL_WITHOUT_IMAGE`` or ``IMAGE_WITHOUT_LABEL`` under ``refuse``; ``NOTHING_LABELLED``.
    """
    orphans = labels.loc[labels["patient_id"].isna(), "row"]
    missing = sorted(manifest.loc[manifest["label"].isna(), "patient_id"].unique())
    labelled = manifest.dropna(subset="label").reset_index(drop=True)
    if labelled.empty:
        raise InvalidTableError(
            "NOTHING_LABELLED",
            "No label belongs to any image.",
            path=path,
            hint="Does patient_id hold the DICOM PatientID, or path a folder below DATA?",
        )
    way_out = (
        "Mend the table, or leave them out with --set unmatched=exclude (make: UNMATCHED=exclude)."
    )
    if unmatched == "refuse" and len(orphans):
        message = "Rows of the label table belong to no accepted image."
        raise _by_row("LABEL_WITHOUT_IMAGE", message, path, orphans, way_out)
    if unmatched == "refuse" and missing:
        raise InvalidTableError(
            "IMAGE_WITHOUT_LABEL",
            f"{len(missing)} patients have images but no label.",
            path=path,
            actual=", ".join(missing[:10]) + (" …" if len(missing) > 10 else ""),
            hint=way_out,
        )
    notes = []
    if len(orphans):
        notes.append(f"{len(orphans)} label rows without an accepted image were left out")
    if missing:
        notes.append(f"{len(missing)} patients without a label were left out")
    return labelled, notes


def clinical_of(labels: pd.DataFrame, path: Path) -> pd.DataFrame | None:
    """The clinical columns of a joined label table, one row a patient; None where there are none.

    Empty cells are missing: unknown, never zero. A column without any number stays text.

    Raises
    ------
    InvalidTableError
        ``CLINICAL_VALUE``: a cell that is no number among numbers, by row.
    """
    columns = [c for c in labels.columns if c not in (*KEYS, "label", "row")]
    if not columns:
        return None
    rows = labels.dropna(subset="patient_id").drop_duplicates("patient_id")
    table = rows[["patient_id"]].reset_index(drop=True)
    for column in columns:
        numbers = pd.to_numeric(rows[column], errors="coerce")
        if numbers.isna().all():
            table[column] = rows[column].to_numpy(dtype=object)
            continue
        wrong = rows.loc[numbers.isna() & rows[column].notna(), "row"]
        if len(wrong):
            message = f"The clinical column {column} mixes numbers and text."
            raise _by_row("CLINICAL_VALUE", message, path, wrong)
        table[column] = numbers.to_numpy(dtype=float)
    return check(table, CLINICAL, path)


def _is_within(source: str | None, place: str) -> bool:
    """Whether `source` is `place` or lies below it; `place` may leave leading folders out."""
    if source is None:
        return False
    parts, wanted = PurePath(source).parts, PurePath(place).parts
    wanted = tuple(part for part in wanted if part not in (".", "/"))
    return any(parts[i : i + len(wanted)] == wanted for i in range(len(parts)))


def _by_row(
    code: str, message: str, path: Path, rows: pd.Series, hint: str | None = None
) -> InvalidTableError:
    numbers = ", ".join(str(row) for row in rows.head(10)) + (" …" if len(rows) > 10 else "")
    return InvalidTableError(code, message, path=path, actual=f"rows {numbers}", hint=hint)

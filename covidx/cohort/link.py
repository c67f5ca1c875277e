"""Joining labels and clinical rows to images, by patient or by path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from covidx.cell_numbers import to_numbers
from covidx.cells import names_identity
from covidx.class_names import NO_CLASS
from covidx.cohort.labels import KEYS, by_row
from covidx.cohort.paths import images_within, relative_paths
from covidx.errors import InvalidTableError
from covidx.ingest import Identities
from covidx.tables import CLINICAL, check
from covidx.wording import counted

FEWEST_WORDS = 4
"""Patients with a word from which it is asked whether words tell them apart."""


def join_labels(
    manifest: pd.DataFrame,
    labels: pd.DataFrame,
    path: Path,
    identities: Identities,
    sources: Mapping[str, str] | None = None,
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
    sources : mapping, optional
        image_id to the path that it came from; needed where labels name paths.

    Returns
    -------
    manifest, labels : DataFrame
        The manifest with `label` filled (missing where unmatched); the labels with the
        manifest's patient_id (missing where unmatched), a row for each patient that it names.

    Raises
    ------
    InvalidTableError
        ``LABELS_AMBIGUOUS``: a path that leaves out leading folders fits below several;
        ``LABELS_CONFLICT``: an image lies below paths with different labels.
    """
    if "path" not in labels.columns:
        return _by_patient(manifest, labels, identities)
    return _by_path(manifest, labels, path, identities, sources or {})


def _by_patient(
    manifest: pd.DataFrame, labels: pd.DataFrame, identities: Identities
) -> tuple[pd.DataFrame, pd.DataFrame]:
    labels = labels.assign(patient_id=labels["patient_id"].map(identities.patient))
    has_image = labels["patient_id"].isin(manifest["patient_id"])
    labels["patient_id"] = labels["patient_id"].where(has_image)
    by_patient = labels.dropna(subset="patient_id").set_index("patient_id")["label"]
    return manifest.assign(label=manifest["patient_id"].map(by_patient)), labels


def _by_path(
    manifest: pd.DataFrame,
    labels: pd.DataFrame,
    path: Path,
    identities: Identities,
    sources: Mapping[str, str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    known = {image: sources[image] for image in manifest["image_id"] if image in sources}
    within = images_within(known, dict(zip(labels["row"], labels["path"], strict=True)))
    persons = labels.get("patient_id")
    named = within.merge(labels[["row", "label"]].assign(patient=persons), on="row")
    for code, message, key, column in (
        (
            "LABELS_AMBIGUOUS",
            "A path of the label table fits below several folders.",
            "row",
            "below",
        ),
        (
            "LABELS_CONFLICT",
            "An image lies below paths with different labels.",
            "image_id",
            "label",
        ),
        (
            "LABELS_CONFLICT",
            "An image lies below paths of different patients.",
            "image_id",
            "patient",
        ),
    ):
        several = named.groupby(key)[column].transform("nunique") > 1
        if several.any():
            rows = named.loc[several, "row"].drop_duplicates().sort_values()
            raise by_row(code, message, path, rows)
    of_image = named.drop_duplicates("image_id").set_index("image_id")
    # Who the table says it is; groups stay as they are, and are joined by patient later.
    person = manifest["image_id"].map(of_image["patient"].dropna().map(identities.patient))
    manifest = manifest.assign(patient_id=person.astype(object).fillna(manifest["patient_id"]))
    patients = within.merge(manifest[["image_id", "patient_id"]], on="image_id")
    patients = patients[["row", "patient_id"]].drop_duplicates()
    labels = labels.drop(columns="patient_id", errors="ignore")
    return (
        manifest.assign(label=manifest["image_id"].map(of_image["label"])),
        labels.merge(patients, on="row", how="left"),
    )


def drop_unmatched(
    manifest: pd.DataFrame,
    labels: pd.DataFrame,
    path: Path,
    unmatched: Literal["refuse", "exclude"] = "refuse",
    sources: Mapping[str, str] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Keep the labelled images; refuse, or count, images and labels without a counterpart.

    Parameters
    ----------
    manifest, labels : DataFrame
        As `join_labels` gives them.
    path : Path
        Of the label table, for errors.
    unmatched : {"refuse", "exclude"}
        What is done with images and labels without a counterpart.
    sources : mapping, optional
        As for `join_labels`: images without a label are then named by their paths, as in the table.

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
    no_class = manifest["label"] == NO_CLASS
    left_out, manifest = manifest[no_class], manifest[~no_class]
    nameless = manifest[manifest["label"].isna()]
    missing = sorted(nameless["patient_id"].unique())
    by_path = "path" in labels.columns and sources is not None
    names = relative_paths(nameless["image_id"], sources or {}) if by_path else missing
    labelled = manifest.dropna(subset="label").reset_index(drop=True)
    if labelled.empty:
        raise InvalidTableError(
            "NOTHING_LABELLED",
            "No label belongs to any image.",
            path=path,
            expected=f"paths such as {names[0]}" if by_path and names else None,
            hint=(
                "Write the DICOM PatientID into patient_id, or a path below the data folder "
                "into path."
            ),
        )
    hint = (
        "Correct the table, or leave them out with --set unmatched=exclude "
        "(make: UNMATCHED=exclude)."
    )
    if unmatched == "refuse" and len(orphans):
        message = "Rows of the label table belong to no accepted image."
        raise by_row("LABEL_WITHOUT_IMAGE", message, path, orphans, hint)
    if unmatched == "refuse" and missing:
        raise InvalidTableError(
            "IMAGE_WITHOUT_LABEL",
            f"Images of {counted(len(missing), 'patient')} have no label.",
            path=path,
            actual=", ".join(names[:10]) + (" …" if len(names) > 10 else ""),
            hint=hint,
        )
    notes = []
    if len(orphans):
        notes.append(f"{counted(len(orphans), 'label row')} left out: without an accepted image")
    if missing:
        notes.append(f"{counted(len(missing), 'patient')} left out: without a label")
    if len(left_out):
        notes.append(f"{counted(len(left_out), 'image')} left out: of no class")
    return labelled, notes


def clinical_of(labels: pd.DataFrame, path: Path) -> pd.DataFrame | None:
    """Take the clinical columns of a joined label table, a row a patient; None without any column.

    Empty cells are missing: unknown, never zero. A column of words without any number stays text.

    Parameters
    ----------
    labels : DataFrame
        As `join_labels` gives them.
    path : Path
        Of the label table, for errors.

    Returns
    -------
    DataFrame, or None
        As `tables.CLINICAL`: patient_id, and a column of float, or of text, each; what is taken
        otherwise than written is in ``attrs["notes"]``.

    Raises
    ------
    InvalidTableError
        ``CLINICAL_VALUE``: a cell that is no number among numbers, by row.
    """
    columns = [c for c in labels.columns if c not in (*KEYS, "label", "row")]
    notes: list[str] = []
    if not columns:
        return None
    rows = labels.dropna(subset="patient_id").drop_duplicates("patient_id")
    table = rows[["patient_id"]].reset_index(drop=True)
    for column in columns:
        numbers = to_numbers(rows[column])
        if numbers.values.isna().all() and numbers.wrong.any():
            table[column] = rows[column].to_numpy(dtype=object)
            continue
        wrong = rows.loc[numbers.wrong, "row"]
        if len(wrong):
            message = f"The clinical column {column} mixes numbers and text."
            raise by_row(
                "CLINICAL_VALUE",
                message,
                path,
                wrong,
                hint=(
                    "Write numbers alone or text alone in the column, and leave unknown "
                    "cells empty."
                ),
            )
        table[column] = numbers.values.to_numpy(dtype=float)
        notes += numbers.notes
    checked = check(table, CLINICAL, path)
    checked.attrs["notes"] = notes
    return checked


def without_identities(clinical: pd.DataFrame) -> tuple[pd.DataFrame | None, list[str]]:
    """Clinical columns that name nobody; None where none is left.

    Left out are columns whose header is that of a name, an id, an address or a birthday, and
    columns of words that tell most patients apart.

    Parameters
    ----------
    clinical : DataFrame
        As `clinical_of` gives it, of a data set whose ids are not public.

    Returns
    -------
    clinical : DataFrame, or None
    notes : list of str
        A line for each column that was left out.
    """
    columns = [name for name in clinical.columns if name != "patient_id"]
    named = [name for name in columns if names_identity(name) or _tells_apart(clinical[name])]
    notes = [f"column {name} left out: it may tell who a patient is" for name in named]
    return (clinical.drop(columns=named) if len(named) < len(columns) else None), notes


def _tells_apart(cells: pd.Series) -> bool:
    """Whether words differ from patient to patient, as names and dates do."""
    words = cells.dropna()
    if pd.api.types.is_numeric_dtype(words) or len(words) < FEWEST_WORDS:
        return False
    return bool(words.nunique() > len(words) / 2)

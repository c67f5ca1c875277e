"""The patients of both arms: who has an image, who has a clinical row, what must stay together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from covidx.clinical import ClinicalRows
from covidx.cohort import Splits, group_images, make_splits
from covidx.errors import InvalidTableError
from covidx.fusion import BOTH, held_out
from covidx.fusion.late import need_patients
from covidx.ingest import IngestResult
from covidx.wording import counted

SHOWN = 5


@dataclass(frozen=True, eq=False)
class FusionCohort:
    """Both arms, with fold and role.

    Parameters
    ----------
    patients : DataFrame
        Every patient of either arm: patient_id, group_id, label (the rest or positive), fold, role.
    images : DataFrame
        Manifest rows, groups as in `patients`, with fold and role.
    rows : ClinicalRows
        The clinical rows, likewise; only those with a value that is known.
    splits : Splits
        Of the patients; images and rows follow it.
    notes : list of str
        Who lacks an arm, what was left out.
    """

    patients: pd.DataFrame
    images: pd.DataFrame
    rows: ClinicalRows
    splits: Splits
    notes: list[str]


def labelled(ingested: IngestResult, rows: ClinicalRows) -> IngestResult:
    """Images of which nothing says the label take that of their patient's clinical row.

    Parameters
    ----------
    ingested : IngestResult
        Returned as it is where any of its images has a label.
    rows : ClinicalRows
        Labels by patient_id.
    """
    manifest = ingested.manifest
    if manifest["label"].notna().any():
        return ingested
    by_row = rows.table.set_index("patient_id")["label"]
    return replace(ingested, manifest=manifest.assign(label=manifest["patient_id"].map(by_row)))


def join_arms(manifest: pd.DataFrame, rows: ClinicalRows, *, seed: int, parts: int) -> FusionCohort:
    """Join the arms by patient, and divide the patients.

    Parameters
    ----------
    manifest : DataFrame
        Labelled images, grouped.
    rows : ClinicalRows
        Labelled clinical rows, one a patient; those without a known value are left out.
    seed, parts : int
        As in `make_splits`.

    Raises
    ------
    InvalidTableError
        ``NOBODY_HAS_BOTH``: no patient has an image and a clinical row; or as `make_splits`.
    """
    notes: list[str] = []
    known = rows.table[rows.names].notna().any(axis=1)
    if not known.all():
        notes.append(f"{counted(int((~known).sum()), 'clinical row')} left out: no value is known")
    rows = rows.only(known)
    rest, positive = rows.classes.names
    by_row = rows.table.set_index("patient_id")["label"]
    binary = pd.Series(np.where(manifest["label"] == positive, positive, rest), manifest.index)
    differs = manifest["patient_id"].map(by_row).fillna(binary) != binary
    if differs.any():
        notes.append(
            f"{counted(int(differs.sum()), 'image')} left out: "
            "their label is not their patient's, by the clinical row"
        )
    manifest, binary = manifest[~differs], binary[~differs]
    several = binary.groupby(manifest["patient_id"]).transform("nunique") > 1
    if several.any():
        names = sorted(manifest.loc[several, "patient_id"].unique())
        notes.append(
            f"{counted(int(several.sum()), 'image')} of {counted(len(names), 'patient')} left out: "
            "they differ on the positive class, and no clinical row decides "
            f"({', '.join(names[:SHOWN])}{', …' if len(names) > SHOWN else ''})"
        )
    manifest, binary = manifest[~several].reset_index(drop=True), binary[~several]
    of_images = manifest[["patient_id", "group_id"]].assign(label=binary.to_numpy())
    of_rows = rows.table[["patient_id", "group_id", "label"]]
    patients = join_patients(of_images, of_rows)
    patients["image_id"] = patients["patient_id"]
    splits = make_splits(patients, seed=seed, parts=parts, validation=False)
    patients = splits.assign(patients.drop(columns="image_id"), fold=0)
    for what, own in (("image", of_images), ("clinical row", of_rows)):
        n = int((~patients["patient_id"].isin(own["patient_id"])).sum())
        notes += [f"{n} of {counted(len(patients), 'patient')} have no {what}"] if n else []
    group = patients.set_index("patient_id")["group_id"]
    manifest = manifest.assign(group_id=manifest["patient_id"].map(group))
    table = rows.table.assign(group_id=rows.table["patient_id"].map(group))
    return FusionCohort(
        patients,
        splits.assign(manifest, fold=0),
        replace(rows, table=splits.assign(table, fold=0)),
        splits,
        notes,
    )


def need_both(joined: FusionCohort, folds: int) -> None:
    """Refuse patients too few for a fusion before an hour of training finds it out.

    Parameters
    ----------
    joined : FusionCohort
        Patients with role, and which of them have an image and a row.
    folds : int
        Without each of which a fusion is fitted once more, to score it.

    Raises
    ------
    InvalidTableError
        ``FUSION_ROWS``; ``TOO_FEW_GROUPS``: a class has fewer groups than there are folds.
    """
    patients, positive = joined.patients, joined.rows.classes.positive
    train = patients[patients["role"] == "train"].reset_index(drop=True)
    truth = (train["label"] == positive).to_numpy(bool)
    has_both = train["patient_id"].isin(joined.images["patient_id"])
    has_both &= train["patient_id"].isin(joined.rows.table["patient_id"])
    for out in held_out(train, truth, folds, joined.splits.seed):
        need_patients(truth[has_both.to_numpy() & ~out], BOTH)


def join_patients(of_images: pd.DataFrame, of_rows: pd.DataFrame) -> pd.DataFrame:
    """Every patient of either arm once, sorted, grouped over both; the clinical row decides.

    Parameters
    ----------
    of_images, of_rows : DataFrame
        patient_id, group_id and label: of each image, and of each clinical row.

    Raises
    ------
    InvalidTableError
        ``NOBODY_HAS_BOTH``: no patient has an image and a clinical row.
    """
    if not set(of_images["patient_id"]) & set(of_rows["patient_id"]):
        raise InvalidTableError(
            "NOBODY_HAS_BOTH",
            "No patient has both an image and a clinical row.",
            expected=f"patient ids such as {', '.join(of_images['patient_id'].head(1))}",
            actual=", ".join(of_rows["patient_id"].head(SHOWN)),
            hint="Use the patient ids of the images (DICOM PatientID) in the table.",
        )
    both = pd.concat([of_rows, of_images], ignore_index=True)  # rows first: they decide
    grouped = group_images(both.assign(image_id=both.index.astype(str)))
    patients = grouped.drop_duplicates("patient_id").drop(columns="image_id")
    return patients.sort_values("patient_id", ignore_index=True)

"""Draws a cohort and writes it: DICOM studies, tables, masks."""

from __future__ import annotations

import csv
import gzip
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from covidx.errors import InvalidInputError
from covidx.files import read_json, replacing_folder, write_json
from covidx.phantom.clinical import CLINICAL_COLUMNS
from covidx.phantom.dicom import series_uid, slice_uids, write_study
from covidx.phantom.effects import CLASSES, GENERATOR_VERSION, effects_digest
from covidx.phantom.fields import Array
from covidx.phantom.lesions import EFFUSION
from covidx.phantom.patient import Patient, PhantomScan, draw_patient, render

__all__ = ["generate_cohort"]

ABNORMAL_ML = 0.2
"""ml of lesion from which a slice counts as abnormal. Modelling choice: a patch of about 7 mm."""

BILATERAL_SHARE = 0.10
"""Share of lesion volume on the lesser side from which disease counts as bilateral."""

Row = dict[str, Any]


@dataclass(frozen=True)
class _Rows:
    """What one patient adds to the tables."""

    label: Row
    clinical: Row
    truth: Row
    slices: list[Row]


def _laterality(scan: PhantomScan) -> str:
    ill = (scan.lesion > 0) & (scan.lesion != EFFUSION)
    right = int(np.count_nonzero(ill & (scan.lung == 1)))
    left = int(np.count_nonzero(ill & (scan.lung == 2)))
    if right + left == 0:
        return "none"
    if min(right, left) >= BILATERAL_SHARE * (right + left):
        return "bilateral"
    return "right" if right > left else "left"


def _truth(patient: Patient, scan: PhantomScan) -> Row:
    ill = (scan.lesion > 0) & (scan.lesion != EFFUSION)
    ml = scan.grid.voxel_ml
    count, lung = int(np.count_nonzero(ill)), int(np.count_nonzero(scan.lung))
    return {
        "patient_id": patient.patient_id,
        "series_uid": series_uid(patient),
        "label": patient.label,
        "finding": "normal" if patient.normal_ct else "abnormal",
        "pattern": patient.disease.pattern or "none",
        "scanner": patient.scanner,
        "days_since_onset": round(patient.disease.days, 1),
        "lung_volume_ml": round(lung * ml, 1),
        "lesion_volume_ml": round(count * ml, 1),
        "lesion_share": round(count / max(lung, 1), 4),
        "effusion_ml": round(np.count_nonzero(scan.lesion == EFFUSION) * ml, 1),
        "mean_lesion_hu": round(float(scan.hu[ill].mean()), 1) if count else "",
        "laterality": _laterality(scan),
        "landmark_side": "left",
        **{
            f"landmark_{axis}_mm": round(value, 2)
            for axis, value in zip("xyz", patient.anatomy.landmark, strict=True)
        },
    }


def _slice_rows(patient: Patient, scan: PhantomScan) -> list[Row]:
    grid, ml = scan.grid, scan.grid.voxel_ml
    lung = np.count_nonzero(scan.lung, axis=(1, 2)) * ml
    lesion = np.count_nonzero(scan.lesion, axis=(1, 2)) * ml
    start = float(grid.affine_lps[:3, 3] @ grid.directions[2])
    return [
        {
            "patient_id": patient.patient_id,
            "sop_instance_uid": uid,
            "position_mm": round(start + i * grid.step_mm, 3),
            "lung_ml": round(float(lung[i]), 3),
            "lesion_ml": round(float(lesion[i]), 3),
            "abnormal": int(lesion[i] >= ABNORMAL_ML),
        }
        for i, uid in enumerate(slice_uids(patient, grid.shape[0]))
    ]


def _write_mask(path: Path, mask: Array, affine: Array) -> None:
    """Write a mask as NIfTI: (slices, rows, columns) becomes (columns, rows, slices)."""
    nifti: Any = nib.Nifti1Image  # nibabel's own annotations are partial
    image = nifti(np.ascontiguousarray(mask.transpose(2, 1, 0)), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    # No time of day in the gzip header: the same seed gives the same bytes.
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=3, mtime=0))


def _write_patient(out: Path, seed: int, index: int) -> _Rows:
    patient = draw_patient(seed, index)
    scan = render(patient)
    write_study(patient, scan, out / "dicom")
    masks = out / "masks"
    _write_mask(masks / f"{patient.patient_id}_lung.nii.gz", scan.lung, scan.affine)
    _write_mask(masks / f"{patient.patient_id}_lesion.nii.gz", scan.lesion, scan.affine)
    return _Rows(
        label={"patient_id": patient.patient_id, "label": patient.label},
        clinical={"patient_id": patient.patient_id, **patient.clinical},
        truth=_truth(patient, scan),
        slices=_slice_rows(patient, scan),
    )


def _write_csv(path: Path, rows: Iterable[Row], columns: Iterable[str] | None = None) -> None:
    rows = list(rows)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(columns or rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_all(out: Path, seed: int, patients: int, workers: int) -> Iterator[_Rows]:
    """Write the patients, in order of their number whoever writes them."""
    job = partial(_write_patient, out, seed)
    if workers == 1:
        yield from map(job, range(patients))
        return
    # Not forked: the caller may hold torch's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(job, range(patients), chunksize=2)


def _is_there(out: Path, description: Row) -> bool:
    """Whether `out` holds this cohort already; refuses anything else that is not empty."""
    if not out.exists():
        return False
    if not out.is_dir():
        raise InvalidInputError("OUTPUT_NOT_A_FOLDER", "The output is not a folder.", path=out)
    if (out / "phantom.json").exists() and read_json(out / "phantom.json") == description:
        return True
    if any(out.iterdir()):
        raise InvalidInputError(
            "OUTPUT_NOT_EMPTY",
            "The output folder holds something else than this phantom cohort.",
            path=out,
            expected=f"an empty folder, or {_in_words(description)}",
            hint="Choose another folder, or remove this one.",
        )
    return False


def _in_words(description: Row) -> str:
    """A cohort in words."""
    return f"a cohort of {description['patients']} patients with seed {description['seed']}"


def generate_cohort(
    out: Path,
    patients: int,
    seed: int,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a cohort of simulated patients; the same seed gives the same bytes.

    Parameters
    ----------
    out : Path
        The folder to make. It appears whole, or not at all.
    patients : int
        How many, at least one.
    seed : int
        Not negative. Patient i of a seed is the same in cohorts of any size.
    workers : int, optional
        Processes; by default one for each CPU this process may use.
    progress : callable, optional
        Called with (patients done, patients in all).

    Returns
    -------
    Path
        `out`; at once where it holds the same cohort already.

    Raises
    ------
    InvalidInputError
        If a number is out of range, or `out` holds something else.
    StoreError
        If `out` cannot be written.
    """
    if patients < 1 or seed < 0:
        raise InvalidInputError(
            "PHANTOM_ARGUMENT",
            "A phantom cohort needs at least one patient and a seed that is not negative.",
            actual=f"patients={patients}, seed={seed}",
        )
    out = Path(out)
    description: Row = {
        "kind": "covidx phantom cohort, simulated: no real patient",
        "patients": patients,
        "seed": seed,
        "generator_version": GENERATOR_VERSION,
        "effects_sha256": effects_digest(),
        "classes": list(CLASSES),
    }
    if _is_there(out, description):
        return out
    workers = workers or len(os.sched_getaffinity(0))
    with replacing_folder(out) as folder:
        (folder / "masks").mkdir()
        rows = []
        for done, row in enumerate(_write_all(folder, seed, patients, workers), start=1):
            rows.append(row)
            if progress is not None:
                progress(done, patients)
        _write_csv(folder / "labels.csv", (r.label for r in rows))
        columns = ("patient_id", *CLINICAL_COLUMNS)
        _write_csv(folder / "clinical.csv", (r.clinical for r in rows), columns)
        _write_csv(folder / "truth.csv", (r.truth for r in rows))
        _write_csv(folder / "slices.csv", (s for r in rows for s in r.slices))
        write_json(folder / "phantom.json", description)
    return out

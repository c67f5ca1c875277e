"""One exam of the CT cohort: its study, its masks, and its rows of the tables."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from covidx.phantom.dicom import series_uid, slice_uids, write_study
from covidx.phantom.fields import Array
from covidx.phantom.flaws import Exam
from covidx.phantom.lesions import EFFUSION
from covidx.phantom.modules import phantom_uid
from covidx.phantom.patient import Patient, PhantomScan, render
from covidx.phantom.tampering import crop_scan, mark_scan

ABNORMAL_ML = 0.2
"""ml of lesion from which a slice counts as abnormal. Modelling choice: a patch of about 7 mm."""

BILATERAL_SHARE = 0.10
"""Share of lesion volume on the lesser side from which disease counts as bilateral."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """The rows that one exam adds to the tables."""

    study: Row  # patient_id, study_uid, label, role: as in the tables
    clinical: Row
    truth: Row
    slices: list[Row]  # none for a radiograph
    flaws: str  # their names, with spaces between them


def rows_of(exam: Exam, study_uid: str, truth: Row, slices: list[Row]) -> Rows:
    """Make the rows of an exam: the tables hold what the flaws made of it, `truth` what is true.

    Parameters
    ----------
    exam : Exam
        As it is written.
    study_uid : str
        Its StudyInstanceUID.
    truth : dict
        Row of truth.csv.
    slices : list of dict
        Rows of slices.csv; none for a radiograph.
    """
    patient = exam.patient
    name = {"patient_id": patient.patient_id}
    return Rows(
        study={**name, "study_uid": study_uid, "label": exam.label, "role": exam.role},
        clinical={**name, **patient.clinical},
        truth=truth,
        slices=slices,
        flaws=" ".join(exam.flaws),
    )


def side_of(lesion: Array, lung: Array) -> str:
    """Say which lungs have lesions.

    Parameters
    ----------
    lesion : ndarray of uint8
        1 ground glass, 2 consolidation, 3 effusion, which does not count.
    lung : ndarray of uint8
        1 right, 2 left lung, of the same shape.

    Returns
    -------
    str
        ``none``, ``right``, ``left`` or ``bilateral``.
    """
    ill = (lesion > 0) & (lesion != EFFUSION)
    right = int(np.count_nonzero(ill & (lung == 1)))
    left = int(np.count_nonzero(ill & (lung == 2)))
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
        "laterality": side_of(scan.lesion, scan.lung),
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


def write_ct_exam(out: Path, exam: Exam, *, distractors: bool = False) -> Rows:
    """Write one exam, a thorax CT: its study and masks.

    Parameters
    ----------
    out : Path
        The cohort's folder.
    exam : Exam
        What is written.
    distractors : bool
        As for `render`.

    Returns
    -------
    Rows
        Its rows of the tables.
    """
    patient = exam.patient
    scan = render(patient, distractors=distractors)
    if "corner-marker" in exam.flaws:
        scan = mark_scan(scan)
    if exam.copied:
        scan = crop_scan(scan)
    write_study(patient, scan, out / "dicom")
    masks = out / "masks"
    _write_mask(masks / f"{patient.exam_id}_lung.nii.gz", scan.lung, scan.affine)
    _write_mask(masks / f"{patient.exam_id}_lesion.nii.gz", scan.lesion, scan.affine)
    study_uid = phantom_uid(patient.exam_id, "study")
    return rows_of(exam, study_uid, _truth(patient, scan), _slice_rows(patient, scan))

"""One exam of the radiograph cohort: its study, its masks, and its rows of the tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from covidx.phantom.ct_cohort import Row, Rows, rows_of, side_of
from covidx.phantom.fields import Array
from covidx.phantom.flaws import Exam
from covidx.phantom.lesions import EFFUSION
from covidx.phantom.modules import phantom_uid
from covidx.phantom.patient import Patient
from covidx.phantom.radiograph import PhantomRadiograph, render_study
from covidx.phantom.radiograph_dicom import frontal_uid, write_radiographs
from covidx.phantom.tampering import crop_radiograph, mark_radiograph


def _share(part: Array, whole: Array) -> float:
    return round(int(np.count_nonzero(part)) / max(int(np.count_nonzero(whole)), 1), 4)


def _truth(patient: Patient, image: PhantomRadiograph) -> Row:
    fluid = image.lesion == EFFUSION
    row, column = image.landmark
    return {
        "patient_id": patient.patient_id,
        "sop_instance_uid": frontal_uid(patient),
        "label": patient.label,
        "finding": "normal" if patient.normal_ct else "abnormal",
        "pattern": patient.disease.pattern or "none",
        "detector": image.detector.key,
        "modality": image.detector.modality,
        "view": image.view,
        "marker": image.marker,
        "days_since_onset": round(patient.disease.days, 1),
        "lung_share": _share(image.lung, np.ones_like(image.lung)),
        "lesion_share": _share((image.lesion > 0) & ~fluid, image.lung),
        "lesion_mm": round(image.lesion_mm, 1),
        "effusion_share": _share(fluid, image.lung),
        "laterality": side_of(image.lesion, image.lung),
        "landmark_side": "left",
        "landmark_row": round(row, 2),
        "landmark_column": round(column, 2),
    }


def _write_mask(path: Path, mask: Array) -> None:
    """Write a mask as an 8-bit PNG on the radiograph's own pixels."""
    Image.fromarray(mask).save(path, format="PNG")


def write_cxr_exam(out: Path, exam: Exam) -> Rows:
    """Write one `exam`, radiographs, below `out`: its study and masks; returns its rows."""
    patient = exam.patient
    image, scene = render_study(patient)
    if "corner-marker" in exam.flaws:
        image = mark_radiograph(image)
    if exam.copied:
        image = crop_radiograph(image)
    write_radiographs(patient, image, scene, out / "dicom")
    _write_mask(out / "masks" / f"{patient.exam_id}_lung.png", image.lung)
    _write_mask(out / "masks" / f"{patient.exam_id}_lesion.png", image.lesion)
    study_uid = phantom_uid(patient.exam_id, "study", "cxr")
    return rows_of(exam, study_uid, _truth(patient, image), [])

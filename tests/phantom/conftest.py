"""One small cohort, written once for all tests of the phantom: 3 classes, 3 scanners."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
import pydicom
import pytest

from covidx.phantom import Patient, draw_patient, generate_cohort

SEED, PATIENTS = 2, 4


@dataclass(frozen=True)
class Read:
    """A patient's CT as an outsider reads it: from the DICOM tags alone."""

    patient: Patient
    files: list[pydicom.Dataset]
    series: list[pydicom.Dataset]  # CT slices by position along row x column
    hu: npt.NDArray[np.float64]  # (slices, rows, columns), padding as -1024
    affine: npt.NDArray[np.float64]  # (column, row, slice) -> RAS mm


def read_study(patient: Patient, files: list[pydicom.Dataset]) -> Read:
    """Build volume and affine from position, orientation and spacing (PS3.3 C.7.6.2.1.1)."""
    series = [d for d in files if d.Modality == "CT" and "AXIAL" in d.ImageType]
    row, column = np.array(series[0].ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(row, column)
    series.sort(key=lambda d: float(np.dot(d.ImagePositionPatient, normal)))
    stored = np.stack([d.pixel_array for d in series]).astype(float)
    hu = stored * float(series[0].RescaleSlope) + float(series[0].RescaleIntercept)
    if "PixelPaddingValue" in series[0]:
        hu[stored == series[0].PixelPaddingValue] = -1024
    first, last = (np.array(series[i].ImagePositionPatient, float) for i in (0, -1))
    affine = np.eye(4)
    affine[:3, 0] = row * float(series[0].PixelSpacing[1])
    affine[:3, 1] = column * float(series[0].PixelSpacing[0])
    affine[:3, 2] = (last - first) / (len(series) - 1)
    affine[:3, 3] = first
    return Read(patient, files, series, hu, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort written by two processes."""
    return generate_cohort(tmp_path_factory.mktemp("phantom") / "out", PATIENTS, SEED, workers=2)


@pytest.fixture(scope="session")
def studies(cohort: Path) -> dict[str, Read]:
    """Each patient's study, by patient_id."""
    result: dict[str, list[pydicom.Dataset]] = {}
    for path in sorted(p for p in (cohort / "dicom").rglob("*") if p.is_file()):
        dataset = pydicom.dcmread(path)
        result.setdefault(str(dataset.PatientID), []).append(dataset)
    patients = (draw_patient(SEED, i) for i in range(PATIENTS))
    return {p.patient_id: read_study(p, result[p.patient_id]) for p in patients}


@pytest.fixture(scope="session")
def masks(cohort: Path) -> dict[str, tuple[nib.Nifti1Image, nib.Nifti1Image]]:
    """(lung, lesion) images by patient_id."""
    names = pd.read_csv(cohort / "labels.csv")["patient_id"]
    kinds = ("lung", "lesion")
    return {n: tuple(nib.load(cohort / "masks" / f"{n}_{k}.nii.gz") for k in kinds) for n in names}

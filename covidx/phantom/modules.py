"""The DICOM modules that all of a simulated study's objects share (PS3.3 C.7)."""

from __future__ import annotations

import hashlib

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from covidx.phantom.fields import Array
from covidx.phantom.patient import Patient
from covidx.phantom.scanners import SCANNERS, Scanner

__all__ = ["ct_module", "number", "numbers", "phantom_uid", "pixel_format", "study"]


def phantom_uid(*parts: object) -> str:
    """A UID of the 2.25 root (PS3.5 B.2), the same for the same parts."""
    digest = hashlib.sha256("/".join(map(str, ("covidx-phantom", *parts))).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def number(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5 6.2, VR DS)."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def numbers(values: Array) -> list[str]:
    return [number(float(v)) for v in values]


def study(patient: Patient, modality: str, series: tuple[int, str, str]) -> Dataset:
    """Patient, study, series and equipment modules; `series` is (number, key, description)."""
    scanner, ds = SCANNERS[patient.scanner], Dataset()
    number, key, description = series
    hours = 8 + patient.index % 9
    time = f"{hours:02d}{(7 * patient.index) % 60:02d}{(13 * patient.index) % 60:02d}"
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = ds.AcquisitionDate = patient.study_date
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = ds.AcquisitionTime = time
    ds.AccessionNumber = f"A{patient.visit:07d}"
    ds.Modality = modality
    ds.Manufacturer = scanner.manufacturer
    ds.ManufacturerModelName = scanner.model
    ds.InstitutionName = f"Simulated Hospital {scanner.key}"
    ds.DeviceSerialNumber = f"SIM-{scanner.key}-001"
    ds.SoftwareVersions = "phantom-1"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "CT CHEST W/O CONTRAST"
    ds.SeriesDescription = description
    ds.PatientName = f"PHANTOM^{patient.patient_id}"
    ds.PatientID = patient.patient_id
    ds.PatientBirthDate = ""
    ds.PatientSex = patient.sex
    ds.PatientAge = f"{patient.age:03d}Y"
    ds.StudyInstanceUID = phantom_uid(patient.exam_id, "study")
    ds.SeriesInstanceUID = phantom_uid(patient.exam_id, "series", key)
    ds.StudyID = str(patient.index + 1)
    ds.SeriesNumber = number
    return ds


def pixel_format(ds: Dataset, rows: int, columns: int, bits: int, signed: bool) -> None:
    """Image pixel module (PS3.3 C.7.6.3) for one grey sample."""
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated = 8 if bits == 8 else 16
    ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = int(signed)


def ct_module(ds: Dataset, scanner: Scanner) -> None:
    """What all CT images of a scanner share."""
    ds.SOPClassUID = CTImageStorage
    ds.BodyPartExamined = "CHEST"
    ds.PatientPosition = "HFS"
    ds.KVP = str(scanner.kvp)
    ds.AcquisitionNumber = 1
    ds.PositionReferenceIndicator = ""
    ds.RescaleIntercept = str(scanner.intercept)
    ds.RescaleSlope = "1"
    ds.RescaleType = "HU"
    ds.WindowCenter, ds.WindowWidth = ["-600", "40"], ["1500", "400"]
    ds.WindowCenterWidthExplanation = ["LUNG", "MEDIASTINUM"]

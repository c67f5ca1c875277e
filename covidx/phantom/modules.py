"""The DICOM modules that all of a simulated study's objects share (PS3.3 C.7)."""

from __future__ import annotations

import hashlib

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, JPEGLSLossless

from covidx.phantom.fields import Array
from covidx.phantom.patient import Patient
from covidx.phantom.scanners import SCANNERS, Scanner


def phantom_uid(*parts: object) -> str:
    """A UID of the 2.25 root (PS3.5 B.2), the same for the same `parts`."""
    digest = hashlib.sha256("/".join(map(str, ("covidx-phantom", *parts))).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def number(value: float) -> str:
    """`value` as a decimal string of at most 16 characters (PS3.5 6.2, VR DS)."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def numbers(values: Array) -> list[str]:
    """`values` as decimal strings, each as `number`."""
    return [number(float(v)) for v in values]


def study(patient: Patient, modality: str, series: tuple[int, str, str]) -> Dataset:
    """Make a data set with the patient, study, series and equipment modules.

    Parameters
    ----------
    patient : Patient
        As `draw_patient` gives it.
    modality : str
        DICOM Modality.
    series : tuple
        (number, key, description); the UID is made from the key.
    """
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
    """Set the image pixel module (PS3.3 C.7.6.3) for one grey sample.

    Parameters
    ----------
    ds : Dataset
        Changed in place.
    rows, columns : int
        Pixels.
    bits : int
        Bits stored.
    signed : bool
        Whether values are two's complement.
    """
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated = 8 if bits == 8 else 16
    ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = int(signed)


def set_pixels(ds: Dataset, values: Array, compression: str) -> None:
    """Store 16-bit pixels.

    Parameters
    ----------
    ds : Dataset
        Changed in place.
    values : ndarray of int16 or uint16, shape (rows, columns)
        Little endian.
    compression : str
        ``jpeg-ls``, or any other for none.
    """
    if compression == "jpeg-ls":
        ds.compress(JPEGLSLossless, values, generate_instance_uid=False)
    else:
        ds.PixelData = values.tobytes()
        ds["PixelData"].VR = "OW"


def code(value: str, scheme: str, meaning: str) -> Sequence:
    """A code sequence of one item (PS3.3 8.8).

    Parameters
    ----------
    value, scheme, meaning : str
        CodeValue, CodingSchemeDesignator and CodeMeaning.
    """
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def ct_module(ds: Dataset, scanner: Scanner) -> None:
    """Set in `ds` what all CT images of `scanner` share."""
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

"""What covidx takes from a DICOM file's header: one `Header` an image plane."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from covidx.ingest.dicom.attributes import (
    age_of,
    date_of,
    integer_of,
    number_of,
    numbers_of,
    positive_of,
    text_of,
    values,
)
from covidx.ingest.dicom.frames import frame_changes, image_type_of, kernel_of

NAMES = (
    "PatientName",
    "PatientBirthName",
    "PatientMotherBirthName",
    "ResponsiblePerson",
    "OtherPatientNames",
    "OtherPatientIDs",
    "AccessionNumber",
    "ReferringPhysicianName",
    "OperatorsName",
    "PerformingPhysicianName",
    "RequestingPhysician",
    "NameOfPhysiciansReadingStudy",
)
"""Whose words must not come out by another attribute."""

NO_AGENT = ("", "NO", "NONE", "WITHOUT", "N/A")
"""ContrastBolusAgent of scans without one: the attribute is required only where there was contrast
(PS3.3 C.7.6.4), but scanners write it always."""


@dataclass(frozen=True, slots=True)
class Header:
    """One image plane: a single-frame file, or one frame of an enhanced multi-frame object.

    Attributes
    ----------
    path : str
        The file.
    frame : int, optional
        0-based frame of a multi-frame object.
    position : tuple of 3 floats, optional
        ImagePositionPatient: LPS mm of the centre of the first pixel (PS3.3 C.7.6.2.1.1).
    orientation : tuple of 6 floats, optional
        ImageOrientationPatient: direction cosines of a row, then of a column.
    pixel_spacing : tuple of 2 floats, optional
        mm between rows, then between columns (PS3.3 10.7.1.3).
    slope, intercept : float, optional
        Modality rescale (PS3.3 C.11.1.1.2); None where absent.
    contrast : bool
        Whether a contrast agent is named, in whatever way (PS3.3 C.7.6.4, C.7.6.4b).
    acquired : str
        ISO date, or empty.
    echo, trigger_time : float, optional
        ms after the excitation, and after the R wave (PS3.3 C.8.3.1, C.7.6.18.1).
    acquisition, time_point : int, optional
        AcquisitionNumber and TemporalPositionIdentifier; of frames FrameAcquisitionNumber and
        TemporalPositionIndex.
    acquisition_time : str
        As written, to tell times apart; never to be shown.
    stack_id : str
        StackID of a frame (PS3.3 C.7.6.16.2.2), or empty.
    series_description : str
        As written: it may name a person.
    frame_of_reference : str
        FrameOfReferenceUID, shared by images whose positions may be compared (PS3.3 C.7.4.1).
    patient_name : str
        In lower case, to tell patients without PatientID apart; never to be shown.
    names : tuple of str
        Of persons; never to be shown.
    body_part : str
        BodyPartExamined (0018,0015), in capitals and without blanks.
    """

    path: str
    sop_class: str
    sop_uid: str
    study_uid: str
    series_uid: str
    patient_id: str
    modality: str
    image_type: tuple[str, ...]
    rows: int
    columns: int
    frames: int
    frame: int | None
    samples: int
    photometric: str
    bits_stored: int
    transfer_syntax: str
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pixel_spacing: tuple[float, ...] | None
    imager_spacing: tuple[float, ...] | None
    slice_thickness: float | None
    tilt_deg: float | None
    slope: float | None
    intercept: float | None
    rescale_type: str
    kernel: str
    contrast: bool
    manufacturer: str
    site: str
    view: str
    age: float | None
    sex: str
    acquired: str
    series_number: int | None
    instance_number: int | None
    echo: float | None
    acquisition: int | None
    acquisition_time: str
    time_point: int | None
    trigger_time: float | None
    stack_id: str
    series_description: str = field(default="", repr=False)
    frame_of_reference: str = ""
    patient_name: str = field(default="", repr=False)
    names: tuple[str, ...] = field(default=(), repr=False)
    body_part: str = ""

    @property
    def plane_id(self) -> str:
        """SOPInstanceUID, with the frame number (from 1) where there are frames."""
        return self.sop_uid if self.frame is None else f"{self.sop_uid}#{self.frame + 1}"

    @property
    def is_enhanced(self) -> bool:
        """Whether geometry lies in functional groups (PS3.3 C.7.6.16)."""
        return self.frame is not None


MODALITY_OF_CLASS = {
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
}
"""Modality that a storage class implies, for files that lost the attribute (PS3.4 B.5)."""


def headers_of(ds: Dataset, path: Path) -> list[Header]:
    """Headers of the data set `ds` of the file `path`: one, or one a frame of an enhanced image.

    A value that cannot be read counts as absent.
    """
    meta = getattr(ds, "file_meta", Dataset())
    sop_class = text_of(ds, "SOPClassUID") or text_of(meta, "MediaStorageSOPClassUID")
    header = Header(
        path=str(path),
        sop_class=sop_class,
        sop_uid=text_of(ds, "SOPInstanceUID") or text_of(meta, "MediaStorageSOPInstanceUID"),
        study_uid=text_of(ds, "StudyInstanceUID"),
        series_uid=text_of(ds, "SeriesInstanceUID"),
        patient_id=text_of(ds, "PatientID"),
        modality=text_of(ds, "Modality") or MODALITY_OF_CLASS.get(sop_class, ""),
        image_type=image_type_of(ds),
        rows=integer_of(ds, "Rows") or 0,
        columns=integer_of(ds, "Columns") or 0,
        frames=integer_of(ds, "NumberOfFrames") or 1,
        frame=None,
        samples=integer_of(ds, "SamplesPerPixel") or 1,
        photometric=text_of(ds, "PhotometricInterpretation"),
        bits_stored=integer_of(ds, "BitsStored") or 0,
        transfer_syntax=text_of(meta, "TransferSyntaxUID"),
        slice_thickness=positive_of(ds, "SliceThickness"),
        tilt_deg=number_of(ds, "GantryDetectorTilt"),
        rescale_type=text_of(ds, "RescaleType"),
        kernel=kernel_of(ds),
        contrast=_contrast(ds),
        manufacturer=text_of(ds, "Manufacturer"),
        site=text_of(ds, "InstitutionName"),
        view=text_of(ds, "ViewPosition"),
        age=age_of(text_of(ds, "PatientAge")),
        sex=text_of(ds, "PatientSex").upper(),
        acquired=date_of(ds),
        series_number=integer_of(ds, "SeriesNumber"),
        series_description=text_of(ds, "SeriesDescription"),
        instance_number=integer_of(ds, "InstanceNumber"),
        echo=number_of(ds, "EchoTime"),
        acquisition=integer_of(ds, "AcquisitionNumber"),
        acquisition_time=text_of(ds, "AcquisitionDateTime") or text_of(ds, "AcquisitionTime"),
        time_point=integer_of(ds, "TemporalPositionIdentifier"),
        trigger_time=number_of(ds, "TriggerTime"),
        stack_id="",
        frame_of_reference=text_of(ds, "FrameOfReferenceUID"),
        patient_name=text_of(ds, "PatientName").strip("^").casefold(),
        body_part="".join(text_of(ds, "BodyPartExamined").upper().split()),
        names=tuple(name for attribute in NAMES for name in values(ds, attribute)),
        **_plane(ds),
    )
    if "PerFrameFunctionalGroupsSequence" in ds:
        return [replace(header, **changes) for changes in frame_changes(ds)]
    return [header]


def _contrast(ds: Dataset) -> bool:
    agent = text_of(ds, "ContrastBolusAgent").upper()
    volume = number_of(ds, "ContrastBolusVolume") or 0.0
    return agent not in NO_AGENT or volume > 0 or bool(ds.get("ContrastBolusAgentSequence"))


def _plane(ds: Dataset) -> dict[str, Any]:
    return {
        "position": numbers_of(ds, "ImagePositionPatient", 3),
        "orientation": numbers_of(ds, "ImageOrientationPatient", 6),
        "pixel_spacing": numbers_of(ds, "PixelSpacing", 2),
        "imager_spacing": numbers_of(ds, "ImagerPixelSpacing", 2),
        "slope": number_of(ds, "RescaleSlope"),
        "intercept": number_of(ds, "RescaleIntercept"),
    }

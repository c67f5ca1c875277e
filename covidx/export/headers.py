"""Headers of the source as highdicom wants them: sound, complete, and of one orientation."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray
from pydicom.config import RAISE
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag
from pydicom.valuerep import validate_value

from covidx.errors import InvalidSeriesError
from covidx.ingest.dicom.aside import RADIOGRAPHS
from covidx.ingest.dicom.attributes import text_of
from covidx.ingest.quiet import quiet

TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)
"""What every object has, if empty."""
KNOWN_BY = TYPE_2[:2] + TYPE_2[4:6]
"""What an archive identifies a study by: kept as it is, sound or not."""
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
GROUPS = ("PlaneOrientationSequence", "PixelMeasuresSequence")


def prepare_header(ds: Dataset) -> None:
    """Refuse `ds`, a header, that places nothing; remove what is empty or no value of its VR.

    Raises
    ------
    InvalidSeriesError
        ``UIDS_ABSENT`` or ``FRAME_OF_REFERENCE_ABSENT``.
    """
    if not all(text_of(ds, name) for name in UIDS):
        raise InvalidSeriesError(
            "UIDS_ABSENT",
            "The series lacks identifiers that a derived object must refer to.",
            expected=", ".join(UIDS),
            hint=(
                "Get the original files of the series from the scanner or PACS, with "
                "these elements kept."
            ),
        )
    if not text_of(ds, "FrameOfReferenceUID") and text_of(ds, "Modality") not in RADIOGRAPHS:
        raise InvalidSeriesError(
            "FRAME_OF_REFERENCE_ABSENT",
            "The series names no frame of reference, so a derived object cannot be "
            "placed in space.",
            expected="FrameOfReferenceUID (PS3.3 C.7.4.1)",
            hint=(
                "Get the original files of the series from the scanner or PACS, with "
                "this element kept."
            ),
        )
    with quiet():
        for tag in list(ds.keys()):
            if not _is_sound(ds, tag):
                del ds[tag]
    for name in TYPE_2:
        if name not in ds:
            setattr(ds, name, "")
    methods = ("DeidentificationMethod", "DeidentificationMethodCodeSequence")
    if text_of(ds, "PatientIdentityRemoved") == "YES" and not any(name in ds for name in methods):
        ds.DeidentificationMethod = "not stated"  # PS3.3 C.7.1.1, type 1C


def _is_sound(ds: Dataset, tag: BaseTag) -> bool:
    """Whether an element has a value that the standard allows (PS3.5 6.2)."""
    try:
        element = ds[tag]
        if element.keyword in KNOWN_BY:
            return True
        values = element.value if isinstance(element.value, MultiValue | list) else [element.value]
        if element.VR != "SQ":
            for value in values:
                text = str(value) if element.VR in ("DS", "IS", "DA", "TM", "DT") else value
                validate_value(element.VR, text, RAISE)
    except Exception:  # pydicom raises what it likes on a malformed value
        return False
    return not element.is_empty


def unify_geometry(
    images: Sequence[Dataset], frames: tuple[int, ...], affine: NDArray[np.float64]
) -> None:
    """Give all slices the orientation of the first, and the spacing that was proven.

    The orientations agree within covidx's tolerance; the spacing in a header may be wrong.

    Parameters
    ----------
    images : sequence of Dataset
        Headers, one a slice in slice order, or one of many frames; changed in place.
    frames : tuple of int
        Of the slices, 0-based, where there is one multi-frame image; else empty.
    affine : ndarray, shape (4, 4)
        Maps (column, row, slice) to RAS+ mm.
    """
    across = np.linalg.norm(np.cross(affine[:3, 0], affine[:3, 1]))
    spacing = f"{abs(np.linalg.det(affine[:3, :3])) / across:.10g}"
    if not frames:
        for ds in images:
            ds.ImageOrientationPatient = images[0].ImageOrientationPatient
            ds.SpacingBetweenSlices = spacing
            if "SliceThickness" not in ds:
                ds.SliceThickness = None
        return
    shared = images[0].SharedFunctionalGroupsSequence[0]
    for name in GROUPS:
        macro = images[0].PerFrameFunctionalGroupsSequence[frames[0]].get(name)
        if macro:
            setattr(shared, name, deepcopy(macro))
    shared.PixelMeasuresSequence[0].SpacingBetweenSlices = spacing

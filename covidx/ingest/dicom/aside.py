"""Which DICOM objects are no slices of a patient and no radiograph: set aside, with the reason."""

from __future__ import annotations

import re
from itertools import pairwise

from covidx.ingest.dicom.header import Header

RADIOGRAPHS = ("CR", "DX")
VOLUMES = ("CT", "MR")
LOCALIZER_WORDS = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "REF_SURVIEW"}
WORDS = (
    (LOCALIZER_WORDS, "LOCALIZER", "a localizer (scout)"),
    ({"DOSE_INFO", "DOSE"}, "DOSE_REPORT", "a picture of a dose report"),
    ({"MOSAIC"}, "MOSAIC", "a mosaic of many slices (Siemens), which is not taken apart"),
)
"""Values of ImageType, by which an image is no slice."""
SCREEN_WORDS = {"SCREEN SAVE", "SCREENSHOT", "RESULTS", "PATIENT_INFO"}
PROJECTION_WORDS = {
    *("MIP", "MAXIP", "MAXIMUM", "MINIP", "MINIMUM", "PROJECTION", "PROJECTIONIMAGE"),
    *("SSD", "VR", "VRT", "VOLUMERENDER", "VOLUMERENDERING", "SURFACERENDER"),
}
"""What scanners write, and value 4 of enhanced images (PS3.3 C.8.16.1.4), without signs between."""

CLASSES_SET_ASIDE = (
    ("1.2.840.10008.1.3.10", "DICOMDIR", "a directory of files, not an image"),
    ("1.2.840.10008.5.1.4.1.1.88.67", "DOSE_REPORT", "a radiation dose report"),
    ("1.2.840.10008.5.1.4.1.1.88.73", "DOSE_REPORT", "a patient radiation dose report"),
    ("1.2.840.10008.5.1.4.1.1.88.59", "KEY_OBJECT", "a key object selection"),
    ("1.2.840.10008.5.1.4.1.1.88.", "STRUCTURED_REPORT", "a structured report"),
    ("1.2.840.10008.5.1.4.1.1.11.", "PRESENTATION_STATE", "a presentation state"),
    ("1.2.840.10008.5.1.4.1.1.66", "NOT_AN_IMAGE", "a segmentation, registration or raw data"),
    ("1.2.840.10008.5.1.4.1.1.481.", "NOT_AN_IMAGE", "a radiotherapy object"),
    ("1.2.840.10008.5.1.4.1.1.104.", "DOCUMENT", "an encapsulated document"),
    ("1.2.840.10008.5.1.4.1.1.30", "PARAMETRIC_MAP", "a parametric map"),
)
"""Storage classes (PS3.4 B.5), by how their UID starts, that hold no volume of the patient."""

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def why_set_aside(header: Header) -> tuple[str, str] | None:
    """Code and reason why the file of `header` is no part of an image; None where it may be."""
    words = set(header.image_type)
    for start, code, what in CLASSES_SET_ASIDE:
        if header.sop_class == start.rstrip(".") or header.sop_class.startswith(start):
            return code, f"This is {what}."
    if header.rows == 0 or header.columns == 0:
        return "NOT_AN_IMAGE", "This DICOM object holds no image."
    for values, code, what in WORDS:
        if words & values:
            return code, f"This is {what}."
    coloured = header.samples != 1 or header.photometric == "PALETTE COLOR"
    capture = header.sop_class.startswith(SECONDARY_CAPTURE)
    if words & SCREEN_WORDS or (capture and (coloured or header.modality not in RADIOGRAPHS)):
        return "SECONDARY_CAPTURE", "This is a secondary capture, such as a screenshot."
    if header.modality == "CT" and "DERIVED" in words and _is_projection(header):
        return "PROJECTION", "This is a projection (such as MIP), not slices of the patient."
    if header.modality not in (*VOLUMES, *RADIOGRAPHS):
        return "MODALITY_UNSUPPORTED", f"Modality {header.modality or 'absent'} is not read."
    if coloured and header.modality not in RADIOGRAPHS:  # of those, the pixels tell
        return "NOT_GREYSCALE", "The image has colour, and so no measured values."
    return None


def _is_projection(header: Header) -> bool:
    """Whether a value of ImageType names a projection, as a word, or as two words in a row."""
    for value in header.image_type:
        words = [word for word in re.split(r"[^A-Z0-9]+", value) if word]
        pairs = {one + other for one, other in pairwise(words)}
        if PROJECTION_WORDS & {*words, *pairs}:
            return True
    return False

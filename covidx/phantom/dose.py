"""The dose page of a study: a Radiation Dose SR, or a picture as older scanners append it.

The picture has a font of its own, so that no library's font changes the bytes.
"""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import SecondaryCaptureImageStorage, XRayRadiationDoseSRStorage

from covidx.phantom.fields import Array
from covidx.phantom.modules import code, number, phantom_uid, pixel_format, study
from covidx.phantom.patient import Patient

FONT = {
    "0": (7, 5, 5, 5, 7), "1": (2, 6, 2, 2, 7), "2": (7, 1, 7, 4, 7), "3": (7, 1, 7, 1, 7),
    "4": (5, 5, 7, 1, 1), "5": (7, 4, 7, 1, 7), "6": (7, 4, 7, 5, 7), "7": (7, 1, 1, 1, 1),
    "8": (7, 5, 7, 5, 7), "9": (7, 5, 7, 1, 7), ".": (0, 0, 0, 0, 2), " ": (0, 0, 0, 0, 0),
    "A": (7, 5, 7, 5, 5), "C": (7, 4, 4, 4, 7), "D": (6, 5, 5, 5, 6), "E": (7, 4, 7, 4, 7),
    "G": (7, 4, 5, 5, 7), "H": (5, 5, 7, 5, 5), "L": (4, 4, 4, 4, 7), "M": (5, 7, 7, 5, 5),
    "O": (7, 5, 5, 5, 7), "P": (7, 5, 7, 4, 4), "S": (7, 4, 7, 1, 7), "T": (7, 2, 2, 2, 2),
    "Y": (5, 5, 2, 2, 2),
}  # fmt: skip
"""3 x 5 glyphs: five rows of three bits."""

SCALE = 5
"""Pixels a bit."""


def text_bits(text: str) -> Array:
    """The bits of a line of `text`, (5, 4 * len)."""
    bits = [[[(row >> b) & 1 for b in (2, 1, 0)] + [0] for row in FONT[c]] for c in text]
    line: Array = np.concatenate([np.array(g, np.uint8) for g in bits], axis=1)
    return line


def _page(lines: tuple[str, ...]) -> Array:
    """A page of text: (512, 512) grey values."""
    page = np.zeros((512, 512), np.uint8)
    for i, text in enumerate(lines):
        line = np.kron(text_bits(text), np.ones((SCALE, SCALE), np.uint8)) * np.uint8(230)
        top = 60 + 70 * i
        page[top : top + line.shape[0], 40 : 40 + line.shape[1]] = line
    return page


def _item(kind: str, relation: str, name: tuple[str, str, str]) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = relation, kind
    item.ConceptNameCodeSequence = code(*name)
    return item


def _quantity(name: tuple[str, str, str], value: float, unit: tuple[str, str]) -> Dataset:
    item, measured = _item("NUM", "CONTAINS", name), Dataset()
    measured.NumericValue = number(value)
    measured.MeasurementUnitsCodeSequence = code(unit[0], "UCUM", unit[1])
    item.MeasuredValueSequence = Sequence([measured])
    return item


def dose_report(patient: Patient, dlp: float) -> Dataset:
    """Make a Radiation Dose SR (PS3.16 TID 10011) of `patient` with the total `dlp` in mGy cm."""
    ds = study(patient, "SR", (997, "dose", "Dose Report"))
    ds.SOPClassUID = XRayRadiationDoseSRStorage
    ds.SOPInstanceUID = phantom_uid(patient.exam_id, "dose")
    ds.InstanceNumber = 1
    ds.ReferencedPerformedProcedureStepSequence = Sequence()
    ds.PerformedProcedureCodeSequence = Sequence()
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = code("113701", "DCM", "X-Ray Radiation Dose Report")
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "10011"
    ds.ContentTemplateSequence = Sequence([template])
    procedure = _item("CODE", "HAS CONCEPT MOD", ("121058", "DCM", "Procedure reported"))
    procedure.ConceptCodeSequence = code("77477000", "SCT", "Computed Tomography X-Ray")
    observer = _item("UIDREF", "HAS OBS CONTEXT", ("121012", "DCM", "Device Observer UID"))
    observer.UID = phantom_uid("scanner", patient.scanner)
    total = _item("CONTAINER", "CONTAINS", ("113811", "DCM", "CT Accumulated Dose Data"))
    total.ContinuityOfContent = "SEPARATE"
    total.ContentSequence = Sequence(
        [
            _quantity(
                ("113812", "DCM", "Total Number of Irradiation Events"), 1, ("{events}", "events")
            ),
            _quantity(("113813", "DCM", "CT Dose Length Product Total"), dlp, ("mGy.cm", "mGy.cm")),
        ]
    )
    ds.ContentSequence = Sequence([procedure, observer, total])
    return ds


def dose_screen(patient: Patient, dlp: float) -> Dataset:
    """Make a picture of the `dlp` (mGy cm) of `patient`, as many scanners append to a CT study."""
    ds = study(patient, "CT", (999, "dose", "Dose Report"))
    ds.SOPInstanceUID = phantom_uid(patient.exam_id, "dose")
    return screen(ds, ("DOSE", "CT CHEST", f"DLP {dlp:.1f}", "MGY CM"))


def screen(ds: Dataset, lines: tuple[str, ...]) -> Dataset:
    """Make `ds` a secondary capture (PS3.3 A.8) of a page of text, `lines`."""
    page = _page(lines)
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.BodyPartExamined = "CHEST"
    ds.ConversionType = "WSD"
    ds.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    ds.InstanceNumber = 1
    ds.PatientOrientation = ""
    ds.BurnedInAnnotation = "NO"
    pixel_format(ds, page.shape[0], page.shape[1], 8, False)
    ds.PixelData = page.tobytes()
    ds["PixelData"].VR = "OB"
    return ds

"""What is done to an attribute: the table of PS3.15 annex E, read from ``confidentiality.csv``.

Attributes that the table does not name are judged by their VR: numbers, codes and known UIDs stay,
text stays only where it is named here, what no dictionary knows goes.
"""

from __future__ import annotations

import csv
from collections.abc import Set
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from pydicom.datadict import tag_for_keyword

from covidx.errors import InvalidInputError

if TYPE_CHECKING:
    from pydicom.sr.coding import Code

Retain = Literal["dates", "descriptors", "device", "patient", "private"]
Action = Literal["keep", "clean", "shift", "uid", "dummy", "empty", "remove"]

PROFILE = "BasicApplicationConfidentialityProfile"
OPTIONS: dict[Retain, str] = {
    "dates": "RetainLongitudinalTemporalInformationModifiedDatesOption",
    "descriptors": "CleanDescriptorsOption",
    "device": "RetainDeviceIdentityOption",
    "patient": "RetainPatientCharacteristicsOption",
    "private": "RetainSafePrivateOption",
}
"""Options of the profile (PS3.15 E.3), by their names in CID 7050."""
DEFAULT_RETAIN: frozenset[Retain] = frozenset(OPTIONS)

TABLE = "confidentiality.csv"
DATE_VRS = ("DA", "DT", "TM")
SHORT_TEXT = ("LO", "SH", "CS")
"""VRs whose text can be cleaned word by word; longer text is removed."""
BYTES_VRS = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")
NUMBER_VRS = ("US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT", "DS", "IS", "AS")


def _tags(*keywords: str) -> frozenset[int]:
    found = {keyword: tag_for_keyword(keyword) for keyword in keywords}
    assert all(found.values()), found
    return frozenset(tag for tag in found.values() if tag is not None)


DATES_TOO = _tags(
    "FrameAcquisitionDateTime",
    "FrameReferenceDateTime",
    "InstanceCreationDate",
    "InstanceCreationTime",
)
"""Dates of the acquisition that the table's options have named only since. Other dates without an
option, such as a detector's last calibration, are the same for all patients: shifted by each one's
own days they would tell the shift."""

KEPT_TEXT = _tags(
    "AcquisitionDeviceProcessingCode",
    "CodeMeaning",
    "CodeValue",
    "CodingSchemeDesignator",
    "CodingSchemeVersion",
    "ConvolutionKernel",
    "DimensionDescriptionLabel",
    "FilterType",
    "ImagedNucleus",
    "LUTExplanation",
    "LUTLabel",
    "LongCodeValue",
    "Manufacturer",
    "ManufacturerModelName",
    "ModalityLUTType",
    "PulseSequenceName",
    "ReceiveCoilName",
    "RescaleType",
    "SequenceName",
    "SoftwareVersions",
    "StackID",
    "TransmitCoilName",
    "WindowCenterWidthExplanation",
)
"""Text beside the table that says how an image was made or must be read."""

KEPT_BYTES = _tags(
    "BluePaletteColorLookupTableData",
    "DoubleFloatPixelData",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "FloatPixelData",
    "GreenPaletteColorLookupTableData",
    "LUTData",
    "PixelData",
    "RedPaletteColorLookupTableData",
)


def codes_of(retain: Set[Retain]) -> list[Code]:
    """Codes of the profile and of the options in `retain` (PS3.16 CID 7050)."""
    from pydicom.sr.codedict import codes  # takes a tenth of a second

    names = (PROFILE, *(OPTIONS[option] for option in sorted(retain)))
    return [getattr(codes.DCM, name) for name in names]


def options_of(text: str) -> frozenset[Retain]:
    """Options by their names in `text`, with commas between them; ``none`` for none.

    Raises
    ------
    InvalidInputError
        ``OPTION_UNKNOWN``.
    """
    names = {name.strip() for name in text.split(",")}
    if names == {"none"}:
        return frozenset()
    if names - OPTIONS.keys():
        raise InvalidInputError(
            "OPTION_UNKNOWN",
            "The profile has no such option.",
            expected=", ".join((*OPTIONS, "none")),
            actual=text,
        )
    return frozenset(option for option in OPTIONS if option in names)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A row of the table; an option is true where the table keeps (K) or cleans (C)."""

    action: str
    device: bool
    patient: bool
    dates: bool
    descriptors: bool


@cache
def _rules() -> dict[int, _Rule]:
    text = files("covidx.ingest.deid").joinpath(TABLE).read_text().splitlines()
    rows = csv.DictReader(line for line in text if not line.startswith("#"))
    return {
        int(row["tag"], 16): _Rule(
            row["action"],
            row["device"] == "K",
            row["patient"] == "K",
            row["dates"] == "C",
            row["descriptors"] == "C",
        )
        for row in rows
    }


def action_on(tag: int, vr: str, retain: Set[Retain]) -> Action:
    """What is done to a standard attribute.

    Parameters
    ----------
    tag : int
        Of the pydicom dictionary; private and repeating groups are not asked for.
    vr : str
        Value representation, such as ``PN``.
    retain : set of str
        Options; see `OPTIONS`.

    Returns
    -------
    str
        ``keep`` means that a sequence is kept and its items are treated in turn.
    """
    rule = _rules().get(tag)
    if rule is None:
        return _unlisted(tag, vr)
    if "dates" in retain and vr in DATE_VRS and (rule.dates or tag in DATES_TOO):
        return "shift"
    if ("device" in retain and rule.device) or ("patient" in retain and rule.patient):
        return "keep"
    if "descriptors" in retain and rule.descriptors:
        if vr in SHORT_TEXT:
            return "clean"
        if vr == "SQ":
            return "keep"
    return basic_action(tag, vr)


def basic_action(tag: int, vr: str) -> Action:
    """What the basic profile alone does to the attribute `tag` of the value representation `vr`.

    Where it leaves a choice by the type of the attribute (such as X/Z/D), the one that suits every
    type is taken: a dummy rather than nothing. A sequence has no dummy.
    """
    action = _rules()[tag].action
    if vr == "SQ":
        keeps_references = "U" in action
        return "keep" if keeps_references else "remove" if "X" in action else "empty"
    if "U" in action or vr == "UI":
        return "uid"
    return "dummy" if "D" in action else "empty" if "Z" in action else "remove"


def _unlisted(tag: int, vr: str) -> Action:
    if vr == "UI":
        return "uid"
    if vr in (*NUMBER_VRS, "SQ", "CS") or tag in KEPT_TEXT or tag in KEPT_BYTES:
        return "keep"
    if vr in BYTES_VRS:
        return "remove"
    return "empty" if vr in DATE_VRS else "dummy"  # it may be of type 1

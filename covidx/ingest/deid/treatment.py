"""What becomes of each attribute of a data set that is de-identified, at any depth."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import UID

from covidx.ingest.deid.confidentiality import BYTES_VRS, KEPT_BYTES, Retain, action_on
from covidx.ingest.dicom.attributes import text_of
from covidx.ingest.identity import Identities
from covidx.ingest.words import DEFINED_TERMS, cleaned, holds_any, holds_bytes

PIXEL_GROUP = 0x7FE0
OVERLAYS = range(0x6000, 0x6100)
CURVES = range(0x5000, 0x5100)
SAFE_PRIVATE = (
    (0x0019, "SIEMENS MR HEADER", 0x0C),  # b value
    (0x0019, "SIEMENS MR HEADER", 0x0E),  # direction of the diffusion gradient
    (0x0019, "SIEMENS MR HEADER", 0x27),  # b matrix
    (0x0025, "GEMS_SERS_01", 0x07),  # images in the series
    (0x0043, "GEMS_PARM_01", 0x39),  # b value
    (0x2001, "Philips Imaging DD 001", 0x03),  # b factor
    (0x2005, "Philips MR Imaging DD 001", 0x0D),  # scale intercept
    (0x2005, "Philips MR Imaging DD 001", 0x0E),  # scale slope
)
"""Private attributes of PS3.15 table E.3.10-1 that hold nothing but numbers."""
PRIVATE_VRS = ("IS", "DS", "FL", "FD", "SL")

DUMMIES: dict[str, Any] = {
    "AS": "000Y",
    "DA": "19000101",
    "DT": "19000101000000",
    "TM": "000000",
    "DS": "0",
    "IS": "0",
    "UR": "http://removed.invalid",
}
DUMMY_TEXT, DUMMY_BYTES = "REMOVED", b"\0\0"
TEXT_VRS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT")

CODE_STRING = re.compile(r"[A-Z0-9_ ]{0,16}")
NUMBER = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *")
AGE = re.compile(r"\d{3}[DWMY]")
TIME = re.compile(r"\d{2}(:?\d{2}){0,2}(\.\d{1,6})?")
DATE_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})((\d{2}){0,3}(\.\d{1,6})?)([+-]\d{4})?")
PATTERNS = {"CS": CODE_STRING, "DS": NUMBER, "IS": NUMBER, "AS": AGE}
"""Of values that stay (PS3.5 6.2); what does not fit is no value of its VR, but may be a name."""
KNOWN_SCHEMES = (
    "DCM",
    "SCT",
    "SRT",
    "SNM3",
    "99SDM",
    "UCUM",
    "LN",
    "RADLEX",
    "FMA",
    "UMLS",
    "NCIt",
)
"""Coding schemes that no hospital made (PS3.16 section 8)."""


@dataclass(frozen=True)
class Treatment:
    """What every item of one data set is treated with."""

    ids: Identities
    retain: frozenset[Retain]
    words: frozenset[str]
    patient: str

    def treat(self, ds: Dataset) -> None:
        """Treat the data set `ds` and the items of its sequences, in place."""
        private = self._safe_private(ds) if "private" in self.retain else []
        for tag in list(ds.keys()):
            repeating = tag.group in OVERLAYS or tag.group in CURVES
            if tag.is_private or repeating or tag.element == 0 or not dictionary_has_tag(tag):
                del ds[tag]
            elif tag.group != PIXEL_GROUP or tag not in KEPT_BYTES:
                self._element(ds, tag)
        for group, creator, offset, element in private:
            block = ds.private_block(group, creator, create=True)
            block.add_new(offset, element.VR, element.value)

    def _safe_private(self, ds: Dataset) -> list[tuple[int, str, int, DataElement]]:
        found = []
        for group, creator, offset in SAFE_PRIVATE:
            if creator not in ds.private_creators(group):
                continue
            element = readable(ds, ds.private_block(group, creator).get_tag(offset))
            if element is None or element.VR not in PRIVATE_VRS:
                continue
            if all(NUMBER.fullmatch(str(value)) for value in listed(element.value)):
                found.append((group, creator, offset, element))
        return found

    def _element(self, ds: Dataset, tag: BaseTag) -> None:
        try:
            element = ds[tag]
            value = self._value(element)
        except Exception:  # what cannot be read cannot be judged
            value = None
        if value is None:
            del ds[tag]
        elif value is not element.value:
            element.value = value

    def _value(self, element: DataElement) -> Any:
        """The value that an element shall have; None where it goes."""
        tag, vr = element.tag, element.VR
        action = action_on(tag, vr, self.retain)
        if action == "keep":
            return self._sequence(element) if vr == "SQ" else self._kept(element)
        if action == "uid":
            return _one_or_all([self._uid(str(v)) for v in listed(element.value)])
        if action in ("shift", "clean"):
            better = self._shifted if action == "shift" else self._cleaned
            values = [better(vr, str(value)) for value in listed(element.value)]
            if all(values):
                return _one_or_all(values)
            action = action_on(tag, vr, frozenset())
        if action == "dummy":
            return element.value if element.is_empty else _dummy(vr)
        return _empty(vr) if action == "empty" else None

    def _kept(self, element: DataElement) -> Any:
        if element.keyword == "SpecificCharacterSet":
            return None  # what stays is ASCII
        values = [value for value in listed(element.value) if value is not None]
        pattern = PATTERNS.get(element.VR)
        if pattern is not None and not all(pattern.fullmatch(str(v)) for v in values):
            return None
        terms = element.VR == "CS" or element.keyword == "RescaleType"
        if terms and all(value in DEFINED_TERMS for value in values):
            return element.value
        if element.VR in TEXT_VRS and not self._harmless(values):
            return DUMMY_TEXT
        if isinstance(element.value, bytes) and holds_bytes(element.value, self.words):
            return None
        if element.keyword == "PatientAge":
            return self.ids.age_string(str(element.value))
        return element.value

    def _harmless(self, values: list[Any]) -> bool:
        return all(str(v).isascii() and not holds_any(str(v), self.words) for v in values)

    def _sequence(self, element: DataElement) -> Any:
        """The same sequence, its items treated; codes of a hospital's own scheme are left out."""
        kept = [item for item in element.value if _known_scheme(item)]
        for item in kept:
            self.treat(item)
        if len(kept) == len(element.value):
            return element.value
        return Sequence(kept) if kept else None

    def _uid(self, original: str) -> str:
        """A pseudonym, but for UIDs of the standard."""
        return original if is_registered(original) else self.ids.uid(original) or ""

    def _cleaned(self, _: str, text: str) -> str:
        return cleaned(text, self.words)

    def _shifted(self, vr: str, text: str) -> str | None:
        """A date moved by the patient's days; the time of day stays, less its zone."""
        text = text.strip()
        if vr == "TM":
            return text if TIME.fullmatch(text) else None
        found = DATE_TIME.fullmatch(text.replace(".", "") if vr == "DA" else text)
        if found is None:
            return None
        year, month, day, time = found.group(1, 2, 3, 4)
        moved = self.ids.date(f"{year}-{month}-{day}", self.patient)
        if moved is None or (vr == "DA" and time):
            return None
        return moved.replace("-", "") + time


def readable(ds: Dataset, tag: BaseTag) -> DataElement | None:
    """The element `tag` of `ds`, if it is there and is not malformed."""
    try:
        return ds[tag]
    except Exception:  # pydicom raises what it likes
        return None


def is_registered(uid: str) -> bool:
    """Whether `uid` is one of the standard's (PS3.6 annex A)."""
    return UID(uid).name != uid


def _known_scheme(item: Dataset) -> bool:
    scheme = text_of(item, "CodingSchemeDesignator")
    return not scheme or scheme in KNOWN_SCHEMES


def listed(value: Any) -> list[Any]:
    """Every value of an element whose `value` may be one or several."""
    if value is None:
        return []
    return list(value) if isinstance(value, MultiValue | list | tuple) else [value]


def _one_or_all(values: Iterable[Any]) -> Any:
    every = list(values)
    return every if len(every) > 1 else every[0] if every else ""


def _dummy(vr: str) -> Any:
    if vr in DUMMIES:
        return DUMMIES[vr]
    if vr in TEXT_VRS:
        return DUMMY_TEXT
    return DUMMY_BYTES if vr in BYTES_VRS else 0


def _empty(vr: str) -> Any:
    return [] if vr == "SQ" else b"" if vr in BYTES_VRS else ""

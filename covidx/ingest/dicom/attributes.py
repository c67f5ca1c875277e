"""Values of a data set as plain types; what is absent or malformed gives none, never an error."""

from __future__ import annotations

import math
from functools import cache

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID
from pydicom.valuerep import PersonName

TEXT_VRS = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "PN", "SH", "TM", "UI"))
"""VRs whose values are text between backslashes (PS3.5 6.2)."""
WORD_BYTES = {"US": 2, "UL": 4}
ESCAPE = b"\x1b"
"""Begins another character set (PS3.5 6.1.2.5.3)."""


def values(ds: Dataset, name: str) -> list[str]:
    """Every value of the attribute `name` of `ds` as text; none where it is absent or malformed."""
    tag, vr = _known(name)
    try:
        element = ds.get_item(tag)
        if element is None:
            return []
        if isinstance(element, RawDataElement):
            plain = _plain(element, element.VR or vr)
            if plain is not None:
                return plain
        value = ds[tag].value
    except Exception:  # pydicom raises what it likes on a malformed value
        return []
    if value is None:
        return []
    if isinstance(value, str | UID | bytes | PersonName) or not hasattr(value, "__iter__"):
        value = [value]
    return [str(v) for v in value]


@cache
def _known(name: str) -> tuple[BaseTag, str]:
    tag = Tag(name)
    return tag, dictionary_VR(tag)


def _plain(element: RawDataElement, vr: str) -> list[str] | None:
    """Values that need no library: in ASCII, or a whole number; None where they do.

    A scan reads forty values of each of ten thousand files, and pydicom's conversion, which knows
    of all VRs and character sets, takes three times as long as reading them.
    """
    data = element.value
    if not isinstance(data, bytes):
        return None
    if vr in TEXT_VRS and data.isascii() and ESCAPE not in data:
        return [text.rstrip(" \0") for text in data.decode("ascii").split("\\")]
    if vr in WORD_BYTES and len(data) == WORD_BYTES[vr]:
        return [str(int.from_bytes(data, "little" if element.is_little_endian else "big"))]
    return None


def text_of(ds: Dataset, name: str) -> str:
    """The attribute `name` of `ds` as one text, empty where there is none."""
    return "\\".join(values(ds, name)).replace("\0", "").strip()


def numbers_of(ds: Dataset, name: str, count: int) -> tuple[float, ...] | None:
    """`count` finite numbers; None where there are not exactly so many.

    Parameters
    ----------
    ds : Dataset
        Where the attribute is looked up.
    name : str
        Its keyword.
    count : int
        How many numbers it must have.
    """
    try:
        numbers = tuple(map(float, values(ds, name)))
    except ValueError:
        return None
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        return None
    return numbers


def number_of(ds: Dataset, name: str) -> float | None:
    """The attribute `name` of `ds` as one finite number, or None."""
    numbers = numbers_of(ds, name, 1)
    return None if numbers is None else numbers[0]


def positive_of(ds: Dataset, name: str) -> float | None:
    """The attribute `name` of `ds` as one number above 0, or None."""
    number = number_of(ds, name)
    return number if number is not None and number > 0 else None


def integer_of(ds: Dataset, name: str) -> int | None:
    """The attribute `name` of `ds` as one number cut to an integer, or None."""
    number = number_of(ds, name)
    return None if number is None else int(number)


def age_of(text: str) -> float | None:
    """Years from an age string `text` such as 062Y, 18M, 3W or 5D (PS3.5 6.2, VR AS)."""
    digits, unit = (text[:-1], text[-1:]) if text[-1:].isalpha() else (text, "Y")
    in_a_year = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}
    if not digits.isdigit() or unit not in in_a_year:
        return None
    return round(int(digits) / in_a_year[unit], 2)


def date_of(ds: Dataset) -> str:
    """ISO date of the acquisition of `ds`, else of its series or study; empty without one."""
    for name in ("AcquisitionDate", "SeriesDate", "StudyDate"):
        text = text_of(ds, name).replace(".", "")
        if len(text) == 8 and text.isdigit():
            return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return ""

"""Values of a data set as plain types; what is absent or malformed gives none, never an error."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pydicom.valuerep import PersonName

__all__ = [
    "age_of",
    "date_of",
    "integer_of",
    "number_of",
    "numbers_of",
    "positive_of",
    "text_of",
    "values",
]


def values(ds: Dataset, name: str) -> list[str]:
    """Every value of an attribute as text; none where it is absent or malformed."""
    try:
        value = ds.get(name)
    except Exception:  # pydicom raises what it likes on a malformed value
        return []
    if value is None:
        return []
    if isinstance(value, str | UID | bytes | PersonName) or not hasattr(value, "__iter__"):
        value = [value]
    return [str(v) for v in value]


def text_of(ds: Dataset, name: str) -> str:
    """An attribute as one text, empty where there is none."""
    return "\\".join(values(ds, name)).replace("\0", "").strip()


def numbers_of(ds: Dataset, name: str, count: int) -> tuple[float, ...] | None:
    """`count` finite numbers; None where there are not exactly so many."""
    try:
        numbers = tuple(float(v) for v in values(ds, name))
    except ValueError:
        return None
    if len(numbers) != count or not np.isfinite(numbers).all():
        return None
    return numbers


def number_of(ds: Dataset, name: str) -> float | None:
    """One finite number, or None."""
    numbers = numbers_of(ds, name, 1)
    return None if numbers is None else numbers[0]


def positive_of(ds: Dataset, name: str) -> float | None:
    """One number above 0, or None."""
    number = number_of(ds, name)
    return number if number is not None and number > 0 else None


def integer_of(ds: Dataset, name: str) -> int | None:
    """One number cut to an integer, or None."""
    number = number_of(ds, name)
    return None if number is None else int(number)


def age_of(text: str) -> float | None:
    """Years from an age string such as 062Y, 18M, 3W or 5D (PS3.5 6.2, VR AS)."""
    digits, unit = (text[:-1], text[-1:]) if text[-1:].isalpha() else (text, "Y")
    in_a_year = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}
    if not digits.isdigit() or unit not in in_a_year:
        return None
    return round(int(digits) / in_a_year[unit], 2)


def date_of(ds: Dataset) -> str:
    """ISO date of the acquisition, else of the series or study; empty where there is none."""
    for name in ("AcquisitionDate", "SeriesDate", "StudyDate"):
        text = text_of(ds, name).replace(".", "")
        if len(text) == 8 and text.isdigit():
            return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return ""

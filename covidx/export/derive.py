"""What all derived objects share: the equipment, new UIDs, and errors that quote no header."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from highdicom.base import SOPClass
from pydicom.uid import UID, generate_uid

import covidx
from covidx.errors import InvalidSeriesError
from covidx.export.codes import Algorithm
from covidx.export.locate import is_copy
from covidx.files import make_folder, replacing
from covidx.ingest.quiet import quiet

RESEARCH_ONLY = "Research use only"
"""Stands in every object's series description, since a PACS shows that."""

FIRST_SERIES = 9100
"""Series number of the first kind of object, above those of scanners. Modelling choice."""


def new_series(number: int, content: str) -> dict[str, Any]:
    """Attributes of a new series with one object: `number` of its kind, and `content` in words."""
    return {
        "series_instance_uid": generate_uid(prefix=None),
        "series_number": FIRST_SERIES + number,
        "sop_instance_uid": generate_uid(prefix=None),
        "instance_number": 1,
        "series_description": f"covidx {content}. {RESEARCH_ONLY}",
    }


def equipment(algorithm: Algorithm) -> dict[str, Any]:
    """General and Enhanced General Equipment (PS3.3 C.7.5.1, C.7.5.2), with `algorithm`."""
    return {
        "manufacturer": "covidx",
        "manufacturer_model_name": "covidx",
        "software_versions": [covidx.__version__, f"{algorithm.name} {algorithm.version}"[:64]],
        "device_serial_number": covidx.__version__,
    }


def derived_uid(*parts: str) -> UID:
    """A UID of the 2.25 root (PS3.5 B.2), the same for the same `parts`."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


@contextmanager
def deriving() -> Iterator[None]:
    """Silence highdicom, and turn its errors into one that quotes no value of a header.

    Raises
    ------
    InvalidSeriesError
        ``HEADER_UNFIT``.
    """
    try:
        with quiet():
            yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidSeriesError(
            "HEADER_UNFIT",
            "No object can be derived from these headers: they hold a value that DICOM "
            "does not allow.",
            actual=type(error).__name__,
            hint="Run dciodvfy (dicom3tools) on a file of the series to see what is wrong.",
        ) from None


def save(made: SOPClass, out: Path) -> Path:
    """Write the object `made` to `out`, atomically; if it has an identity, for its owner alone."""
    make_folder(out.absolute().parent)
    with replacing(out) as temporary, quiet():
        if not is_copy(made):
            temporary.touch(mode=0o600)
        made.save_as(temporary, enforce_file_format=True)
    return out

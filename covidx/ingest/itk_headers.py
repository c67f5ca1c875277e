"""What the headers of NRRD and MetaImage say, in one form, and what both have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.errors import InvalidInputError

FloatArray = NDArray[np.float64]

NRRD_START = b"NRRD00"
METAIMAGE_TAG = re.compile(rb"\s*(#.*\s+)?[A-Za-z]+ *=")
"""How a MetaImage begins: its tags are in no fixed order."""
LONGEST_HEADER = 1 << 20
LOCAL = "local"
"""In place of a file's name: the voxels follow the header."""

TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "MET_CHAR"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t", "MET_UCHAR"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int"), "i2"),
    **dict.fromkeys(("int16", "int16_t", "MET_SHORT"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int"), "u2"),
    **dict.fromkeys(("uint16", "uint16_t", "MET_USHORT"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "MET_INT", "MET_LONG"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("MET_UINT", "MET_ULONG"), "u4"),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long"), "i8"),
    **dict.fromkeys(("signed long long int", "int64", "int64_t", "MET_LONG_LONG"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int"), "u8"),
    **dict.fromkeys(("uint64", "uint64_t", "MET_ULONG_LONG"), "u8"),
    **dict.fromkeys(("float", "MET_FLOAT"), "f4"),
    **dict.fromkeys(("double", "MET_DOUBLE"), "f8"),
}
MM = {
    **dict.fromkeys(("", "mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1.0),
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer", "micrometers"), 0.001),
    **dict.fromkeys(("cm", "centimeter", "centimeters"), 10.0),
    **dict.fromkeys(("m", "meter", "meters", "metre"), 1000.0),
}
"""mm in a unit; where none is named it is mm, as ITK has it."""
SPATIAL_KINDS = ("domain", "space", "none", "???")
TIME_KINDS = ("time", "list", "domain", "none", "???")
NUMBERED = r"(?P<form>[^%]*%0?\d?[dui][^%]*?)"
"""A file's name with a place for a number, as C's printf has it."""
MOST_FILES = 100_000


@dataclass(frozen=True)
class Layout:
    """What a header says: where and how the voxels are kept, and where they lie.

    Attributes
    ----------
    size : tuple of int
        Voxels along each axis, fastest first; axes of one voxel that are not spatial are left out.
    time_axis : int, optional
        Which axis is that of time points; None where there is one volume.
    dtype : dtype
        Of a voxel, with its order of bytes.
    encoding : {"raw", "text", "hex", "gzip", "zlib", "bzip2"}
        Of the files.
    files : tuple of str
        Names of the files of voxels, of equal shares along the slowest axis; `LOCAL` where they
        follow the header.
    skip_lines, skip_packed, skip : int
        Lines, then bytes at the start of each file that are no voxels; and bytes once it is
        unpacked. -1 bytes: the voxels are the last of the file.
    axes : ndarray, shape (3, 3), optional
        The step in mm along each index as a column, in RAS+; None where it is not known.
    steps : tuple of float
        mm between voxels; empty where not known.
    origin : ndarray, shape (3,)
        mm of the first voxel in RAS+.
    notes : str
        Doubts about the place, each after a comma.
    """

    size: tuple[int, ...]
    time_axis: int | None
    dtype: np.dtype[Any]
    encoding: str
    files: tuple[str, ...]
    skip_lines: int
    skip_packed: int
    skip: int
    axes: FloatArray | None
    steps: tuple[float, ...]
    origin: FloatArray
    notes: str


def itk_name(start: bytes) -> str | None:
    """``nrrd`` or ``metaimage`` by the first bytes `start` of a file; None where it is neither."""
    if start.startswith(NRRD_START):
        return "nrrd"
    tags = (b"ObjectType", b"NDims", b"DimSize", b"ElementType")
    if METAIMAGE_TAG.match(start) and any(tag in start for tag in tags):
        return "metaimage"
    return None


def unsupported(what: str) -> InvalidInputError:
    """The error for a file that has `what`."""
    return InvalidInputError(
        "ITK_UNSUPPORTED",
        f"This NRRD or MetaImage file has {what}, which is not read; save it as NIfTI, as 3D"
        " Slicer and SimpleITK do.",
    )


def header_fields(stream: Any, is_nrrd: bool) -> tuple[dict[str, str], list[str]]:
    """The fields of a header, and the names of files that are listed at its end.

    It ends with the empty line of NRRD, the line that names MetaImage's voxels, or a list of files.

    Parameters
    ----------
    stream : binary stream
        At its beginning; left at the first byte behind the header.
    is_nrrd : bool
        Else it is of MetaImage.

    Raises
    ------
    EOFError
        Where it does not end.
    """
    fields: dict[str, str] = {}
    while stream.tell() < LONGEST_HEADER:
        raw = stream.readline(LONGEST_HEADER)
        line = raw.decode("utf-8", "surrogateescape").strip()
        if is_nrrd and not line and (raw or "datafile" in fields):
            return fields, []  # a header beside its voxels may end without an empty line
        if not raw:
            break
        name, _, value = line.partition(":" if is_nrrd else "=")
        name, value = name.strip(), value.strip()
        if line.startswith("#") or value.startswith("="):  # a remark, or a key of NRRD
            continue
        name = re.sub(r"\s", "", name.lower()) if is_nrrd else name
        fields[name] = value
        if name in ("datafile", "ElementDataFile") and value.split()[:1] == ["LIST"]:
            listed = stream.read(LONGEST_HEADER).decode("utf-8", "surrogateescape").splitlines()
            return fields, [line.strip() for line in listed if line.strip()]
        if name == "ElementDataFile":
            return fields, []
    if is_nrrd:
        raise EOFError
    return fields, []


def roles_of(
    size: Sequence[int], vectors: Sequence[Sequence[float] | None], kinds: Sequence[str]
) -> tuple[list[int], int | None]:
    """The axes of space, and that of time points; other axes have one voxel.

    Parameters
    ----------
    size : sequence of int
        Voxels along each axis.
    vectors : sequence of (sequence of float or None)
        The step along each axis in space, None where it is no axis of space; empty where not known.
    kinds : sequence of str
        NRRD's word for each axis; empty where not known.

    Raises
    ------
    InvalidInputError
        ``ITK_UNSUPPORTED``.
    """
    if vectors:
        # In a space with time, a step of the axis of time leads nowhere else.
        others = [i for i, v in enumerate(vectors) if v is None or (v[3:] and not any(v[:3]))]
    else:
        others = [i for i, kind in enumerate(kinds) if kind not in SPATIAL_KINDS]
    others = others or list(range(3, len(size)))
    spatial = [i for i in range(len(size)) if i not in others]
    several = [i for i in others if size[i] != 1]
    if any(kinds[i] not in TIME_KINDS for i in several if i < len(kinds)):
        raise unsupported("several channels")
    if len(several) > 1 or len(spatial) not in (2, 3):
        raise unsupported(f"a size of {' x '.join(map(str, size))}")
    return spatial, several[0] if several else None


def numbers_in(text: str) -> tuple[float, ...]:
    """Numbers that blanks or commas divide in `text`."""
    return tuple(float(part) for part in re.split(r"[,\s]+", text.strip()) if part)


def mm_in(units: Sequence[str]) -> tuple[float | None, str]:
    """mm in the unit that all axes share, of `units`, and a note; None where it is unknown."""
    named = {unit.strip().lower() for unit in units}
    factors = {MM.get(unit) for unit in named} or {1.0}
    factor = factors.pop() if len(factors) == 1 else None
    if factor is None:
        return None, ", its unit of length is not known"
    return factor, "" if factor == 1 else f", in a unit of {factor:g} mm"


def named_files(
    pattern: re.Pattern[str], text: str, names: list[str], slowest: int
) -> tuple[str, ...]:
    """The names of the files of voxels, by a list or by a name with numbers.

    Parameters
    ----------
    pattern : pattern
        Of a name with numbers: form, first, last and step.
    text : str
        What the header says of them.
    names : list of str
        What it lists at its end.
    slowest : int
        Voxels along the slowest axis: how many files there are where it is not said.

    Raises
    ------
    ValueError
        Where they are more than any scan's, or none.
    """
    if text.split()[:1] == ["LIST"]:
        if not names:
            raise ValueError
        return tuple(names)
    if text.lower() == LOCAL:
        return (LOCAL,)
    found = pattern.fullmatch(text)
    if found is None:
        return (text,)
    first = int(found["first"] or 1)
    last, step = int(found["last"] or first + slowest - 1), int(found["step"] or 1)
    numbers = range(first, last + (1 if step > 0 else -1), step)
    if len(numbers) > MOST_FILES:
        raise ValueError
    return tuple(found["form"] % number for number in numbers)

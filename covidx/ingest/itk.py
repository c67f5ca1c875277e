"""NRRD and MetaImage, in which ITK, Slicer and challenges (LUNA16, STOIC) keep volumes, in.

Their arrays run (column, row, slice), fastest first; a `Volume`'s (slices, rows, columns).
"""

from __future__ import annotations

import bz2
import math
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.constants import MAX_IMAGE_BYTES
from covidx.errors import InvalidInputError
from covidx.ingest.dicom.units import compact, found_units
from covidx.ingest.nifti_geometry import judged
from covidx.volume import Geometry, Volume

NAMES = {b"NRRD000": "nrrd", b"ObjectType": "metaimage", b"NDims": "metaimage"}
"""First bytes, and what they say (teem.sourceforge.net/nrrd/format.html; itk.org/Wiki/MetaIO)."""
LONGEST_HEADER = 1 << 20
LOCAL = "LOCAL"
TO_RAS = {
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
}
"""Signs that turn the axes of an NRRD space into RAS+."""
TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "MET_CHAR"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t", "MET_UCHAR"), "u1"),
    **dict.fromkeys(("short", "signed short", "int16", "int16_t", "MET_SHORT"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "uint16", "uint16_t", "MET_USHORT"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "MET_INT"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t", "MET_UINT"), "u4"),
    **dict.fromkeys(("float", "MET_FLOAT"), "f4"),
    **dict.fromkeys(("double", "MET_DOUBLE"), "f8"),
}


@dataclass(frozen=True)
class _Layout:
    """What a header says: where and how the voxels are kept, and where they lie.

    `axes` has the step in mm along each index as a column, in RAS+; None where it is not known.
    """

    size: tuple[int, ...]
    dtype: np.dtype[Any]
    encoding: str
    data: str
    axes: NDArray[np.float64] | None
    steps: tuple[float, ...]
    origin: NDArray[np.float64]


def read_itk(path: Path) -> tuple[Volume, str, tuple[Path, ...]]:
    """Read a volume, how its units and geometry were found, and of which files it was made.

    Parameters
    ----------
    path : Path
        NRRD or MetaImage, with its voxels in it or in a file of the same folder.

    Raises
    ------
    InvalidInputError
        ``ITK_UNSUPPORTED``, ``ITK_UNREADABLE``, or ``NIFTI_AFFINE`` where its axes are none.
    InvalidSeriesError
        ``VOLUME_INVALID``.
    """
    try:
        with path.open("rb") as stream:
            is_nrrd = stream.read(4) == b"NRRD"
            stream.seek(0)
            fields = _fields(stream, is_nrrd)
            layout = (_nrrd if is_nrrd else _metaimage)(fields)
            needed = math.prod(layout.size) * layout.dtype.itemsize
            if len(layout.size) != 3 or min(layout.size) < 1 or needed > MAX_IMAGE_BYTES:
                raise _unsupported(f"a size of {' x '.join(map(str, layout.size))}")
            data = path.parent / layout.data
            files: tuple[Path, ...] = (path,)
            if layout.data == LOCAL:
                voxels = stream.read()
            elif data.parent == path.parent and data.is_file():
                voxels, files = data.read_bytes(), (path, data)
            else:
                raise _unreadable("the file of its voxels is not beside it")
        array = np.frombuffer(_unpacked(voxels, layout.encoding, needed), layout.dtype)
        array = array.reshape(layout.size[::-1])  # (slices, rows, columns)
    except InvalidInputError:
        raise
    except (KeyError, ValueError, OSError, EOFError, zlib.error) as error:
        raise _unreadable(type(error).__name__) from error
    kept = compact(np.ascontiguousarray(array.astype(layout.dtype.newbyteorder("="))))
    geometry, affine, note = _place(layout)
    modality, units, units_from = found_units(kept, None, None)
    return Volume(kept, modality, units, geometry, affine), f"{units_from}; {note}", files


def _fields(stream: Any, is_nrrd: bool) -> dict[str, str]:
    """The header, up to the empty line of NRRD, or to the line that names MetaImage's voxels."""
    fields: dict[str, str] = {}
    while stream.tell() < LONGEST_HEADER:
        raw = stream.readline(LONGEST_HEADER)
        line = raw.decode("latin-1").strip()
        if raw and not line and is_nrrd:
            return fields
        if not raw:
            break
        name, _, value = line.partition(":" if is_nrrd else "=")
        if value and not value.startswith("="):  # what begins so is a remark of NRRD
            fields[name.strip()] = value.strip()
        if name.strip() == "ElementDataFile":
            return fields
    raise EOFError


def _nrrd(fields: dict[str, str]) -> _Layout:
    skips = [int(fields.get(name, fields.get(name.replace(" ", ""), 0))) for name in
             ("line skip", "byte skip")]  # fmt: skip
    if any(skips):
        raise _unsupported("bytes to be skipped")
    vectors = re.findall(r"none|\(([^)]*)\)", fields.get("space directions", ""))
    axes = [_numbers(vector) for vector in vectors if vector]
    signs = TO_RAS.get(fields.get("space", "").lower())
    place = signs is not None and len(axes) == 3
    order = "<" if fields.get("endian", "little") == "little" else ">"
    origin = _numbers(fields.get("space origin", "(0,0,0)").strip("()"))
    return _Layout(
        size=tuple(map(int, fields["sizes"].split())),
        dtype=np.dtype(order + TYPES[fields["type"]]),
        encoding=fields["encoding"].lower(),
        data=fields.get("data file", fields.get("datafile", LOCAL)),
        axes=np.diag(signs) @ np.array(axes).T if place else None,  # type: ignore[arg-type]
        steps=tuple(np.linalg.norm(axes, axis=1)) if axes else _numbers(fields.get("spacings", "")),
        origin=np.diag(signs) @ origin if place else np.zeros(3),  # type: ignore[arg-type]
    )


def _metaimage(fields: dict[str, str]) -> _Layout:
    if fields.get("ElementNumberOfChannels", "1") != "1" or fields.get("BinaryData") == "False":
        raise _unsupported("several channels, or numbers as text")
    if fields.get("HeaderSize", "0") not in ("0", "-1"):
        raise _unsupported("bytes to be skipped")
    big = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    steps = _numbers(fields.get("ElementSpacing", ""))
    matrix = _numbers(fields.get("TransformMatrix", fields.get("Orientation", "")))
    place = len(steps) == 3 and len(matrix) == 9
    to_ras = np.diag([-1.0, -1.0, 1.0])  # ITK's space is LPS+
    origin = _numbers(fields.get("Offset", fields.get("Position", fields.get("Origin", "0 0 0"))))
    return _Layout(
        size=tuple(map(int, fields["DimSize"].split())),
        dtype=np.dtype((">" if big == "True" else "<") + TYPES[fields["ElementType"]]),
        encoding="zlib" if fields.get("CompressedData") == "True" else "raw",
        data=fields["ElementDataFile"],
        # Each direction is three numbers in a row; steps are along the indices.
        axes=to_ras @ np.reshape(matrix, (3, 3)).T @ np.diag(steps) if place else None,
        steps=steps,
        origin=to_ras @ origin if place else np.zeros(3),
    )


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in re.split(r"[,\s]+", text.strip()) if part)


def _unpacked(data: bytes, encoding: str, needed: int) -> bytes:
    if encoding in ("gzip", "gz", "zlib"):
        data = zlib.decompressobj(wbits=47).decompress(data, needed)  # gzip or zlib
    elif encoding in ("bzip2", "bz2"):
        data = bz2.BZ2Decompressor().decompress(data, needed)
    elif encoding != "raw":
        raise _unsupported(f"the encoding {encoding[:16]}")
    return data[:needed]


def _place(layout: _Layout) -> tuple[Geometry, NDArray[np.float64] | None, str]:
    if layout.axes is not None:
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = layout.axes, layout.origin
        return judged(affine, "the header", "")
    if len(layout.steps) == 3 and min(layout.steps) > 0:
        return "spacing_only", np.diag([*layout.steps, 1.0]), "spacing alone, no orientation"
    return "none", None, "it has neither place nor spacing"


def _unsupported(what: str) -> InvalidInputError:
    return InvalidInputError(
        "ITK_UNSUPPORTED",
        f"This NRRD or MetaImage file has {what}, which is not read; save it as NIfTI.",
    )


def _unreadable(why: str) -> InvalidInputError:
    return InvalidInputError(
        "ITK_UNREADABLE",
        f"The NRRD or MetaImage file cannot be read ({why}); it may be truncated.",
    )

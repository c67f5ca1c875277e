"""What a file is, by its first bytes; its name counts for nothing."""

from __future__ import annotations

import zlib
from bz2 import BZ2File
from collections.abc import Callable
from gzip import GzipFile
from io import BufferedIOBase
from lzma import LZMAError, LZMAFile
from pathlib import Path
from typing import Literal

__all__ = ["START_BYTES", "Format", "decompressor_of", "format_of", "is_zip"]

Format = Literal["dicom", "nifti", "raster", "archive", "none"]

START_BYTES = 512
"""Of a file, that tell what it is; one block of a TAR archive."""

RASTER_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
"""First bytes of PNG (ISO/IEC 15948) and JPEG (ISO/IEC 10918-1)."""

NIFTI_MAGICS = (b"n+1\0", b"ni1\0", b"n+2\0", b"ni2\0")
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
"""A member, or the end of an archive without any (APPNOTE 4.3)."""

Opener = Callable[[Path], BufferedIOBase]
DECOMPRESSORS: dict[bytes, Opener] = {
    b"\x1f\x8b\x08": GzipFile,  # RFC 1952
    b"BZh": BZ2File,
    b"\xfd7zXZ\0": LZMAFile,
}


def format_of(start: bytes, path: Path) -> Format:
    """Tell what a file is.

    Parameters
    ----------
    start : bytes
        Its first `START_BYTES`.
    path : Path
        Where more is read if it is compressed.
    """
    if start[128:132] == b"DICM":
        return "dicom"
    if start.startswith(RASTER_STARTS):
        return "raster"
    if _is_nifti(start):
        return "nifti"
    if is_zip(start) or _is_tar(start):
        return "archive"
    if decompressor_of(start) is not None:
        return _format_within(start, path)
    return "dicom" if _may_lack_preamble(start) else "none"


def decompressor_of(start: bytes) -> Opener | None:
    """What opens a compressed file for reading; None where it is not compressed."""
    for magic, opener in DECOMPRESSORS.items():
        if start.startswith(magic):
            return opener
    return None


def is_zip(start: bytes) -> bool:
    """Whether a file starts as a ZIP archive."""
    return start.startswith(ZIP_STARTS)


def _format_within(start: bytes, path: Path) -> Format:
    """A compressed NIfTI or TAR.

    Where what is within cannot be read, the name tells whether it would be a NIfTI; else it is
    handed on as an archive, to be refused as a damaged one.
    """
    opener = decompressor_of(start)
    assert opener is not None
    named = path.name.lower().endswith(".nii.gz")
    try:
        with opener(path) as stream:
            within = stream.read(START_BYTES)
    except (OSError, EOFError, ValueError, zlib.error, LZMAError, MemoryError):
        return "nifti" if named else "archive"
    if _is_tar(within):
        return "archive"
    return "nifti" if _is_nifti(within) or named else "none"


def _is_nifti(start: bytes) -> bool:
    return start[344:348] in NIFTI_MAGICS or start[4:8] in NIFTI_MAGICS


def _is_tar(start: bytes) -> bool:
    """Whether a block's sum is that which it states, its own field counted as blanks (POSIX ustar).

    Older archives have no magic, so that the sum is what tells.
    """
    if len(start) < START_BYTES:
        return False
    try:
        stated = int(start[148:156].strip(b"\0 ").decode("ascii"), 8)
    except ValueError:
        return False
    return stated == sum(start[:148]) + 8 * ord(" ") + sum(start[156:512])


def _may_lack_preamble(start: bytes) -> bool:
    """Whether a file starts like a data set: group 0002 or 0008, then a VR or a short length."""
    if len(start) < 8 or start[:2] not in (b"\x02\x00", b"\x08\x00", b"\x00\x08"):
        return False
    explicit = start[4:6].isalpha() and start[4:6].isupper()
    return explicit or int.from_bytes(start[4:8], "little") < 1024

"""What a file is, by its first bytes; its name counts for nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from covidx.ingest.compressed import DAMAGED, decompressor_of, first_bytes
from covidx.ingest.dicom.file import PREFIX, START_BYTES, has_preamble, may_be_bare
from covidx.ingest.itk_headers import itk_name

Format = Literal["dicom", "nifti", "itk", "raster", "archive", "binary", "empty", "none"]
"""``binary``: bytes of no format known here; ``none``: text, and formats that hold no image."""

RASTER_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
"""First bytes of PNG (ISO/IEC 15948) and JPEG (ISO/IEC 10918-1)."""

NIFTI_MAGICS = (b"n+1\0", b"ni1\0", b"n+2\0", b"ni2\0")
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
"""A member, or the end of an archive without any (APPNOTE 4.3)."""

UNREAD = (
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (0, b"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
    (0, b"II*\0", "a TIFF image", "save it as PNG"),
    (0, b"MM\0*", "a TIFF image", "save it as PNG"),
    (0, b"II+\0", "a BigTIFF image", "save it as PNG"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture", "save it as PNG"),
    (0, b"GIF8", "a GIF picture", "save it as PNG"),
    (8, b"WEBP", "a WebP picture", "save it as PNG"),
    (0, b"\x5c\x01\0\0", "an Analyze 7.5 or raw header", "save the image as NIfTI"),
)
"""Place and first bytes of formats that hold images and are not read, and what to do."""

TEXT_BYTES = bytes({7, 8, 9, 10, 12, 13, 27, *range(0x20, 0x7F), *range(0x80, 0x100)})


def format_of(start: bytes, path: Path) -> Format:
    """Tell what a file is.

    Parameters
    ----------
    start : bytes
        Its first `START_BYTES`.
    path : Path
        Where more is read if it is compressed.
    """
    if has_preamble(start) or start.startswith(PREFIX):
        return "dicom"
    if start.startswith(RASTER_STARTS):
        return "raster"
    if _is_nifti(start):
        return "nifti"
    if itk_name(start) is not None:
        return "itk"
    if is_zip(start) or _is_tar(start):
        return "archive"
    if decompressor_of(start) is not None:
        return _format_within(path)
    if may_be_bare(start):
        return "dicom"
    if not start:
        return "empty"
    return "binary" if start.translate(None, TEXT_BYTES) else "none"


def why_not_read(start: bytes) -> tuple[str, str] | None:
    """Code and reason if a file that begins with `start` is of an image format that is not read."""
    for place, magic, what, remedy in UNREAD:
        if start.startswith(magic, place):
            return "FORMAT_UNSUPPORTED", f"This is {what}, which is not read; {remedy}."
    return None


def is_zip(start: bytes) -> bool:
    """Whether a file with the first bytes `start` is a ZIP archive."""
    return start.startswith(ZIP_STARTS)


def _format_within(path: Path) -> Format:
    """A compressed NIfTI, NRRD, MetaImage, DICOM or TAR.

    Where what is within cannot be read, the name tells whether it would be a NIfTI; else it is
    handed on as an archive, to be refused as a damaged one.
    """
    named = path.name.lower().endswith(".nii.gz")
    try:
        within = first_bytes(path, START_BYTES)
    except DAMAGED:
        return "nifti" if named else "archive"
    if _is_tar(within):
        return "archive"
    if has_preamble(within):
        return "dicom"
    if itk_name(within) is not None:
        return "itk"
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

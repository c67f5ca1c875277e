"""A DICOM file to its data set: wrappings that other readers cope with are put right first."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLSLossless,
)

from covidx.constants import MAX_IMAGE_BYTES
from covidx.errors import InvalidInputError
from covidx.ingest.compressed import decompressor_of

START_BYTES = 512
"""Of a file, that tell what it is; one block of a TAR archive."""
PREFIX = b"DICM"
"""Stands behind a preamble of 128 bytes (PS3.10 7.1)."""
META_GROUP = b"\x02\x00"
DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"
"""Ends encapsulated pixels (PS3.5 A.4); some writers leave it out at the end of a file."""
NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
FRAME_MARKERS = {
    0xC0: JPEGBaseline8Bit,
    0xC1: JPEGExtended12Bit,
    0xC3: JPEGLossless,
    0xF7: JPEGLSLossless,
}
"""Start of a frame (ITU-T T.81 table B.1, T.87 C.1.1)."""
LONGEST_TABLE = 1 << 16
"""Bytes in which the first stream begins: before it are the offsets of the frames."""


def has_preamble(start: bytes) -> bool:
    """Whether a file with the first bytes `start` begins as PS3.10 7.1 says.

    A bare data set may have the four letters there by chance, in a text.
    """
    if start[128:132] != PREFIX:
        return False
    return start[132:134] == META_GROUP or not may_be_bare(start)


def may_be_bare(start: bytes) -> bool:
    """Whether `start` is that of a data set: group 0002 or 0008, then a VR or a short length."""
    if len(start) < 8 or start[:2] not in (META_GROUP, b"\x08\x00", b"\x00\x08"):
        return False
    explicit = start[4:6].isalpha() and start[4:6].isupper()
    return explicit or int.from_bytes(start[4:8], "little") < 1024


def dicom_stream(stream: BinaryIO, start: bytes) -> BinaryIO:
    """The bytes of a file as pydicom reads them, from their beginning.

    A compressed file is unpacked as it is read; one that begins with the letters DICM, or holds
    them by chance, gets the preamble that it lacks.

    Parameters
    ----------
    stream : binary file
        At any position; read from its beginning.
    start : bytes
        Its first `START_BYTES`.
    """
    stream.seek(0)
    opener = decompressor_of(start)
    if opener is not None:
        unpacked: BinaryIO = opener(stream)
        return dicom_stream(unpacked, unpacked.read(START_BYTES))
    if start.startswith(PREFIX):
        return BytesIO(bytes(128) + stream.read())
    if start[128:132] == PREFIX and not has_preamble(start):
        return BytesIO(bytes(128) + PREFIX + stream.read())
    return stream


def read_dicom(path: Path | str, **options: Any) -> FileDataset:
    """Read a file; of encapsulated pixels the end may be missing, or their syntax wrong.

    Parameters
    ----------
    path : Path or str
        The file; it may be compressed, or lack its preamble.
    **options
        Of `pydicom.dcmread`, such as ``specific_tags``; with any, pixels are left as they are.

    Raises
    ------
    InvalidInputError
        ``IMAGE_TOO_LARGE``, of a compressed file; pydicom's errors where the file is damaged.
    """
    with Path(path).open("rb") as plain:
        start = plain.read(START_BYTES)
        stream = dicom_stream(plain, start)
        if decompressor_of(start) is not None:
            stream = BytesIO(_whole(stream))
        ds = dcmread(stream, force=True, **options)
        if options:
            return ds
        syntax = UID(ds.file_meta.get("TransferSyntaxUID") or ImplicitVRLittleEndian)
        if "PixelData" not in ds and syntax.is_encapsulated:
            stream.seek(0)
            ds = dcmread(BytesIO(stream.read() + DELIMITER), force=True)
    _name_syntax(ds)
    return ds


def _whole(stream: BinaryIO) -> bytes:
    data = stream.read(MAX_IMAGE_BYTES + 1)
    if len(data) > MAX_IMAGE_BYTES:
        raise InvalidInputError(
            "IMAGE_TOO_LARGE",
            "The compressed file would unpack to more than any image.",
            expected=f"at most {MAX_IMAGE_BYTES:,} bytes",
        )
    return data


def _name_syntax(ds: FileDataset) -> None:
    """Name the encoding of pixels that are encapsulated though the file says that they are not.

    Only encapsulated pixels have no length of their own (PS3.5 A.4), and their stream says what it
    is.
    """
    named = UID(ds.file_meta.get("TransferSyntaxUID") or ImplicitVRLittleEndian)
    if "PixelData" not in ds or not ds["PixelData"].is_undefined_length:
        return
    if named in NATIVE:
        ds.file_meta.TransferSyntaxUID = _syntax_of(ds.PixelData) or named


def _syntax_of(data: bytes) -> UID | None:
    """The transfer syntax of the first stream of encapsulated pixels; None where it is no JPEG."""
    if b"\xff\x4f\xff\x51" in data[:LONGEST_TABLE]:  # SOC, SIZ (ITU-T T.800 A.4)
        return JPEG2000Lossless
    place = data.find(b"\xff\xd8\xff", 0, LONGEST_TABLE) + 2
    while place > 1 and data[place : place + 1] == b"\xff":
        marker = data[place + 1]
        if marker in FRAME_MARKERS:
            return FRAME_MARKERS[marker]
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None

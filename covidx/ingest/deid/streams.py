"""Text that lies in compressed pixel data: comments and application data, blanked where they are.

Every length stays, so that no offset changes; no sample changes either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom import uid

from covidx.errors import InvalidInputError

NATIVE = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
"""Transfer syntaxes without encapsulation."""
JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
JPEGS = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
JPEGS_2000 = (
    uid.JPEG2000Lossless,
    uid.JPEG2000,
    uid.JPEG2000MCLossless,
    uid.JPEG2000MC,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.HTJ2K,
)

ITEM, DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
SOI, EOI, SOS, COM = 0xD8, 0xD9, 0xDA, 0xFE
APPLICATIONS = range(0xE0, 0xF0)
NEEDED = ((0xE0, b"JFIF\0", 14), (0xEE, b"Adobe", 12), (0xE8, b"mrfx", 5))
"""Application data that tell the colours of JPEG and JPEG-LS: marker, beginning, length."""
NEXT_JPEG = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
NEXT_JPEG_LS = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
"""The first marker after coded data (ITU-T T.81 B.1.1.5; T.87 A.1)."""
SOC, SOT, SOD, COM_2000, EOC = 0x4F, 0x90, 0x93, 0x64, 0xD9
"""Markers of JPEG 2000 (ITU-T T.800, table A.2)."""

Span = tuple[int, int]


def without_text(data: bytes, syntax: str) -> bytes:
    """Encapsulated pixel data whose streams hold no comment, nor bytes behind their end.

    Parameters
    ----------
    data : bytes
        As in the file: items with the offset table and the fragments (PS3.5 A.4).
    syntax : str
        Transfer syntax; RLE has no place for text.

    Raises
    ------
    InvalidInputError
        ``SYNTAX_UNSUPPORTED``, or ``STREAM_BROKEN`` where a stream cannot be followed.
    """
    if syntax == uid.RLELossless:
        return data
    if syntax not in (*JPEGS, *JPEG_LS, *JPEGS_2000):
        raise InvalidInputError(
            "SYNTAX_UNSUPPORTED", "It is not known where these pixel data could hold text."
        )
    start = bytes((0xFF, SOC, 0xFF)) if syntax in JPEGS_2000 else bytes((0xFF, SOI, 0xFF))
    result = bytearray(data)
    try:
        for spans in _streams(data, start):
            stream = bytearray(b"".join(data[low:high] for low, high in spans))
            for low, high in _texts(stream, syntax):
                stream[low:high] = bytes(high - low)
            for low, high in spans:
                result[low:high] = stream[: high - low]
                del stream[: high - low]
    except (IndexError, ValueError) as error:
        raise InvalidInputError(
            "STREAM_BROKEN", "The compressed pixels are broken, so that text may hide in them."
        ) from error
    return bytes(result)


def _streams(data: bytes, start: bytes) -> Iterator[list[Span]]:
    """The fragments of each frame; the first item is the offset table."""
    spans: list[Span] = []
    items = _items(data)
    next(items, None)
    for low, high in items:
        if data[low : low + 3] == start and spans:
            yield spans
            spans = []
        spans.append((low, high))
    if not spans:
        raise ValueError("no fragments")
    yield spans


def _items(data: bytes) -> Iterator[Span]:
    place = 0
    while place < len(data):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        low, high = place + 8, place + 8 + length
        if data[place : place + 4] == DELIMITER:
            if data[low:].strip(b"\0"):
                raise ValueError("bytes after the last fragment")
            return
        if data[place : place + 4] != ITEM or high > len(data):
            raise ValueError("no item where one must be")
        yield low, high
        place = high


def _texts(stream: bytes | bytearray, syntax: str) -> Iterator[Span]:
    """Where a stream holds what is no image."""
    if syntax in JPEGS_2000:
        yield from _texts_of_2000(stream)
    else:
        yield from _texts_of_jpeg(stream, NEXT_JPEG_LS if syntax in JPEG_LS else NEXT_JPEG)


def _texts_of_jpeg(stream: bytes | bytearray, scan_end: re.Pattern[bytes]) -> Iterator[Span]:
    if stream[:2] != bytes((0xFF, SOI)):
        raise ValueError("no start")
    place = 2
    while True:
        if stream[place] != 0xFF:
            raise ValueError("no marker where one must be")
        marker = stream[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        if marker == EOI:
            yield place + 2, len(stream)
            return
        body, end = place + 4, place + 2 + _number(stream, place + 2, 2)
        if end < body or end > len(stream):
            raise ValueError("a segment runs out of the stream")
        if marker == COM or (marker in APPLICATIONS and not _is_needed(marker, stream[body:end])):
            yield body, end
        if marker == SOS:
            found = scan_end.search(stream, end)
            if found is None:
                raise ValueError("no end")
            end = found.start()
        place = end


def _is_needed(marker: int, body: bytes | bytearray) -> bool:
    return any(
        marker == wanted and body.startswith(start) and len(body) == length
        for wanted, start, length in NEEDED
    )


def _texts_of_2000(stream: bytes | bytearray) -> Iterator[Span]:
    """Comments in the main header and in those of tile-parts (T.800 A.4.2, A.9.2)."""
    if stream[:2] != bytes((0xFF, SOC)):
        raise ValueError("no start")
    place, after_part = 2, 0
    while place + 2 <= len(stream):
        marker = stream[place + 1]
        if stream[place] != 0xFF:
            raise ValueError("no marker where one must be")
        if marker == EOC:
            yield place + 2, len(stream)
            return
        if marker == SOD:
            place = after_part
            continue
        end = place + 2 + _number(stream, place + 2, 2)
        if end < place + 4 or end > len(stream):
            raise ValueError("a segment runs out of the stream")
        if marker == SOT:
            length = _number(stream, place + 6, 4)
            after_part = place + length if length else _end_of_last_part(stream)
            if after_part <= end:
                raise ValueError("a tile-part without length")
        if marker == COM_2000:
            yield place + 6, end  # behind its length and Rcom
        place = end


def _end_of_last_part(stream: bytes | bytearray) -> int:
    """A tile-part without length goes on to the end of the codestream (A.4.2)."""
    place = stream.rfind(bytes((0xFF, EOC)))
    return place if place >= 0 else len(stream)


def _number(stream: bytes | bytearray, place: int, size: int) -> int:
    return int.from_bytes(stream[place : place + size], "big")

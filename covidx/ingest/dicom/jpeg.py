"""JPEG Lossless and 12-bit JPEG by GDCM, each stream checked before: a plugin for pydicom.

pydicom does not let GDCM try 12 bits, which it decodes as DCMTK does. It runs in a process of its
own: what passes the checks may still end it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

from covidx.ingest.dicom.gdcm_process import Frame, decode_apart

DECODER_DEPENDENCIES = {
    JPEGExtended12Bit: ("gdcm>=3.0.24",),
    JPEGLossless: ("gdcm>=3.0.24",),
    JPEGLosslessSV1: ("gdcm>=3.0.24",),
}
"""What pydicom tells where a plugin is not available."""

SOI, EOI, SOS, DHT, DQT, DRI, COM = 0xD8, 0xD9, 0xDA, 0xC4, 0xDB, 0xDD, 0xFE
EXTENDED, LOSSLESS = 0xC1, 0xC3
APPLICATIONS = range(0xE0, 0xF0)
"""Markers of JPEG (ITU-T T.81, table B.1)."""

NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The first marker after coded data, in which FF is followed by 00 or is a restart (B.1.1.5)."""

EXTENDED_BITS = 12


def is_available(uid: str) -> bool:
    """Whether this plugin decodes the transfer syntax `uid`."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode one frame `src`, as `runner` describes it, to samples of BitsAllocated bits.

    Raises
    ------
    ValueError
        Where the stream is not sound, not as the header says, or not understood by GDCM.
    """
    extended = runner.transfer_syntax == JPEGExtended12Bit
    frame = EXTENDED if extended else LOSSLESS
    size = (runner.rows, runner.columns, runner.samples_per_pixel)
    # 12 bits allocated make GDCM take its 12-bit decoder at once, not after a complaint.
    stored = EXTENDED_BITS if extended else runner.bits_stored
    allocated = EXTENDED_BITS if extended else runner.bits_allocated
    description = Frame(
        syntax=str.__str__(runner.transfer_syntax),
        photometric=str(runner.photometric_interpretation),
        rows=runner.rows,
        columns=runner.columns,
        samples=runner.samples_per_pixel,
        planar=runner.planar_configuration if runner.samples_per_pixel > 1 else 0,
        allocated=allocated,
        stored=stored,
        signed=runner.pixel_representation,
    )
    return decode_apart(sound_stream(src, frame, size), description)


def sound_stream(src: bytes, frame: int, size: tuple[int, int, int]) -> bytes:
    """Check the markers of a JPEG stream (ITU-T T.81, annex B) against what it should hold.

    Parameters
    ----------
    src : bytes
        One frame of encapsulated pixels.
    frame : int
        Start-of-frame marker expected: 0xC1 for extended, 0xC3 for lossless.
    size : tuple of int
        Rows, columns and samples.

    Returns
    -------
    bytes
        The stream without comments and application data, which say nothing of the samples.

    Raises
    ------
    ValueError
        Saying what is wrong.
    """
    markers: list[int] = []
    kept = [bytes((0xFF, SOI))]
    for marker, segment in _segments(src):
        body = segment[4:]
        if marker == DHT:
            _check_tables(body)
        elif marker == frame:
            _check_frame(body, frame, size)
        elif marker == SOS:
            _check_scan(body[: int.from_bytes(segment[2:4], "big") - 2], frame)
        elif marker == COM or marker in APPLICATIONS:
            continue
        elif marker not in (DQT, DRI, EOI):
            raise ValueError("the stream is of another kind")
        markers.append(marker)
        kept.append(segment)
    if markers[-1:] != [EOI] or SOS not in markers or markers.count(frame) != 1:
        raise ValueError("the stream lacks a part, or has one twice")
    return b"".join(kept)


def _segments(src: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers after SOI with all that belongs to them, to EOI; a scan's has its coded data."""
    if src[:2] != bytes((0xFF, SOI)):
        raise ValueError("the stream does not begin as JPEG")
    place = 2
    while place + 2 <= len(src):
        marker = src[place + 1]
        if src[place] != 0xFF:
            raise ValueError("no marker where one must be")
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        if marker == EOI:
            yield marker, src[place : place + 2]
            return
        end = place + 2 + int.from_bytes(src[place + 2 : place + 4], "big")
        if end < place + 4 or end > len(src):
            raise ValueError("a segment runs out of the stream")
        if marker == SOS:
            found = NEXT_MARKER.search(src, end)
            if found is None:
                raise ValueError("the stream has no end")
            end = found.start()
        yield marker, src[place:end]
        place = end


def _check_frame(body: bytes, frame: int, size: tuple[int, int, int]) -> None:
    rows, columns, samples = size
    if len(body) != 6 + 3 * samples:
        raise ValueError("the frame has other samples than the header says")
    bits = range(2, 17) if frame == LOSSLESS else (8, EXTENDED_BITS)
    stated = (int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big"), body[5])
    if body[0] not in bits or stated != (rows, columns, samples):
        raise ValueError("the frame is not of the size that the header gives")
    if any(factors != 0x11 for factors in body[7::3]):
        raise ValueError("the samples are not all of one size")


def _check_scan(body: bytes, frame: int) -> None:
    count = body[0] if body else 0
    if not 1 <= count <= 4 or len(body) != 4 + 2 * count:
        raise ValueError("the head of a scan is broken")
    if any(tables & 0x0F > 3 or tables >> 4 > 3 for tables in body[2 : 1 + 2 * count : 2]):
        raise ValueError("a scan names a table that cannot be")
    predictor, last, bits = body[-3:]
    if frame == LOSSLESS and (not 1 <= predictor <= 7 or last or bits >= 16):
        raise ValueError("a scan has no known predictor")


def _check_tables(body: bytes) -> None:
    """Huffman tables: class and place, then how many codes of 1 to 16 bits, then their symbols."""
    place = 0
    while place < len(body):
        counts = body[place + 1 : place + 17]
        # Codes of n bits taken, doubled for each further bit, must fit (C.2).
        taken = list(accumulate(counts, lambda codes, more: 2 * codes + more, initial=0))
        fits = all(codes <= 1 << bits for bits, codes in enumerate(taken))
        if len(counts) != 16 or body[place] & 0x0F > 3 or body[place] >> 4 > 1 or not fits:
            raise ValueError("a Huffman table is broken")
        place += 17 + sum(counts)
    if place != len(body):
        raise ValueError("a Huffman table is broken")

"""GDCM in a process of its own, since it ends the one that it runs in on some broken streams."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from functools import cache
from typing import IO

SECONDS = 60.0
"""A frame may take; a stream on which GDCM does not end is broken."""
SIZE_BYTES = 8
FAILED = (1 << 8 * SIZE_BYTES) - 1
"""Instead of a size: GDCM cannot decode it."""


@dataclass(frozen=True)
class Frame:
    """Description of a frame for GDCM: names as DICOM has them, sizes in pixels."""

    syntax: str
    photometric: str
    rows: int
    columns: int
    samples: int
    planar: int
    allocated: int
    stored: int
    signed: int


def decode_apart(stream: bytes, frame: Frame) -> bytes:
    """Samples of one `frame`, little endian, decoded from `stream` by GDCM.

    Raises
    ------
    ValueError
        Where GDCM cannot decode it, ends its process, or does not end.
    """
    process = _process(os.getpid())
    try:
        return _request(process, stream, frame)
    except (OSError, EOFError) as error:
        process.kill()
        process.wait()
        _process.cache_clear()
        raise ValueError("the stream ended the decoder") from error


@cache
def _process(_: int) -> subprocess.Popen[bytes]:
    """One for each process that asks; it ends with it, when its input does."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-P", __file__],  # not as a module: it needs nothing else of covidx
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _request(process: subprocess.Popen[bytes], stream: bytes, frame: Frame) -> bytes:
    assert process.stdin is not None and process.stdout is not None
    for part in (json.dumps(asdict(frame)).encode(), stream):
        process.stdin.write(len(part).to_bytes(SIZE_BYTES, "big") + part)
    process.stdin.flush()
    until = time.monotonic() + SECONDS
    size = int.from_bytes(_read(process.stdout, SIZE_BYTES, until), "big")
    if size == FAILED:
        raise ValueError("GDCM cannot decode the stream")
    return _read(process.stdout, size, until)


def _read(source: IO[bytes], size: int, until: float) -> bytes:
    parts: list[bytes] = []
    while size:
        ready, _, _ = select.select([source], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise TimeoutError("the decoder does not end")
        parts.append(os.read(source.fileno(), size))
        if not parts[-1]:
            raise EOFError("the decoder ended")
        size -= len(parts[-1])
    return b"".join(parts)


def _decoded(stream: bytes, frame: Frame) -> bytes | None:
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((frame.columns, frame.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(frame.photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    if frame.samples > 1:
        image.SetPlanarConfiguration(frame.planar)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(frame.syntax)))
    image.SetPixelFormat(
        gdcm.PixelFormat(
            frame.samples, frame.allocated, frame.stored, frame.stored - 1, frame.signed
        )
    )
    decoded = image.GetBuffer()
    if decoded is None:
        return None
    result: bytes = decoded.encode("utf-8", "surrogateescape")  # GDCM gives bytes as text
    return result


def _serve(source: IO[bytes], answers: IO[bytes]) -> None:
    while size := source.read(SIZE_BYTES):
        frame = Frame(**json.loads(source.read(int.from_bytes(size, "big"))))
        stream = source.read(int.from_bytes(source.read(SIZE_BYTES), "big"))
        result = _decoded(stream, frame)
        size_sent = FAILED if result is None else len(result)
        answers.write(size_sent.to_bytes(SIZE_BYTES, "big") + (result or b""))
        answers.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)

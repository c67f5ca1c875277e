"""Files in gzip (RFC 1952), bzip2 or xz, by their first bytes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

Opener = Callable[..., Any]
"""Takes a path or a binary stream."""
DECOMPRESSORS: dict[bytes, Opener] = {
    b"\x1f\x8b\x08": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}


DAMAGED = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, MemoryError)
"""What a compressed file that is damaged makes them raise."""


def first_bytes(path: Path, size: int) -> bytes:
    """The first `size` bytes of what the file `path` holds, compressed or not.

    Raises
    ------
    OSError, or others of `DAMAGED`
        Where it cannot be unpacked.
    """
    with path.open("rb") as plain:
        start = plain.read(size)
    opener = decompressor_of(start)
    if opener is None:
        return start
    with opener(path) as stream:
        unpacked: bytes = stream.read(size)
    return unpacked


def decompressor_of(start: bytes) -> Opener | None:
    """What opens a compressed file by its first bytes `start`; None where it is not compressed."""
    for magic, opener in DECOMPRESSORS.items():
        if start.startswith(magic):
            return opener
    return None

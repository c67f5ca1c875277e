"""Files in gzip (RFC 1952), bzip2 or xz, by their first bytes."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from typing import Any

Opener = Callable[..., Any]
"""Takes a path or a binary stream."""
DECOMPRESSORS: dict[bytes, Opener] = {
    b"\x1f\x8b\x08": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}


def decompressor_of(start: bytes) -> Opener | None:
    """What opens a compressed file by its first bytes `start`; None where it is not compressed."""
    for magic, opener in DECOMPRESSORS.items():
        if start.startswith(magic):
            return opener
    return None

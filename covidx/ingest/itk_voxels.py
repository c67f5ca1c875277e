"""Voxels of NRRD and MetaImage: which files they lie in, and how they are encoded there."""

from __future__ import annotations

import bz2
import os
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.errors import InvalidInputError
from covidx.ingest.itk_headers import LOCAL, Layout, unsupported

UNPACKING: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=47),  # gzip or zlib, whichever its header says
    "zlib": lambda: zlib.decompressobj(wbits=47),
    "bzip2": bz2.BZ2Decompressor,
}


def read_voxels(
    layout: Layout, path: Path, stream: Any, n_voxels: int
) -> tuple[NDArray[Any], tuple[Path, ...]]:
    """All voxels of an image in the order of the file, and the files that they were read from.

    Parameters
    ----------
    layout : Layout
        Of the header.
    path : Path
        Of the header.
    stream : binary stream
        Of the header's file, at the header's end.
    n_voxels : int
        How many there are.

    Raises
    ------
    InvalidInputError
        ``ITK_VOXELS_MISSING``: a file is not there, or neither beside the header nor in a folder
        there; ``ITK_UNSUPPORTED``.
    EOFError, ValueError, OSError, zlib.error
        Where there are fewer voxels, or others than the header says.
    """
    if layout.files == (LOCAL,):
        if layout.skip_packed > 0:  # MetaImage counts from the start of the file
            stream.seek(layout.skip_packed)
        return _decoded(stream, layout, n_voxels, min(layout.skip_packed, 0)), (path,)
    share, rest = divmod(n_voxels, len(layout.files))
    if rest:
        raise ValueError
    files = [_beside(path, name) for name in layout.files]
    parts = []
    for file in files:
        with file.open("rb") as voxels:
            parts.append(_decoded(voxels, layout, share, layout.skip_packed))
    return np.concatenate(parts) if parts[1:] else parts[0], (path, *dict.fromkeys(files))


def _beside(path: Path, name: str) -> Path:
    """A file of voxels; one that is elsewhere is not read, since a header may name any file."""
    file = path.parent / name
    if file.is_file() and file.parent.resolve().is_relative_to(path.parent.resolve()):
        return file
    raise InvalidInputError(
        "ITK_VOXELS_MISSING",
        "A file of voxels that this header names is not beside it; copy it there.",
        path=path,
    )


def _decoded(stream: Any, layout: Layout, n: int, skip_packed: int) -> NDArray[Any]:
    """`n` voxels from `stream`, which stands before lines and bytes to be skipped."""
    for _ in range(layout.skip_lines):
        if not stream.readline():
            raise EOFError
    needed, skip = n * layout.dtype.itemsize, layout.skip
    if -1 in (skip, skip_packed):
        if layout.encoding != "raw":
            raise unsupported(f"voxels in {layout.encoding} at the end of their file")
        return np.frombuffer(stream.read()[-needed:], layout.dtype, n)
    if min(skip, skip_packed, layout.skip_lines) < 0:
        raise ValueError
    stream.seek(skip_packed, os.SEEK_CUR)
    if layout.encoding in UNPACKING:
        data = _unpacked(stream.read(), UNPACKING[layout.encoding], skip + needed)
        return np.frombuffer(data, layout.dtype, n, skip)
    stream.seek(skip, os.SEEK_CUR)
    if layout.encoding == "raw":
        return np.frombuffer(stream.read(needed), layout.dtype, n)
    if layout.encoding == "hex":
        return np.frombuffer(bytes.fromhex(stream.read().decode("ascii")), layout.dtype, n)
    return _numbers(stream.read(), layout.dtype, n)


def _unpacked(data: bytes, unpacking: Callable[[], Any], needed: int) -> bytearray:
    """At least `needed` bytes, where there are as many, and hardly more: it may be a bomb.

    A file may have several members. One byte beyond what is needed makes the sum be checked.
    """
    unpacked = bytearray()
    while data and len(unpacked) < needed:
        member = unpacking()
        unpacked += member.decompress(data, needed + 1 - len(unpacked))
        if not member.eof and len(unpacked) <= needed:
            raise EOFError
        data = member.unused_data
    return unpacked


def _numbers(text: bytes, dtype: np.dtype[Any], n: int) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # of a word that is no number
        try:
            values = np.fromstring(text.decode("ascii"), sep=" ", count=n)
        except DeprecationWarning as error:
            raise ValueError from error
    with np.errstate(invalid="ignore", over="ignore"):
        numbers = values.astype(dtype)
    if len(values) < n or (dtype.kind in "iu" and not np.array_equal(numbers, values)):
        raise ValueError
    return numbers

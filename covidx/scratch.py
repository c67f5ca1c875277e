"""Large arrays that need not lie in memory: in a file without a name, which the system swaps."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from covidx.constants import MAX_ARRAY_BYTES
from covidx.errors import StoreError

A = TypeVar("A", bound=np.generic)


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Make an array of zeros of `shape` and `dtype`, a large one in a temporary file.

    It lies in a file above `constants.MAX_ARRAY_BYTES`; the file goes when the array does.

    Raises
    ------
    StoreError
        ``DISK_FULL``: the folder of temporary files (``TMPDIR``) has no room for it.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= MAX_ARRAY_BYTES:
        return np.zeros(shape, dtype)
    with tempfile.TemporaryFile(prefix="covidx-") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)  # later, a full disk would kill the process
        except OSError as error:
            raise StoreError(
                "DISK_FULL",
                "There is no room for an image that is too large for memory.",
                path=tempfile.gettempdir(),
                expected=f"{size:,} bytes",
                actual=error.strerror,
                hint="Make room there, or set TMPDIR to a folder on another disk.",
            ) from error
        return np.ndarray(shape, dtype, buffer=mmap.mmap(file.fileno(), size))


def let_go(*arrays: NDArray[Any]) -> None:
    """Take `arrays` of `zeros` that lie in files out of memory; they are read again when needed."""
    for array in arrays:
        base: Any = array
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, mmap.mmap):
            base.madvise(mmap.MADV_DONTNEED)


def planes(array: NDArray[A]) -> Iterator[NDArray[A]]:
    """Yield the slices of `array` (its first axis), and take each out of memory after its use."""
    for plane in array:
        yield plane
        let_go(array)


def in_order(array: NDArray[A]) -> NDArray[A]:
    """Copy `array` into C order unless each axis has a shorter stride than the one before.

    An array that is merely flipped stays a view.
    """
    steps = [abs(step) for step in array.strides]
    if steps == sorted(steps, reverse=True):
        return array
    ordered: NDArray[A] = zeros(array.shape, array.dtype)
    for plane, values in zip(ordered, array, strict=True):
        plane[...] = values
        let_go(ordered, array)
    return ordered

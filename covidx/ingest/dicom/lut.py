"""Lookup tables of DICOM: modality and VOI (PS3.3 C.11.1.1, C.11.2.1.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset


def looked_up(
    values: NDArray[Any], item: Dataset, little: bool, *, signed: bool = False
) -> NDArray[np.uint16]:
    """Values through the table of a Modality or VOI LUT Sequence item.

    What lies below the first value mapped gets the first entry, what lies above the last, the last.
    pydicom's own functions index by 8 bits where the entries have 8, and refuse 12-bit entries.

    Parameters
    ----------
    values : ndarray
        Whole numbers, or near to them: a table knows nothing between.
    item : Dataset
        Item of a Modality or VOI LUT Sequence (PS3.3 C.11.1, C.11.2).
    little : bool
        Whether the file is little endian.
    signed : bool
        Whether the values may lie below 0: the first value mapped has their sign, whatever its VR.

    Raises
    ------
    ValueError
        Where the table has not as many entries as it says.
    """
    table, first, _ = table_of(item, little)
    if signed and first >= 1 << 15:
        first -= 1 << 16
    whole = values if values.dtype.kind in "iu" else np.rint(values)
    places = np.clip(whole.astype(np.int64) - first, 0, len(table) - 1)
    result: NDArray[np.uint16] = table[places]
    return result


def table_of(item: Dataset, little: bool) -> tuple[NDArray[np.uint16], int, int]:
    """Entries, first value mapped and bits an entry of the LUT `item`, by its byte order `little`.

    Raises
    ------
    ValueError
        Where the table has not as many entries as it says.
    """
    count, first, bits = (int(v) for v in item.LUTDescriptor)
    count = (count & 0xFFFF) or 1 << 16  # 0 stands for 65,536, which 16 bits cannot hold
    data: Any = item.LUTData
    if isinstance(data, bytes):
        packed = bits <= 8 and len(data) in (count, count + 1)  # padded to an even length
        words = np.dtype("u1" if packed else "<u2" if little else ">u2")
        data = np.frombuffer(data, words, count=min(count, len(data) // words.itemsize))
    table = np.atleast_1d(np.asarray(data)).astype(np.uint16)
    if len(table) < count:
        raise ValueError("the table has not as many entries as it says")
    return table[:count], first, bits

"""Stored values to measured ones: a plane of a CT or MR with its rescale and its padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from covidx.constants import AIR_HU, HU_RANGE, MOST_HU, TISSUE_BAND_HU
from covidx.errors import InvalidSeriesError
from covidx.ingest.dicom.decode import (
    decode,
    exceeds_bits_stored,
    is_lossy,
    sign_contradicts,
    unreadable,
    without_unused_bits,
)
from covidx.ingest.dicom.header import Header
from covidx.ingest.dicom.lut import looked_up

SIGN_CONTRADICTED = "the JPEG 2000 stream is signed, though PixelRepresentation says unsigned"


@dataclass(frozen=True, eq=False)
class Plane:
    """One decoded plane.

    Attributes
    ----------
    values : ndarray, shape (rows, columns)
        After the modality rescale; integer where slope and intercept are.
    padded : int
        Pixels of padding that were set to air.
    notes : tuple of str
        What was unusual.
    """

    values: NDArray[Any]
    padded: int = 0
    notes: tuple[str, ...] = ()


def read_plane(header: Header, ds: Dataset) -> Plane:
    """Decode the plane of `header` in `ds`, of CT or MR, with its own rescale (PS3.3 C.11.1.1.2).

    Padding of a CT (PS3.3 C.7.5.1.1.2) becomes air, unless it maps into the range of tissue, where
    it cannot be distinguished from a measurement; so does one value alone above what a CT measures,
    declared or not. MONOCHROME1 says how values are shown, not what they are.

    Raises
    ------
    InvalidSeriesError
        ``RESCALE_INVALID``, ``NOT_GREYSCALE``, or as `decode`.
    """
    stored = decode(ds, header.path, header.frame)
    if stored.ndim != 2:
        raise InvalidSeriesError(
            "NOT_GREYSCALE", "The image has colour, and so no measured values.", path=header.path
        )
    padding = padding_of(ds, stored) if header.modality == "CT" else None
    values, notes = measured(without_unused_bits(ds, stored), ds, header), remarks_on(ds, stored)
    if padding is not None and padding.any():
        level = float(measured(stored[padding], ds, header).max())  # with bits not stored, if set
        if TISSUE_BAND_HU[0] - 800 < level < HU_RANGE[1]:
            notes = (*notes, f"padding that maps to {level:g} was left as it is")
            padding = None
    elif header.modality == "CT":
        padding = _impossible(values)
        if padding is not None:
            notes = (*notes, "padding that is not declared, of a value that no CT measures")
    if padding is None or not padding.any():
        return Plane(values, 0, notes)
    values = values.copy()
    values[padding] = AIR_HU
    return Plane(values, int(padding.sum()), notes)


def _impossible(values: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Pixels above what a CT measures, where all of them have one value; None where not."""
    if values.max() <= MOST_HU:
        return None
    beyond: NDArray[np.bool_] = values > MOST_HU
    level = values[beyond]
    return beyond if (level == level[0]).all() else None


def remarks_on(ds: Dataset, stored: NDArray[Any]) -> tuple[str, ...]:
    """Notes for the receipt on pixels, by their data set `ds` and their words `stored`."""
    remarks = []
    if exceeds_bits_stored(ds, stored):
        remarks.append("values have more bits than BitsStored says, and were kept")
    if sign_contradicts(ds):
        remarks.append(SIGN_CONTRADICTED)
    if ds.get("BurnedInAnnotation") == "YES":
        remarks.append("BurnedInAnnotation is YES: the pixels may show who the patient is")
    if is_lossy(ds):
        remarks.append("lossy compression changed the values")
    return tuple(remarks)


def padding_of(ds: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which words of `stored` are padding, not measurements; None where `ds` declares none."""
    value = ds.get("PixelPaddingValue")
    if not isinstance(value, int) or stored.dtype.kind not in "iu":
        return None
    bits = 8 * stored.dtype.itemsize
    limit = ds.get("PixelPaddingRangeLimit")
    limit = limit if isinstance(limit, int) else value
    # Some scanners write the padding of signed pixels as unsigned, or the other way round.
    if stored.dtype.kind == "i":
        value, limit = (v - (1 << bits) if v >= 1 << (bits - 1) else v for v in (value, limit))
    else:
        value, limit = (v + (1 << bits) if v < 0 else v for v in (value, limit))
    low, high = min(value, limit), max(value, limit)
    mask: NDArray[np.bool_] = (stored >= low) & (stored <= high)
    return mask


def measured(stored: NDArray[Any], ds: Dataset, header: Header) -> NDArray[Any]:
    """Stored values through the modality LUT or the plane's rescale (PS3.3 C.11.1).

    Parameters
    ----------
    stored : ndarray
        Decoded words of the pixels.
    ds : Dataset
        The image's data set.
    header : Header
        Its header, with the plane's own slope and intercept.

    Raises
    ------
    InvalidSeriesError
        ``RESCALE_INVALID``, or ``PIXELS_UNREADABLE`` where the LUT is broken.
    """
    sequence = ds.get("ModalityLUTSequence") if header.frame is None else None
    if sequence:  # the sequence and the rescale exclude each other (PS3.3 C.11.1)
        try:
            little, signed = bool(ds.original_encoding[1]), stored.dtype.kind == "i"
            return looked_up(stored, sequence[0], little, signed=signed)
        except Exception as error:  # a damaged item makes pydicom raise nearly anything
            raise unreadable(header.path, error) from error
    slope = 1.0 if header.slope is None else header.slope
    intercept = 0.0 if header.intercept is None else header.intercept
    if slope == 0:
        raise InvalidSeriesError(
            "RESCALE_INVALID", "RescaleSlope is 0: it makes all pixels one.", path=header.path
        )
    if slope == 1 and intercept == 0:
        return stored
    if stored.dtype.kind in "iu" and slope.is_integer() and intercept.is_integer():
        top = (1 << 8 * stored.dtype.itemsize) * abs(int(slope)) + abs(int(intercept))
        if top < 1 << 63:
            wide = stored.astype(np.int32 if top < 1 << 31 else np.int64)
            return wide * int(slope) + int(intercept)
    return stored.astype(np.float64) * slope + intercept


def may_be_negative(ds: Dataset, header: Header) -> bool:
    """Whether `measured` may give a radiograph values below 0, by its `ds` and `header` alone.

    On it depends the sign of the first value that a VOI LUT maps (PS3.3 C.11.2.1.1), which implicit
    VR cannot tell.
    """
    if ds.get("ModalityLUTSequence"):
        return False
    bits = header.bits_stored or 16
    lowest = -(1 << (bits - 1)) if ds.get("PixelRepresentation") == 1 else 0
    ends = (lowest, lowest + (1 << bits) - 1)
    slope = 1.0 if header.slope is None else header.slope
    return min(slope * end for end in ends) + (header.intercept or 0.0) < 0

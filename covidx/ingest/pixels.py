"""Stored values to meaningful ones: decoding, rescale, padding, greys of a radiograph."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from covidx.constants import AIR_HU, DISPLAY_MAX, HU_RANGE, TISSUE_BAND_HU
from covidx.errors import InvalidSeriesError
from covidx.ingest.header import Header

__all__ = ["Plane", "read_dataset", "read_plane", "read_radiograph"]

PIXEL_TAGS = [
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PlanarConfiguration",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "VOILUTFunction",
    "WindowCenter",
    "WindowWidth",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "FloatPixelData",
    "DoubleFloatPixelData",
    "PixelData",
]
"""Attributes needed to decode; everything else is skipped unread."""


@dataclass(frozen=True, eq=False)
class Plane:
    """One decoded plane.

    Attributes
    ----------
    values : ndarray, shape (rows, columns)
        After the modality rescale; integer where slope and intercept are.
    padded : int
        Pixels of padding that were set to air.
    note : str
        What was unusual, or empty.
    """

    values: NDArray[Any]
    padded: int = 0
    note: str = ""


def read_dataset(path: str) -> Dataset:
    """Read what decoding needs of one file.

    Raises
    ------
    InvalidSeriesError
        ``PIXELS_UNREADABLE``.
    """
    try:
        with warnings.catch_warnings():
            # pydicom's warnings name the file, and so perhaps a patient.
            warnings.simplefilter("ignore")
            ds = dcmread(Path(path), specific_tags=PIXEL_TAGS, force=True)
        if "TransferSyntaxUID" not in ds.file_meta:
            # Without a meta header the syntax is what the data set could be parsed as.
            ds.file_meta.TransferSyntaxUID = _plain_syntax(ds)
        return ds
    except Exception as error:  # a damaged file makes pydicom raise nearly anything
        raise _unreadable(path, error) from error


def _plain_syntax(ds: Dataset) -> UID:
    implicit, little = ds.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _decode(ds: Dataset, path: str, frame: int | None) -> NDArray[Any]:
    try:
        with warnings.catch_warnings():
            # Too many bytes is a warning to pydicom; too few is an error to us.
            warnings.simplefilter("ignore")
            values = pixel_array(ds, index=frame)
    except Exception as error:  # nor do decoders agree on what they raise
        raise _unreadable(path, error) from error
    if values.ndim != 2:
        raise InvalidSeriesError(
            "NOT_GREYSCALE",
            "The image has colour, or several frames where one was expected.",
            path=path,
            actual=values.shape,
        )
    return values


def _unreadable(path: str, error: Exception) -> InvalidSeriesError:
    return InvalidSeriesError(
        "PIXELS_UNREADABLE",
        f"The pixels cannot be decoded ({type(error).__name__}); the file may be truncated.",
        path=path,
    )


def read_plane(header: Header, ds: Dataset) -> Plane:
    """Decode one plane of a CT or MR series and apply its own rescale (PS3.3 C.11.1.1.2).

    Padding of a CT (PS3.3 C.7.5.1.1.2) becomes air, unless it maps into the range of tissue, where
    it cannot be told from a measurement.

    Raises
    ------
    InvalidSeriesError
        ``PIXELS_UNREADABLE`` or ``NOT_GREYSCALE``.
    """
    stored = _decode(ds, header.path, header.frame)
    padding = _padding(ds, stored) if header.modality == "CT" else None
    values = _rescaled(_without_unused_bits(ds, stored), ds, header)
    if padding is None or not padding.any():
        return Plane(values)
    level = float(values[padding].max())
    if TISSUE_BAND_HU[0] - 800 < level < HU_RANGE[1]:
        return Plane(values, 0, f"padding that maps to {level:g} was left as it is")
    values = values.copy()
    values[padding] = AIR_HU
    return Plane(values, int(padding.sum()))


def _padding(ds: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    value = ds.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    bits = 8 * stored.dtype.itemsize
    limit = ds.get("PixelPaddingRangeLimit", value)
    limit = limit if isinstance(limit, int) else value
    if stored.dtype.kind == "i":
        # Some scanners write the padding of signed pixels as unsigned.
        value, limit = (v - (1 << bits) if v >= 1 << (bits - 1) else v for v in (value, limit))
    low, high = min(value, limit), max(value, limit)
    mask: NDArray[np.bool_] = (stored >= low) & (stored <= high)
    return mask


def _without_unused_bits(ds: Dataset, stored: NDArray[Any]) -> NDArray[Any]:
    """Bits above HighBit are not pixel data (PS3.5 8.1.1); overlays once lay there."""
    allocated, used = 8 * stored.dtype.itemsize, ds.get("BitsStored")
    if stored.dtype.kind not in "iu" or not isinstance(used, int) or not 0 < used < allocated:
        return stored
    shift = allocated - used
    result: NDArray[Any] = (stored << shift) >> shift  # arithmetic for signed types
    return result


def _rescaled(stored: NDArray[Any], ds: Dataset, header: Header) -> NDArray[Any]:
    if "ModalityLUTSequence" in ds and header.frame is None:
        # The sequence and the rescale exclude each other (PS3.3 C.11.1).
        lut: NDArray[Any] = apply_modality_lut(stored, ds)
        return lut
    slope = 1.0 if header.slope is None else header.slope
    intercept = 0.0 if header.intercept is None else header.intercept
    if stored.dtype.kind in "iu" and slope.is_integer() and intercept.is_integer():
        if slope == 1 and intercept == 0:
            return stored
        return stored.astype(np.int32) * int(slope) + int(intercept)
    return stored.astype(np.float64) * slope + intercept


def read_radiograph(header: Header) -> Plane:
    """Decode a radiograph to greys of 0 to 255 as a viewer would show them.

    Modality LUT, then VOI LUT (the sequence before the window, PS3.3 C.11.2), then the inversion
    of MONOCHROME1 (PS3.3 C.7.6.3.1.2): its lowest value is shown white.

    Raises
    ------
    InvalidSeriesError
        ``PIXELS_UNREADABLE`` or ``NOT_GREYSCALE``.
    """
    ds = read_dataset(header.path)
    stored = _without_unused_bits(ds, _decode(ds, header.path, None))
    try:
        # Whole numbers stay whole under a rescale of 1 and 0, which every DX image has: a VOI LUT
        # is a table, and is indexed by them.
        values = apply_voi_lut(_rescaled(stored, ds, header), ds, prefer_lut=True)
    except Exception as error:
        raise _unreadable(header.path, error) from error
    plain = values is stored and header.bits_stored == 8
    low, high = (0, DISPLAY_MAX) if plain else (float(values.min()), float(values.max()))
    if high <= low:
        raise InvalidSeriesError("IMAGE_BLANK", "Every pixel has the same value.", path=header.path)
    if plain:
        greys = values.astype(np.uint8)
    else:
        scaled = (values.astype(np.float64) - low) / (high - low) * DISPLAY_MAX
        greys = scaled.astype(np.float32)
    inverted = header.photometric == "MONOCHROME1"
    note = "MONOCHROME1 was inverted" if inverted else ""
    return Plane(DISPLAY_MAX - greys if inverted else greys, 0, note)

"""A radiograph as a viewer shows it: greys of 0 to 255."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_windowing
from pydicom.uid import DigitalXRayImageStorageForProcessing

from covidx.constants import COLOUR_TOLERANCE, DISPLAY_MAX
from covidx.errors import InvalidSeriesError
from covidx.ingest.dicom.attributes import numbers_of
from covidx.ingest.dicom.decode import decode, read_dataset, unreadable, without_unused_bits
from covidx.ingest.dicom.header import Header
from covidx.ingest.dicom.lut import looked_up, table_of
from covidx.ingest.dicom.pixels import Plane, may_be_negative, measured, padding_of, remarks_on

Array = NDArray[Any]

NEARLY_ALL = 0.995
"""Share of pixels that are black, or white, from which a window shows nothing."""


def read_radiograph(header: Header) -> Plane:
    """Decode the radiograph of `header` to greys of 0 to 255 as a viewer would show them.

    Modality LUT, then VOI LUT (the sequence before the window, PS3.3 C.11.2), then the inversion
    of MONOCHROME1 (PS3.3 C.7.6.3.1.2): its lowest value is shown white. Without either, or where
    they show nothing, the greys run from the least to the greatest value. Padding (PS3.3
    C.7.5.1.1.2) is shown black. RGB, YBR and palette images are read where their channels are
    equal, so that they are grey.

    Raises
    ------
    InvalidSeriesError
        ``NOT_GREYSCALE``, ``IMAGE_BLANK``, ``RESCALE_INVALID``, or as `decode`.
    """
    ds = read_dataset(header.path)
    words = decode(ds, header.path, None)
    notes = [*remarks_on(ds, words), *_remarks_on_use(ds)]
    if words.ndim == 3 or header.photometric == "PALETTE COLOR":
        grey = _grey_of_colour(words, ds, header)
        _check_not_blank(grey, header)
        return Plane(grey, 0, (*notes, "a colour image whose channels are equal"))
    padding = padding_of(ds, words)
    stored = without_unused_bits(ds, words)
    values = measured(stored, ds, header)
    greys, remarks = _displayed(values, ds, header)
    notes += remarks
    if greys is None or _shows_nothing(greys, padding):
        if greys is not None:
            notes.append("its window or VOI LUT shows nothing, and was not used")
        kept = values if padding is None else values[~padding]
        _check_not_blank(kept, header)
        greys = _scaled(values, float(kept.min()), float(kept.max()))
    if header.photometric == "MONOCHROME1":
        greys = DISPLAY_MAX - greys
        notes.append("MONOCHROME1 was inverted")
    if _contradicts(ds.get("PresentationLUTShape"), header.photometric):
        notes.append("PresentationLUTShape contradicts PhotometricInterpretation, which was obeyed")
    if padding is not None and padding.any():
        greys[padding] = 0
        notes.append(f"{int(padding.sum())} padded pixels were set to black")
    return Plane(greys, 0, tuple(notes))


def _remarks_on_use(ds: Dataset) -> list[str]:
    """What tells a radiograph from one that is made for looking at."""
    remarks = []
    raw = ds.get("SOPClassUID") == DigitalXRayImageStorageForProcessing
    if raw or ds.get("PresentationIntentType") == "FOR PROCESSING":
        remarks.append("FOR PROCESSING: values of the detector, not made for looking at")
    # It is there where no spacing is, and pixels are not square (PS3.3 C.7.6.3.1.7).
    ratio = numbers_of(ds, "PixelAspectRatio", 2)
    if ratio is not None and ratio[0] != ratio[1]:
        remarks.append(f"its pixels are {ratio[0]:g} high and {ratio[1]:g} wide, and were left so")
    return remarks


def _displayed(values: Array, ds: Dataset, header: Header) -> tuple[Array | None, list[str]]:
    """Greys by the VOI LUT, else by the window, else of 8 bits as they are; and remarks."""
    sequence = ds.get("VOILUTSequence")
    if sequence:
        try:
            little = bool(ds.original_encoding[1])
            table, _, bits = table_of(sequence[0], little)
            shown = looked_up(values, sequence[0], little, signed=may_be_negative(ds, header))
        except Exception as error:  # a damaged item makes pydicom raise nearly anything
            raise unreadable(header.path, error) from error
        # Some tables have greater entries than they say.
        return _scaled(shown, 0, max((1 << bits) - 1, int(table.max()))), []
    notes = []
    if ds.get("WindowCenter") is not None and ds.get("WindowWidth") is not None:
        try:
            return _windowed(values, ds), []
        except Exception:  # widths of 0 are common, and say nothing
            notes.append("the window cannot be used")
    if values.dtype.kind == "u" and header.bits_stored == 8:
        return values.astype(np.uint8), notes
    return None, notes


def _windowed(values: Array, ds: Dataset) -> Array:
    """Apply the first window by its function (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    view = Dataset()
    view.PhotometricInterpretation = "MONOCHROME2"
    # The range that pydicom maps the window to: it would take it from the file's rescale, whose
    # slope may be negative.
    view.BitsStored, view.PixelRepresentation = ds.get("BitsStored") or 16, 0
    view.WindowCenter, view.WindowWidth = ds.WindowCenter, ds.WindowWidth
    view.VOILUTFunction = ds.get("VOILUTFunction") or "LINEAR"
    shown = apply_windowing(values, view)
    if not np.isfinite(shown).all():
        raise ValueError("the window is no number")
    return _scaled(shown, 0, (1 << view.BitsStored) - 1)


def _scaled(values: Array, black: float, white: float) -> Array:
    scaled = (values.astype(np.float64) - black) / (white - black) * DISPLAY_MAX
    greys: Array = np.clip(scaled, 0, DISPLAY_MAX).astype(np.float32)
    return greys


def _shows_nothing(greys: Array, padding: NDArray[np.bool_] | None) -> bool:
    """Whether nearly all pixels but the padding are black, or white, or of one grey."""
    kept = greys if padding is None else greys[~padding]
    if kept.size == 0 or kept.min() == kept.max():
        return True
    return bool(max(np.mean(kept <= 0), np.mean(kept >= DISPLAY_MAX)) > NEARLY_ALL)


def _check_not_blank(values: Array, header: Header) -> None:
    if values.size == 0 or values.min() == values.max():
        raise InvalidSeriesError("IMAGE_BLANK", "Every pixel has the same value.", path=header.path)


def _grey_of_colour(words: Array, ds: Dataset, header: Header) -> Array:
    """Greys of a colour image whose channels are equal, as far as JPEG keeps them."""
    if words.ndim == 2:
        try:
            colours = apply_color_lut(words, ds)[..., :3]
        except Exception as error:  # a damaged palette makes pydicom raise nearly anything
            raise unreadable(header.path, error) from error
    else:
        colours = without_unused_bits(ds, words)
    white = np.iinfo(colours.dtype).max
    if words.ndim == 3 and isinstance(ds.get("BitsStored"), int):
        white = (1 << ds.BitsStored) - 1
    shown = colours.astype(np.float32) * np.float32(DISPLAY_MAX / white)  # (rows, columns, 3)
    spread = float((shown.max(axis=-1) - shown.min(axis=-1)).max())
    if spread > COLOUR_TOLERANCE:
        raise InvalidSeriesError(
            "NOT_GREYSCALE",
            "The radiograph is in colour.",
            path=header.path,
            expected=f"channels within {COLOUR_TOLERANCE} levels of 255",
            actual=f"{spread:.0f}",
        )
    greys = shown[..., 1]
    return np.rint(greys).astype(np.uint8) if white == DISPLAY_MAX else greys


def _contradicts(shape: object, photometric: str) -> bool:
    """IDENTITY belongs to MONOCHROME2, INVERSE to MONOCHROME1 (PS3.3 C.8.11.3.1.2)."""
    return (shape, photometric) in (("INVERSE", "MONOCHROME2"), ("IDENTITY", "MONOCHROME1"))

"""From a file to stored values: what is read of it, and which library decodes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import (
    JPEGExtended12BitDecoder,
    JPEGLosslessDecoder,
    JPEGLosslessSV1Decoder,
    JPEGLSLosslessDecoder,
    JPEGLSNearLosslessDecoder,
    get_decoder,
)
from pydicom.pixels.utils import get_j2k_parameters, pixel_array
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from covidx.constants import MAX_PLANE_PIXELS
from covidx.errors import InvalidSeriesError
from covidx.ingest.dicom.file import read_dicom
from covidx.ingest.quiet import quiet

CHECKED = "covidx"
"""The plugins in `covidx.ingest.dicom.jpeg` and ``jpeg_ls``."""

DECODERS = {
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: CHECKED,
    JPEGLossless: CHECKED,
    JPEGLosslessSV1: CHECKED,
    JPEGLSLossless: CHECKED,
    JPEGLSNearLossless: CHECKED,
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
}
"""pydicom asks GDCM first, which ends the process on some broken streams: it is left to what no
other library decodes, and to streams that were checked."""

for decoder in (JPEGExtended12BitDecoder, JPEGLosslessDecoder, JPEGLosslessSV1Decoder):
    decoder.add_plugin(CHECKED, ("covidx.ingest.dicom.jpeg", "decode_frame"))
for decoder in (JPEGLSLosslessDecoder, JPEGLSNearLosslessDecoder):
    decoder.add_plugin(CHECKED, ("covidx.ingest.dicom.jpeg_ls", "decode_frame"))

STREAMS_WITH_SIGN = (JPEG2000Lossless, JPEG2000)
JPEG2000_START = b"\xff\x4f\xff\x51"
"""SOC and SIZ (ITU-T T.800 A.4.1, A.5.1)."""
JPEG2000_HEADER = 64
"""Bytes that hold what SIZ says of the first component."""
OVERLAY_GROUPS = range(0x6000, 0x6020, 2)

LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless)


def read_dataset(path: str) -> Dataset:
    """Read the file at `path`; elements that are not looked up stay bytes.

    Raises
    ------
    InvalidSeriesError
        ``PIXELS_UNREADABLE``.
    """
    try:
        with quiet():
            ds = read_dicom(path)
        if "TransferSyntaxUID" not in ds.file_meta:
            # Without a meta header the syntax is what the data set could be parsed as.
            ds.file_meta.TransferSyntaxUID = _plain_syntax(ds)
        return ds
    except Exception as error:  # a damaged file makes pydicom raise nearly anything
        raise unreadable(path, error) from error


def _plain_syntax(ds: Dataset) -> UID:
    implicit, little = ds.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def decode(ds: Dataset, path: str, frame: int | None) -> NDArray[Any]:
    """Words of one plane, as the file has them; YBR becomes RGB, a palette stays an index.

    Parameters
    ----------
    ds : Dataset
        From `read_dataset`.
    path : str
        For errors.
    frame : int, optional
        0-based frame of a multi-frame object.

    Returns
    -------
    ndarray, shape (rows, columns) or (rows, columns, 3)

    Raises
    ------
    InvalidSeriesError
        ``SYNTAX_UNSUPPORTED``, ``BITS_UNSUPPORTED``, ``IMAGE_TOO_LARGE``, ``PIXELS_UNREADABLE``, or
        ``NOT_GREYSCALE`` where there are several frames.
    """
    _check_readable(ds, path)
    plugin = DECODERS.get(ds.file_meta.TransferSyntaxUID, "")
    try:
        with quiet():  # too many bytes is a warning to pydicom; too few is an error
            values = pixel_array(
                ds,
                index=frame,
                decoding_plugin=plugin,
                # Padding may stand in the bits that BitsStored leaves out.
                correct_unused_bits=False,
            )
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # decoders raise what they like; a panic of Rust is no Exception
        raise unreadable(path, error) from error
    samples = ds.get("SamplesPerPixel", 1)
    if values.shape != (ds.Rows, ds.Columns, 3)[: 2 if samples == 1 else 3]:
        raise InvalidSeriesError(
            "NOT_GREYSCALE",
            "The image has several frames where one was expected, or samples that are no colour.",
            path=path,
            actual=values.shape,
        )
    return _signed(values, ds) if sign_contradicts(ds) else values


def sign_contradicts(ds: Dataset) -> bool:
    """Whether a JPEG 2000 stream of `ds` has signed samples, and the header says that they are not.

    The stream says what it holds (SIZ, ITU-T T.800 A.5.1).
    """
    if ds.get("PixelRepresentation") or ds.file_meta.TransferSyntaxUID not in STREAMS_WITH_SIGN:
        return False
    return bool(_stream_of(ds).get("is_signed"))


def _stream_of(ds: Dataset) -> dict[str, Any]:
    begin = max(ds.PixelData.find(JPEG2000_START), 0)
    return get_j2k_parameters(ds.PixelData[begin : begin + JPEG2000_HEADER])


def _signed(values: NDArray[Any], ds: Dataset) -> NDArray[Any]:
    """The samples that pydicom took for unsigned ones, of the stream's precision."""
    wide = values.astype(np.dtype(f"i{values.dtype.itemsize}"))
    shift = 8 * values.dtype.itemsize - int(_stream_of(ds)["precision"])
    result: NDArray[Any] = (wide << shift) >> shift
    return result


def _check_readable(ds: Dataset, path: str) -> None:
    syntax = UID(str(ds.file_meta.TransferSyntaxUID))
    try:
        supported = get_decoder(syntax).is_available
    except NotImplementedError:
        supported = False
    if not supported:
        raise InvalidSeriesError(
            "SYNTAX_UNSUPPORTED",
            "The pixels are encoded in a way that is not read, such as video.",
            path=path,
            actual=syntax.name[:80],
        )
    allocated = ds.get("BitsAllocated", 0)
    if isinstance(allocated, int) and allocated > 1 and allocated % 8:
        raise InvalidSeriesError(
            "BITS_UNSUPPORTED",
            "The pixels share bytes, as old files have them.",
            path=path,
            expected="BitsAllocated 1, or a multiple of 8 (PS3.5 8.1.1)",
            actual=allocated,
        )
    if ds.get("Rows", 0) * ds.get("Columns", 0) > MAX_PLANE_PIXELS:
        raise InvalidSeriesError(
            "IMAGE_TOO_LARGE",
            "The image claims to have more pixels than any detector.",
            path=path,
            expected=f"at most {MAX_PLANE_PIXELS:,}",
            actual=f"{ds.Rows} x {ds.Columns}",
        )


def without_unused_bits(ds: Dataset, stored: NDArray[Any]) -> NDArray[Any]:
    """Pixel values without the bits outside of BitsStored, which are no pixel data (PS3.5 8.1.1).

    HighBit counts where the words of the file are the samples; other encodings have none. Values
    that have more bits than that, and are no overlay, are kept.

    Parameters
    ----------
    ds : Dataset
        The image's data set.
    stored : ndarray
        Decoded words; overlays once lay in their bits outside of BitsStored.
    """
    allocated, used = 8 * stored.dtype.itemsize, ds.get("BitsStored")
    if stored.dtype.kind not in "iu" or not isinstance(used, int) or not 0 < used < allocated:
        return stored
    if exceeds_bits_stored(ds, stored):
        return stored
    syntax, top = ds.file_meta.TransferSyntaxUID, ds.get("HighBit")
    in_words = not syntax.is_encapsulated or syntax == RLELossless
    if not in_words or not isinstance(top, int) or not used <= top + 1 <= allocated:
        top = used - 1
    # The shift to the right is arithmetic for signed types.
    result: NDArray[Any] = (stored << (allocated - 1 - top)) >> (allocated - used)
    return result


def exceeds_bits_stored(ds: Dataset, stored: NDArray[Any]) -> bool:
    """Whether values of `stored` have more bits than BitsStored of `ds` says, which then is wrong.

    Bits that are set throughout, or in which an overlay was declared, are no values.
    """
    used, top = ds.get("BitsStored"), ds.get("HighBit")
    if stored.dtype.kind not in "iu" or not isinstance(used, int) or top not in (None, used - 1):
        return False
    # The sign of a value may reach into the bits beyond, or not.
    least = -(1 << used >> 1) if stored.dtype.kind == "i" else 0
    if not used or (least <= stored.min() and stored.max() < 1 << used):
        return False
    if any((group, 0x0102) in ds and ds[group, 0x0102].value for group in OVERLAY_GROUPS):
        return False
    beyond = stored >> used
    return bool(beyond.min() != beyond.max())


def is_lossy(ds: Dataset) -> bool:
    """Whether a compression changed the pixels of `ds` (PS3.3 C.7.6.1.1.5)."""
    return ds.get("LossyImageCompression") == "01" or ds.file_meta.TransferSyntaxUID in LOSSY


def unreadable(path: str, error: BaseException) -> InvalidSeriesError:
    """The refusal of the file at `path`, whose pixels made a library raise `error`."""
    return InvalidSeriesError(
        "PIXELS_UNREADABLE",
        f"The pixels cannot be decoded ({type(error).__name__}); the file may be truncated.",
        path=path,
    )

"""Finding images by what they are, not by what they are called: headers only, no pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from covidx.errors import CovidxError, InvalidInputError
from covidx.ingest.header import HEADER_TAGS, MODALITY_OF_CLASS, Header, headers_of
from covidx.ingest.quiet import quiet

__all__ = ["Found", "Progress", "find_files", "look_at"]

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, total)."""

FORMATS = Literal["dicom", "nifti", "raster", "none"]

RASTER_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
"""First bytes of PNG (ISO/IEC 15948) and JPEG (ISO/IEC 10918-1)."""

GZIP_START = b"\x1f\x8b"
NIFTI_MAGICS = (b"n+1\0", b"ni1\0", b"n+2\0", b"ni2\0")
PIXEL_GROUP = 0x7FE0


@dataclass(frozen=True, slots=True)
class Found:
    """What one file turned out to be.

    `headers` is filled for DICOM; `error` holds (code, reason) where the file is of a known
    format but cannot be read.
    """

    path: str
    format: FORMATS
    headers: tuple[Header, ...] = ()
    error: tuple[str, str] | None = None


def find_files(source: Path) -> list[Path]:
    """Every file at or below `source`, at any depth, in a fixed order; links are not followed out.

    Raises
    ------
    InvalidInputError
        ``SOURCE_MISSING`` or ``SOURCE_EMPTY``.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise InvalidInputError(
            "SOURCE_MISSING",
            "There is no such file or folder.",
            path=source,
            hint="Check the path.",
        )
    files = sorted(path for path in source.rglob("*") if path.is_file())
    if not files:
        raise InvalidInputError(
            "SOURCE_EMPTY",
            "The folder holds no files.",
            path=source,
            expected="DICOM, NIfTI, PNG or JPEG files at any depth",
        )
    return files


def look_at(paths: Sequence[Path]) -> list[Found]:
    """Tell what each file is, reading no pixels. A broken file is an entry, never an exception."""
    with quiet():
        return [_look_at_one(path) for path in paths]


def _look_at_one(path: Path) -> Found:
    try:
        with path.open("rb") as stream:
            start = stream.read(352)
            kind = _format_of(start, path)
            if kind != "dicom":
                return Found(str(path), kind)
            stream.seek(0)
            return _read_headers(stream, path, preamble=start[128:132] == b"DICM")
    except CovidxError as error:
        return Found(str(path), "dicom", error=(error.code, error.message))
    except OSError as error:
        reason = f"The file cannot be opened: {error.strerror or 'input or output error'}."
        return Found(str(path), "none", error=("FILE_UNREADABLE", reason))


def _format_of(start: bytes, path: Path) -> FORMATS:
    if start[128:132] == b"DICM":
        return "dicom"
    if start.startswith(RASTER_STARTS):
        return "raster"
    if start[344:348] in NIFTI_MAGICS or start[4:8] in NIFTI_MAGICS:
        return "nifti"
    if start.startswith(GZIP_START) and path.name.lower().endswith(".nii.gz"):
        return "nifti"
    return "dicom" if _may_lack_preamble(start) else "none"


def _may_lack_preamble(start: bytes) -> bool:
    """Whether a file starts like a data set: group 0002 or 0008, then a VR or a short length."""
    if len(start) < 8 or start[:2] not in (b"\x02\x00", b"\x08\x00", b"\x00\x08"):
        return False
    explicit = start[4:6].isalpha() and start[4:6].isupper()
    return explicit or int.from_bytes(start[4:8], "little") < 1024


def _read_headers(stream: BinaryIO, path: Path, preamble: bool) -> Found:
    try:
        ds = dcmread(stream, stop_before_pixels=True, specific_tags=HEADER_TAGS, force=not preamble)
        headers = tuple(headers_of(ds, path))
    except Exception as error:  # a mutated file makes pydicom raise nearly anything
        if not preamble:
            return Found(str(path), "none")
        raise InvalidInputError(
            "HEADER_UNREADABLE", f"The DICOM header cannot be read ({type(error).__name__})."
        ) from error
    first = headers[0] if headers else None
    if first is None:
        raise InvalidInputError("MULTIFRAME_UNSUPPORTED", "A multi-frame object without frames.")
    if not preamble and not (first.sop_class or first.series_uid or first.modality):
        return Found(str(path), "none")
    if first.rows and not _has_pixels(stream, ds):
        raise InvalidInputError(
            "PIXELS_ABSENT", "The image ends before its pixels; the file may be truncated."
        )
    if not first.rows and (not first.sop_class or first.sop_class in MODALITY_OF_CLASS):
        raise InvalidInputError(
            "HEADER_INCOMPLETE", "An image without a size, or no image; the file may be truncated."
        )
    return Found(str(path), "dicom", headers)


def _has_pixels(stream: BinaryIO, ds: Dataset) -> bool:
    """Whether pydicom stopped at a pixel element, or ran into the end of the file."""
    if ds.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return True  # the position is that of the compressed stream, and tells nothing
    group = stream.read(2)
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    return any(int.from_bytes(group, order) == PIXEL_GROUP for order in orders)

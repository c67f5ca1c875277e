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
from covidx.ingest.dicom.header import MODALITY_OF_CLASS, Header, headers_of
from covidx.ingest.find.dicomdir import MEDIA_DIRECTORY, Named, named_files
from covidx.ingest.find.formats import START_BYTES, Format, format_of
from covidx.ingest.quiet import quiet

__all__ = ["Found", "Progress", "check_apart", "find_files", "look_at"]

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, total)."""

PIXEL_GROUP = 0x7FE0


@dataclass(frozen=True, slots=True)
class Found:
    """What one file turned out to be.

    `headers` is filled for DICOM; `error` holds (code, reason) where the file is of a known
    format but cannot be read, `aside` where it is sound and no image; `named` is what a DICOMDIR
    names.
    """

    path: str
    format: Format
    headers: tuple[Header, ...] = ()
    error: tuple[str, str] | None = None
    aside: tuple[str, str] | None = None
    named: tuple[Named, ...] = ()


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
            start = stream.read(START_BYTES)
            kind = format_of(start, path)
            if kind != "dicom":
                return Found(str(path), kind)
            stream.seek(0)
            return _read_headers(stream, path, preamble=start[128:132] == b"DICM")
    except CovidxError as error:
        return Found(str(path), "dicom", error=(error.code, error.message))
    except OSError as error:
        reason = f"The file cannot be opened: {error.strerror or 'input or output error'}."
        return Found(str(path), "none", error=("FILE_UNREADABLE", reason))


def _read_headers(stream: BinaryIO, path: Path, preamble: bool) -> Found:
    try:
        ds = dcmread(stream, stop_before_pixels=True, force=not preamble)
        headers = tuple(headers_of(ds, path))
        directory = bool(headers) and headers[0].sop_class == MEDIA_DIRECTORY
        named = named_files(path) if directory else ()
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
    return Found(str(path), "dicom", headers, named=named)


def _has_pixels(stream: BinaryIO, ds: Dataset) -> bool:
    """Whether pydicom stopped at a pixel element, or ran into the end of the file."""
    if ds.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return True  # the position is that of the compressed stream, and tells nothing
    group = stream.read(2)
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    return any(int.from_bytes(group, order) == PIXEL_GROUP for order in orders)


def check_apart(source: Path, out: Path) -> None:
    """Refuse an output that a next run would read as input.

    Raises
    ------
    InvalidInputError
        ``OUTPUT_IN_SOURCE``.
    """
    if out.resolve() == source.resolve() or out.resolve().is_relative_to(source.resolve()):
        raise InvalidInputError(
            "OUTPUT_IN_SOURCE",
            "The output would lie inside the source, and be read as part of it next time.",
            path=out,
            hint="Choose an output folder elsewhere.",
        )

"""Finding images by what they are, not by what they are called: headers only, no pixels."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from covidx.errors import CovidxError, InvalidInputError
from covidx.ingest.dicom.file import PREFIX, START_BYTES, dicom_stream, has_preamble
from covidx.ingest.dicom.header import MODALITY_OF_CLASS, Header, headers_of
from covidx.ingest.find.dicomdir import MEDIA_DIRECTORY, Named, named_files
from covidx.ingest.find.formats import Format, format_of, why_not_read
from covidx.ingest.quiet import quiet

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, done, total)."""


def silent(*_: object) -> None:
    """Progress that is shown nowhere; its arguments `_` are not used."""


PIXEL_GROUP = 0x7FE0

DANGLING = (
    "LINK_BROKEN",
    "This link leads to no file: what it names was moved, or never fetched (git-annex, DataLad).",
)
LINK = (
    "LINK_NOT_FOLLOWED",
    "A link to a folder outside of the source: give that folder as a source, or copy it.",
)
CLOSED = ("FOLDER_UNREADABLE", "This folder may not be opened: what it holds was not seen.")
NO_FILE = ("NOT_A_FILE", "A pipe, a socket or a device, and no file.")


@dataclass(frozen=True, slots=True)
class ScannedFile:
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


def need_files(source: Path) -> None:
    """Refuse a `source` without files; it is searched to the first one alone.

    Raises
    ------
    InvalidInputError
        ``SOURCE_MISSING``, ``SOURCE_UNREADABLE`` or ``SOURCE_EMPTY``.
    """
    if source.is_file():
        return
    if not source.is_dir():
        raise InvalidInputError(
            "SOURCE_MISSING",
            "There is no such file or folder.",
            path=source,
            hint="Check the path.",
        )
    first = next(_walk(source), None)
    if first == source:
        raise InvalidInputError(
            "SOURCE_UNREADABLE",
            "The folder may not be opened.",
            path=source,
            hint="Ask its owner for permission to read it.",
        )
    if first is None:
        raise InvalidInputError(
            "SOURCE_EMPTY",
            "The folder holds no files.",
            path=source,
            expected="DICOM, NIfTI, PNG or JPEG files at any depth",
        )


def find_files(source: Path) -> list[Path]:
    """Every file at or below `source`, at any depth, in a fixed order.

    Links to files are followed, links to folders are not. What keeps files from being seen is
    listed as well, for `scan_files` to refuse: a link that leads nowhere, a link to a folder
    outside of the source, a folder that may not be opened.

    Raises
    ------
    InvalidInputError
        As `need_files`.
    """
    need_files(source)
    return [source] if source.is_file() else sorted(_walk(source))


def _walk(source: Path) -> Iterator[Path]:
    """Files, links that are not followed, and folders that could not be opened."""
    closed: list[OSError] = []
    home = source.resolve()
    for folder, folders, files in os.walk(source, onerror=closed.append):
        yield from (Path(folder, name) for name in files)
        links = (path for name in folders if (path := Path(folder, name)).is_symlink())
        # What a link to a folder of the source leads to is seen there.
        yield from (path for path in links if not path.resolve().is_relative_to(home))
    yield from (Path(error.filename) for error in closed)


def scan_files(paths: Sequence[Path]) -> list[ScannedFile]:
    """Format and headers of each file of `paths`; a broken file is an entry, never an exception."""
    with quiet():
        return [_scan_file(path) for path in paths]


def _scan_file(path: Path) -> ScannedFile:
    try:
        mode = path.stat().st_mode  # of what a link leads to
        if stat.S_ISDIR(mode):
            return ScannedFile(str(path), "none", error=LINK if path.is_symlink() else CLOSED)
        if not stat.S_ISREG(mode):
            return ScannedFile(str(path), "none", aside=NO_FILE)
        with path.open("rb") as stream:
            start = stream.read(START_BYTES)
            kind = format_of(start, path)
            if kind != "dicom":
                unknown = kind in ("binary", "none")
                return ScannedFile(str(path), kind, error=why_not_read(start) if unknown else None)
            preamble = has_preamble(start) or start.startswith(PREFIX)
            return _read_headers(dicom_stream(stream, start), path, preamble)
    except CovidxError as error:
        return ScannedFile(str(path), "dicom", error=(error.code, error.message))
    except OSError as error:
        reason = f"The file cannot be opened: {error.strerror or 'input or output error'}."
        gone = isinstance(error, FileNotFoundError) and path.is_symlink()
        return ScannedFile(
            str(path), "none", error=DANGLING if gone else ("FILE_UNREADABLE", reason)
        )


def _read_headers(stream: BinaryIO, path: Path, preamble: bool) -> ScannedFile:
    try:
        ds = dcmread(stream, stop_before_pixels=True, force=not preamble)
        headers = tuple(headers_of(ds, path))
        directory = bool(headers) and headers[0].sop_class == MEDIA_DIRECTORY
        named = named_files(path) if directory else ()
    except Exception as error:  # a mutated file makes pydicom raise nearly anything
        if not preamble:
            return ScannedFile(str(path), "none")
        raise InvalidInputError(
            "HEADER_UNREADABLE", f"The DICOM header cannot be read ({type(error).__name__})."
        ) from error
    first = headers[0] if headers else None
    if first is None:
        raise InvalidInputError("MULTIFRAME_UNSUPPORTED", "A multi-frame object without frames.")
    if not preamble and not (first.sop_class or first.series_uid or first.modality):
        return ScannedFile(str(path), "none")
    if first.rows and not _has_pixels(stream, ds):
        raise InvalidInputError(
            "PIXELS_ABSENT", "The image ends before its pixels; the file may be truncated."
        )
    if not first.rows and (not first.sop_class or first.sop_class in MODALITY_OF_CLASS):
        raise InvalidInputError(
            "HEADER_INCOMPLETE", "An image without a size, or no image; the file may be truncated."
        )
    return ScannedFile(str(path), "dicom", headers, named=named)


def _has_pixels(stream: BinaryIO, ds: Dataset) -> bool:
    """Whether pydicom stopped at a pixel element, or ran into the end of the file."""
    if ds.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return True  # the position is that of the compressed stream, and tells nothing
    group = stream.read(2)
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    return any(int.from_bytes(group, order) == PIXEL_GROUP for order in orders)


def check_apart(source: Path, out: Path) -> None:
    """Refuse an output `out` inside `source`, which the next run would read as input.

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

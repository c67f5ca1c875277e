"""Sending objects by STOW-RS (PS3.18 10.5), one at a time, each confirmed by the PACS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dicomweb_client import DICOMwebClient
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError

from covidx.errors import CovidxError, InvalidInputError, PacsError
from covidx.ingest.dicom.attributes import text_of
from covidx.ingest.find.scan import silent
from covidx.ingest.pacs.dicomweb import Server
from covidx.ingest.pacs.fetch import STOPPING
from covidx.ingest.quiet import quiet


@dataclass(frozen=True)
class Sent:
    """What became of a file: `code` and `reason` are empty where the PACS has stored it."""

    path: Path
    code: str = ""
    reason: str = ""


def send_files(
    server: Server,
    paths: Sequence[Path],
    *,
    progress: Callable[[int, int], None] = silent,
) -> tuple[Sent, ...]:
    """Send DICOM files as they are. Sending one again does no harm: the PACS knows it by its UID.

    Parameters
    ----------
    server : Server
        The PACS.
    paths : sequence of Path
        DICOM files.
    progress : callable, optional
        Called with (files done, files in all).

    Returns
    -------
    tuple of Sent
        One a file, in order. A file that fails stops nothing.

    Raises
    ------
    PacsError
        ``PACS_UNREACHABLE``, ``PACS_UNTRUSTED`` or ``PACS_DENIED``: no other file could do better.
    """
    rows = []
    with quiet():
        for done, path in enumerate(paths, start=1):
            try:
                server.ask(partial(_store, ds=_read(path)))
                rows.append(Sent(path))
            except CovidxError as error:
                if error.code in STOPPING:
                    raise
                rows.append(Sent(path, error.code, error.reason))
            progress(done, len(paths))
    return tuple(rows)


def _read(path: Path) -> FileDataset:
    try:
        return dcmread(path)
    except (OSError, InvalidDicomError) as error:
        raise InvalidInputError(
            "NOT_DICOM", "This is no DICOM file that can be read.", path=path
        ) from error


def _store(client: DICOMwebClient, ds: FileDataset) -> None:
    """Raises `PacsError` ``PACS_REFUSED`` unless the answer names the instance as stored."""
    answer = client.store_instances([ds])
    items = answer.get("ReferencedSOPSequence") or []
    stored = [text_of(item, "ReferencedSOPInstanceUID") for item in items]
    if text_of(ds, "SOPInstanceUID") not in stored:
        raise PacsError(
            "PACS_REFUSED",
            "The PACS did not store it.",
            hint="Its log says why; dciodvfy (dicom3tools) says whether the file is sound.",
        )

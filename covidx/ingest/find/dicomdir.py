"""DICOMDIR: the directory of a medium (PS3.3 F). Its files are found without it; it is checked."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pydicom.dataset import Dataset

from covidx.ingest.dicom.attributes import text_of, values
from covidx.ingest.dicom.file import read_dicom
from covidx.wording import counted

MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
RECORDS = "DirectoryRecordSequence"

Named = tuple[str, str]
"""A file that a DICOMDIR names: its path from the directory's folder, its SOP Instance UID."""


def named_files(path: Path) -> tuple[Named, ...]:
    """Every file that the DICOMDIR at `path` names (ReferencedFileID, PS3.3 F.3.2.2)."""
    records = read_dicom(path, specific_tags=[RECORDS]).get(RECORDS) or []
    return tuple(_named(record) for record in records if "ReferencedFileID" in record)


def _named(record: Dataset) -> Named:
    place = "/".join(values(record, "ReferencedFileID"))
    uid = text_of(record, "ReferencedSOPInstanceUIDInFile") or text_of(record, "SOPInstanceUID")
    return place, uid


def why_incomplete(
    directory: str, named: Collection[Named], paths: Collection[str], uids: Collection[str]
) -> tuple[str, str] | None:
    """Code and reason where files are neither at their place nor elsewhere among those found.

    Nothing is opened by its name in a DICOMDIR, so that no name can lead elsewhere.

    Parameters
    ----------
    directory : str
        Path of the DICOMDIR.
    named : collection
        From `named_files`.
    paths : collection of str
        Every file found, casefolded: CDs are often copied in lower case.
    uids : collection of str
        SOP Instance UID of every instance found.
    """
    # Paths are from the medium's root (PS3.10 8.2): it may lie above the directory's own folder.
    roots = [str(parent).casefold() for parent in Path(directory).parents]
    gone = [
        place
        for place, uid in named
        if (not uid or uid not in uids)
        and not any(f"{root}/{place.casefold()}" in paths for root in roots)
    ]
    if not gone:
        return None
    reason = f"This directory names {counted(len(named), 'file')}; {len(gone)} of them missing."
    return "DICOMDIR_INCOMPLETE", reason

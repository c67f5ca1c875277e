"""Files found by what they are: odd names, compressed NIfTI, directories of media."""

from __future__ import annotations

import bz2
import gzip
import os
from pathlib import Path

import pydicom
import pytest
from pydicom.fileset import FileSet

from covidx.errors import CovidxError
from covidx.ingest import Identities, IngestResult, ingest, read_images
from covidx.ingest.find.scan import find_files, scan_files
from tests.ingest.conftest import write_series


def test_compressed_nifti_by_content_whatever_its_name(tmp_path: Path) -> None:
    write_series(tmp_path / "dicom")
    made = ingest(tmp_path / "dicom", tmp_path / "made")
    data = (made.store / made.manifest["path"][0]).read_bytes()
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.bin").write_bytes(data)
    (source / "no nifti.gz").write_bytes(gzip.compress(b"text" * 500))
    (source / "cut.nii.gz").write_bytes(data[:15])
    (source / "t.bz2").write_bytes(bz2.compress(b"text" * 500))
    found = {Path(one.path).name: one.format for one in scan_files(sorted(source.iterdir()))}
    assert found == {"a.bin": "nifti", "no nifti.gz": "none", "cut.nii.gz": "nifti",
                     "t.bz2": "none"}  # fmt: skip
    reader = read_images(source, identities=Identities.public())
    assert len(list(reader)) == 1
    assert sorted(reader.quarantine["code"]) == ["NIFTI_UNREADABLE", "NOT_AN_IMAGE", "NOT_AN_IMAGE"]


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    """A medium with its DICOMDIR, as pydicom writes it."""
    fileset = FileSet()
    for path in write_series(tmp_path / "series"):
        ds = pydicom.dcmread(path)
        ds.StudyTime, ds.StudyID, ds.AccessionNumber = "120000", "1", "A1"
        fileset.add(ds)
    fileset.write(tmp_path / "medium")
    return tmp_path / "medium"


def account(source: Path) -> dict[str, str]:
    reader = read_images(source, identities=Identities.public())
    assert len(list(reader)) == 1
    return dict(zip(reader.quarantine["code"], reader.quarantine["reason"], strict=True))


def test_a_whole_medium(medium: Path) -> None:
    assert account(medium) == {"DICOMDIR": "This is a directory of files, not an image."}


def test_a_medium_copied_in_lower_case_or_into_one_folder(medium: Path, tmp_path: Path) -> None:
    lower, flat = tmp_path / "lower", tmp_path / "flat"
    for number, path in enumerate(sorted(medium.rglob("*"))):
        if path.is_file():
            place = lower / str(path.relative_to(medium)).lower()
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
            flat.mkdir(exist_ok=True)
            (flat / str(number)).write_bytes(path.read_bytes())
    assert list(account(lower)) == list(account(flat)) == ["DICOMDIR"]


def test_a_directory_below_the_root_of_its_medium(medium: Path) -> None:
    """It names files from the medium's root, and no instance UIDs (PS3.10 8.2)."""
    ds = pydicom.dcmread(medium / "DICOMDIR")
    for record in ds.DirectoryRecordSequence:
        if "ReferencedSOPInstanceUIDInFile" in record:
            del record.ReferencedSOPInstanceUIDInFile
    (medium / "INDEX").mkdir()
    (medium / "DICOMDIR").unlink()
    ds.save_as(medium / "INDEX" / "DICOMDIR")
    assert list(account(medium)) == ["DICOMDIR"]


def test_files_that_a_directory_names_and_that_are_not_there(medium: Path) -> None:
    files = sorted(p for p in medium.rglob("*") if p.is_file() and p.name != "DICOMDIR")
    gone = [p for p in files if pydicom.dcmread(p).InstanceNumber in (1, 2)]
    for path in gone:
        path.unlink()
    assert account(medium) == {
        "DICOMDIR_INCOMPLETE": "This directory names 8 files; 2 of them missing."
    }


def test_a_directory_that_names_files_elsewhere_opens_none(medium: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.dcm"
    outside.write_bytes(b"not to be read")
    outside.chmod(0)
    ds = pydicom.dcmread(medium / "DICOMDIR")
    record = next(r for r in ds.DirectoryRecordSequence if "ReferencedFileID" in r)
    record.ReferencedFileID = ["..", "outside.dcm"]
    record.ReferencedSOPInstanceUIDInFile = "1.2.3"
    ds.save_as(medium / "DICOMDIR")
    (reason,) = account(medium).values()
    assert reason == "This directory names 8 files; 1 of them missing."


def test_a_directory_that_was_cut_anywhere_is_one_row(medium: Path) -> None:
    path = medium / "DICOMDIR"
    whole = path.read_bytes()
    for end in range(132, len(whole), 61):
        path.write_bytes(whole[:end])
        (found,) = scan_files([path])
        assert found.error is not None or len(found.headers) == 1
        assert len(found.named) <= 8


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    source = tmp_path / "in"
    write_series(source)
    for number, path in enumerate(sorted(source.iterdir())):
        path.rename(source / os.fsdecode(b"\xff\xe9" + str(number).encode()))
    (source / os.fsdecode(b"\xfftext")).write_bytes(b"text")
    result = ingest(source, tmp_path / "out")
    assert (result.accepted_files, result.set_aside) == (8, 1)


def outcomes(result: IngestResult) -> dict[str, int]:
    """Files refused by kind and code; with those accepted they are all files seen."""
    counts = result.quarantine.groupby(["kind", "code"]).size()
    assert result.accepted_files + counts.sum() == result.files_seen
    return {f"{kind} {code}": int(n) for (kind, code), n in counts.items()}


def test_links_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    """As git-annex leaves files that were not fetched: 8 files are there, 2 of them links alone."""
    files = write_series(tmp_path / "all")
    source = tmp_path / "in"
    source.mkdir()
    for index, path in enumerate(files):
        (source / path.name).symlink_to(path if index < 6 else tmp_path / "gone" / path.name)
    (source / "circle").symlink_to(source / "circle")
    result = ingest(source, tmp_path / "out")
    assert result.files_seen == 9 and result.accepted_files == 6
    assert outcomes(result) == {"quarantined LINK_BROKEN": 2, "quarantined FILE_UNREADABLE": 1}


def test_folders_behind_links(tmp_path: Path) -> None:
    """One outside is named, one inside is read at its own place; neither is followed in circles."""
    source = tmp_path / "in"
    write_series(source / "one")
    write_series(tmp_path / "elsewhere")
    (source / "two").symlink_to(tmp_path / "elsewhere")
    (source / "one" / "again").symlink_to(source)
    result = ingest(source, tmp_path / "out")
    assert (result.files_seen, result.accepted_files) == (9, 8)
    assert outcomes(result) == {"quarantined LINK_NOT_FOLLOWED": 1}


def test_a_folder_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal of the system is simulated, since root may open anything."""
    source = tmp_path / "in"
    write_series(source / "open")
    write_series(source / "closed")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    result = ingest(source, tmp_path / "out")
    assert (result.files_seen, result.accepted_files) == (9, 8)
    assert outcomes(result) == {"quarantined FOLDER_UNREADABLE": 1}
    with pytest.raises(CovidxError) as caught:
        find_files(source / "closed")
    assert caught.value.code == "SOURCE_UNREADABLE"


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """Opening a pipe that nobody writes to would never end."""
    source = tmp_path / "in"
    write_series(source)
    os.mkfifo(source / "pipe")
    assert outcomes(ingest(source, tmp_path / "out")) == {"set_aside NOT_A_FILE": 1}


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("im8.dcm", b"", "FILE_DAMAGED"),
        ("im8.dcm", bytes(5000), "FILE_DAMAGED"),
        ("im8", bytes(100), "FILE_DAMAGED"),  # of a name like those of the series
        ("im8", b"", "FILE_DAMAGED"),
        ("im8.dcm", b"<html>404</html>", "FILE_DAMAGED"),
        ("im8.nii", b"\x00\x01", "FILE_DAMAGED"),
        ("README", b"text", None),
        (".DS_Store", bytes(500), None),
        ("._im8.dcm", bytes(500), None),
        ("voxels.raw", bytes(500), None),
        ("sub/.gitkeep", b"", None),
        ("sub/lock", b"", None),
    ],
)
def test_damaged_files_are_not_sound(
    tmp_path: Path, name: str, data: bytes, code: str | None
) -> None:
    source = tmp_path / "in"
    for index, path in enumerate(write_series(source)):
        path.rename(source / f"im{index}")
    (source / name).parent.mkdir(exist_ok=True)
    (source / name).write_bytes(data)
    expected = f"quarantined {code}" if code else "set_aside NOT_AN_IMAGE"
    assert outcomes(ingest(source, tmp_path / "out")) == {expected: 1}


@pytest.mark.parametrize(
    ("start", "word"),
    [
        (b"7z\xbc\xaf\x27\x1c\0\4", "7z"),
        (b"Rar!\x1a\x07\x01\0", "RAR"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"\x5c\x01\0\0", "Analyze"),
    ],
)
def test_formats_that_are_not_read_are_named(tmp_path: Path, start: bytes, word: str) -> None:
    """First bytes as the formats' own documents say."""
    source = tmp_path / "in"
    write_series(source)
    (source / "other").write_bytes(start + bytes(range(200)))
    result = ingest(source, tmp_path / "out")
    assert outcomes(result) == {"quarantined FORMAT_UNSUPPORTED": 1}
    assert f"This is a {word}" in result.quarantine["reason"][0].replace(" an ", " a ")

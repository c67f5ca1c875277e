"""Files found by what they are: odd names, compressed NIfTI, directories of media."""

from __future__ import annotations

import bz2
import gzip
import os
from pathlib import Path

import pydicom
import pytest
from pydicom.fileset import FileSet

from covidx.ingest import Identities, ingest, read_images
from covidx.ingest.find.scan import look_at
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
    found = {Path(one.path).name: one.format for one in look_at(sorted(source.iterdir()))}
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


def test_files_that_a_directory_names_and_that_are_not_there(medium: Path) -> None:
    files = sorted(p for p in medium.rglob("*") if p.is_file() and p.name != "DICOMDIR")
    gone = [p for p in files if pydicom.dcmread(p).InstanceNumber in (1, 2)]
    for path in gone:
        path.unlink()
    assert account(medium) == {
        "DICOMDIR_INCOMPLETE": "This directory names 8 files, of which 2 are not there."
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
    assert reason == "This directory names 8 files, of which 1 are not there."


def test_a_directory_that_was_cut_anywhere_is_one_row(medium: Path) -> None:
    path = medium / "DICOMDIR"
    whole = path.read_bytes()
    for end in range(132, len(whole), 61):
        path.write_bytes(whole[:end])
        (found,) = look_at([path])
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

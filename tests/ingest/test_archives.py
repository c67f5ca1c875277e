"""Archives looked into: the same images as from a folder, and nothing that a bomb could use."""

from __future__ import annotations

import io
import os
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from covidx.cards import load_card
from covidx.errors import InvalidSeriesError, StoreError
from covidx.ingest import Identities, IngestResult, ingest, read_images, read_linkage, read_series
from covidx.ingest.find.archives import unpack
from tests.ingest.conftest import write_series

PUBLIC = load_card(Path("phantom"))


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``TMPDIR`` of the test's own, empty again when the test ends."""
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A folder with one series, its files at two depths."""
    folder = tmp_path / "series"
    for number, path in enumerate(write_series(folder)):
        if number % 2:
            (folder / "deeper").mkdir(exist_ok=True)
            path.rename(folder / "deeper" / path.name)
    return folder


def zipped(path: Path, folder: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def tarred(path: Path, folder: Path, mode: str = "", form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, f"w:{mode}", format=form) as archive:
        archive.add(folder, "study")
    return path


def public(source: Path, out: Path) -> IngestResult:
    """Ingest with identities kept, so that the account names files as they are."""
    return ingest(source, out, card=PUBLIC)


MAKERS: dict[str, Callable[[Path, Path], Path]] = {
    "zip": zipped,
    "zip stored": lambda path, folder: zipped(path, folder, zipfile.ZIP_STORED),
    "zip lzma": lambda path, folder: zipped(path, folder, zipfile.ZIP_LZMA),
    "tar": tarred,
    "tar ustar": lambda path, folder: tarred(path, folder, form=tarfile.USTAR_FORMAT),
    "tar gnu": lambda path, folder: tarred(path, folder, form=tarfile.GNU_FORMAT),
    "tar.gz": lambda path, folder: tarred(path, folder, "gz"),
    "tar.bz2": lambda path, folder: tarred(path, folder, "bz2"),
    "tar.xz": lambda path, folder: tarred(path, folder, "xz"),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_an_archive_gives_what_its_folder_gives(
    series: Path, tmp_path: Path, scratch: Path, kind: str
) -> None:
    source = tmp_path / "in" / "a"
    source.mkdir(parents=True)
    MAKERS[kind](source / "any name", series)  # no name tells what it is
    plain = ingest(series, tmp_path / "plain")
    packed = ingest(tmp_path / "in", tmp_path / "packed")
    assert list(packed.manifest["sha256"]) == list(plain.manifest["sha256"])
    assert list(packed.manifest["image_id"]) == list(plain.manifest["image_id"])
    assert (packed.files_seen, packed.accepted_files) == (8, 8)
    assert list(scratch.iterdir()) == []
    (place,) = read_linkage(tmp_path / "packed")["source_path"].unique()
    assert place == str(source / "any name" / ("study" if kind.startswith("tar") else ""))


def test_the_archive_itself_as_the_source(series: Path, tmp_path: Path, scratch: Path) -> None:
    archive = zipped(tmp_path / "study.zip", series)
    volume = read_series(archive)
    assert volume.array.shape == read_series(series).array.shape
    assert (volume.array == read_series(series).array).all()
    result = ingest(archive, tmp_path / "out")
    assert result.files_seen == result.accepted_files == 8
    assert list(scratch.iterdir()) == []


def test_again_and_with_processes_the_same_bytes(series: Path, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "study.zip", series)
    out = tmp_path / "out"

    def written() -> dict[str, bytes]:
        return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}

    ingest(archive, out, workers=1)
    first = written()
    ingest(archive, out, workers=2)
    assert written() == first


def test_a_folder_and_its_archive_are_one_image(series: Path, tmp_path: Path) -> None:
    zipped(tmp_path / "copy.zip", series).rename(series / "copy.zip")
    result = public(series, tmp_path / "out")
    assert len(result.manifest) == 1
    assert (result.files_seen, result.accepted_files, result.set_aside) == (16, 8, 8)
    assert result.reasons == {"SLICE_DUPLICATE": 8}


def test_a_reader_keeps_the_members_until_it_goes(
    series: Path, tmp_path: Path, scratch: Path
) -> None:
    reader = read_images(zipped(tmp_path / "s.zip", series), identities=Identities.keyed())
    assert len(list(reader)) == len(list(reader)) == 1
    (top,) = scratch.iterdir()
    assert stat.S_IMODE(top.stat().st_mode) == 0o700
    del reader
    assert list(scratch.iterdir()) == []


def test_nifti_by_path_within_an_archive(tmp_path: Path, series: Path) -> None:
    made = ingest(series, tmp_path / "made")
    name = made.store / made.manifest["path"][0]
    source = tmp_path / "in"
    source.mkdir()
    with zipfile.ZipFile(source / "s.zip", "w") as archive:
        archive.write(name, "patients/7.nii.gz")
    result = public(source, tmp_path / "out")
    assert list(result.manifest["patient_id"]) == ["s.zip/patients/7"]


Entry = tuple[str, bytes]


def with_members(path: Path, *entries: Entry) -> Path:
    """A ZIP whose member names are written as they are."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries:
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, data)
    return path


def codes(result: IngestResult) -> dict[str, str]:
    return dict(zip(result.quarantine["path"], result.quarantine["code"], strict=True))


def test_no_member_leaves_its_archive(series: Path, tmp_path: Path) -> None:
    data = [path.read_bytes() for path in sorted(series.rglob("*")) if path.is_file()]
    source = tmp_path / "in"
    source.mkdir()
    names = ["../../out.dcm", str(tmp_path / "absolute.dcm"), "a/../../b.dcm", "..", "/", "ok/1",
             "ok/2", "./ok//3"]  # fmt: skip
    with_members(source / "s.zip", *zip(names, data, strict=True))
    before = set(tmp_path.rglob("*"))
    result = public(source, tmp_path / "o")
    refused = [path for path, code in codes(result).items() if code == "MEMBER_OUTSIDE"]
    assert refused == [f"s.zip/member-{n}" for n in (1, 2, 3, 4)]
    assert result.files_seen == 7  # "/" is the folder itself
    new = {p for p in tmp_path.rglob("*") if p not in before}
    assert all(p.is_relative_to(tmp_path / "o") for p in new)


def test_links_and_devices_of_a_tar_are_not_followed(series: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.dcm"
    secret.write_bytes(next(p for p in series.rglob("*") if p.is_file()).read_bytes())
    source = tmp_path / "in"
    source.mkdir()
    with tarfile.open(source / "s.tar", "w") as archive:
        for name, kind in (("sym", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE),
                           ("pipe", tarfile.FIFOTYPE), ("disk", tarfile.BLKTYPE),
                           ("tty", tarfile.CHRTYPE)):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(secret)
            archive.addfile(info)
        archive.addfile(tarfile.TarInfo("sym/under"), None)
        archive.add(series, "series")
    result = public(source, tmp_path / "out")
    assert result.accepted_files == 8
    assert codes(result) == {
        **{f"s.tar/{name}": "MEMBER_NOT_A_FILE" for name in ("sym", "hard", "pipe", "disk", "tty")},
        "s.tar/sym/under": "NOT_AN_IMAGE",
    }


def test_a_link_in_a_zip_is_not_followed(tmp_path: Path, series: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    zipped(source / "s.zip", series)
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(source / "s.zip", "a") as archive:
        archive.writestr(info, "/etc/passwd")
    assert codes(public(source, tmp_path / "out")) == {"s.zip/link": "MEMBER_NOT_A_FILE"}


def test_encrypted_damaged_and_odd_members_are_refused_one_by_one(
    series: Path, tmp_path: Path
) -> None:
    files = sorted(path for path in series.rglob("*") if path.is_file())
    source = tmp_path / "in"
    source.mkdir()
    archive = zipped(source / "s.zip", series, zipfile.ZIP_STORED)
    with zipfile.ZipFile(archive, "a") as more:
        for name in ("locked", "broken", "unknown", "x" * 300, "nul"):
            more.writestr(name, name.encode() * 5)
    raw = bytearray(archive.read_bytes())
    raw[raw.index(b"broken" * 5)] ^= 1
    _patch(raw, b"locked", 8, struct.pack("<H", 1))
    _patch(raw, b"unknown", 10, struct.pack("<H", 99))
    archive.write_bytes(raw)
    result = public(source, tmp_path / "out")
    assert result.accepted_files == len(files)
    assert codes(result) == {
        "s.zip/locked": "MEMBER_ENCRYPTED",
        "s.zip/broken": "MEMBER_DAMAGED",
        "s.zip/unknown": "MEMBER_DAMAGED",
        "s.zip/" + "x" * 300: "MEMBER_UNNAMEABLE",
        "s.zip/nul": "NOT_AN_IMAGE",
    }


def _patch(raw: bytearray, name: bytes, offset: int, value: bytes) -> None:
    """Change a field of a member's entry in the central directory (46 bytes, then the name)."""
    start = raw.rindex(name) - 46
    assert raw[start : start + 4] == b"PK\x01\x02"
    raw[start + offset : start + offset + len(value)] = value


def test_a_zip_that_is_encrypted_throughout(series: Path, tmp_path: Path) -> None:
    """By the bit that says so (APPNOTE 4.4.4): zipfile cannot encrypt."""
    source = tmp_path / "in"
    source.mkdir()
    archive = zipped(source / "s.zip", series)
    raw = bytearray(archive.read_bytes())
    at = 0
    while (at := raw.find(b"PK\x01\x02", at)) >= 0:
        raw[at + 8] |= 1
        at += 4
    archive.write_bytes(raw)
    with pytest.raises(InvalidSeriesError, match="MEMBER_ENCRYPTED") as caught:
        read_series(archive)
    assert str(archive) in str(caught.value.path)


def test_two_members_of_one_name_are_both_looked_at(series: Path, tmp_path: Path) -> None:
    files = sorted(path for path in series.rglob("*") if path.is_file())
    source = tmp_path / "in"
    source.mkdir()
    with_members(source / "s.zip", *[("same", path.read_bytes()) for path in files])
    result = public(source, tmp_path / "out")
    assert result.accepted_files == 8
    with tarfile.open(source / "s.zip", "w") as archive:
        for path in files:
            archive.add(path, "same")
    assert public(source, tmp_path / "out2").accepted_files == 8


def test_a_file_where_another_member_wants_a_folder(series: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    zipped(source / "s.zip", series)
    with zipfile.ZipFile(source / "s.zip", "a") as archive:
        archive.writestr("a", "text")
        archive.writestr("a/b", "text")
    assert codes(public(source, tmp_path / "out")) == {
        "s.zip/a": "NOT_AN_IMAGE",
        "s.zip/a/b": "MEMBER_UNNAMEABLE",
    }


def test_an_archive_in_an_archive_is_set_aside(series: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    inner = zipped(tmp_path / "inner.zip", series)
    with zipfile.ZipFile(source / "outer.zip", "w") as outer:
        outer.write(inner, "inner.zip")
        outer.write(tarred(tmp_path / "inner.tar.gz", series, "gz"), "inner.tgz")
        for path in series.rglob("*"):
            outer.write(path, path.relative_to(series))
    result = public(source, tmp_path / "out")
    assert codes(result) == {
        "outer.zip/inner.zip": "ARCHIVE_NESTED",
        "outer.zip/inner.tgz": "ARCHIVE_NESTED",
    }
    assert (result.accepted_files, result.set_aside, result.files_seen) == (8, 2, 10)


def test_office_files_and_the_like_are_no_archives(series: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(series / "labels.xlsx", "w") as office:
        office.writestr("[Content_Types].xml", "<x/>")
        office.writestr("media/image1.png", b"\x89PNG\r\n\x1a\n")
    with zipfile.ZipFile(series / "empty.zip", "w"):
        pass
    result = public(series, tmp_path / "out")
    assert codes(result) == {"labels.xlsx": "NOT_AN_IMAGE", "empty.zip": "ARCHIVE_EMPTY"}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def _flip(path: Path) -> None:
    """Damage the second member's header of a TAR, where tarfile would stop without a word."""
    raw = bytearray(path.read_bytes())
    at = raw.index(b"study/", 600)
    raw[at + 1] ^= 0xFF
    path.write_bytes(raw)


def _without_end(path: Path) -> None:
    raw = path.read_bytes().rstrip(b"\0")
    path.write_bytes(raw + bytes(-len(raw) % 512))


DAMAGE = [
    ("zip", _cut),
    ("tar", _cut),
    ("tar.gz", _cut),
    ("tar.bz2", _cut),
    ("tar.xz", _cut),
    ("tar", _flip),
    ("tar", _without_end),
]


@pytest.mark.parametrize(("kind", "damage"), DAMAGE, ids=lambda x: getattr(x, "__name__", x))
def test_of_a_damaged_archive_nothing_is_used(
    series: Path, tmp_path: Path, scratch: Path, kind: str, damage: Callable[[Path], None]
) -> None:
    source = tmp_path / "in"
    write_series(source / "sound", SeriesInstanceUID="1.2.3.9", StudyInstanceUID="1.2.3.8")
    damage(MAKERS[kind](source / "bad", series))
    result = public(source, tmp_path / "out")
    assert codes(result) == {"bad": "ARCHIVE_DAMAGED"}
    assert (result.accepted_files, result.quarantined) == (8, 1)
    assert list(scratch.iterdir()) == []


def _bomb_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(3_000_000))


def _bomb_tar(path: Path) -> None:
    with tarfile.open(path, "w:xz") as archive:
        info = tarfile.TarInfo("zeros")
        info.size = 3_000_000
        archive.addfile(info, io.BytesIO(bytes(info.size)))


def _many(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(60):
            archive.writestr(str(number), "")


def _many_in_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        for number in range(60):
            archive.addfile(tarfile.TarInfo(str(number)))


def _claim(path: Path) -> None:
    """A member that claims a terabyte."""
    info = tarfile.TarInfo("huge")
    info.size = 2**40
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


BOMBS = [
    (_bomb_zip, "ARCHIVE_TOO_LARGE"),
    (_bomb_tar, "ARCHIVE_TOO_LARGE"),
    (_many, "ARCHIVE_TOO_LARGE"),
    (_many_in_tar, "ARCHIVE_TOO_LARGE"),
    (_claim, "ARCHIVE_DAMAGED"),
]


@pytest.mark.parametrize(("make", "code"), BOMBS, ids=lambda x: getattr(x, "__name__", x))
def test_a_bomb_is_refused_and_leaves_nothing(
    tmp_path: Path,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], None],
    code: str,
) -> None:
    monkeypatch.setattr("covidx.ingest.find.archives.FREE_BYTES", 1_000_000)
    monkeypatch.setattr("covidx.ingest.find.archives.MAX_MEMBERS", 50)
    make(tmp_path / "bomb")
    unpacked = unpack(tmp_path / "bomb", tmp_path, scratch)
    assert unpacked.members == ()
    (refused,) = unpacked.others
    assert refused.error is not None
    assert refused.error[0] == code
    assert list(scratch.iterdir()) == []


def test_one_member_that_is_too_large(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("covidx.ingest.find.archives.MAX_MEMBER_BYTES", 2_999_999)
    _bomb_zip(tmp_path / "z")
    (refused,) = unpack(tmp_path / "z", tmp_path, scratch).others
    assert refused.error is not None
    assert "Found 3000000, expected at most 2999999" in refused.error[1]


def test_a_header_that_claims_gigabytes_is_not_read(tmp_path: Path, scratch: Path) -> None:
    """Of a PAX header, tarfile reads as many bytes at once as it claims."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 2**33
    path = tmp_path / "t.tar"
    with path.open("wb") as stream:
        stream.write(info.tobuf(tarfile.GNU_FORMAT))
        stream.truncate(2**33 + 2048)  # sparse on disk
    started = time.monotonic()
    (refused,) = unpack(path, tmp_path, scratch).others
    assert refused.error is not None
    assert refused.error[0] == "ARCHIVE_DAMAGED"
    assert time.monotonic() - started < 5


def test_a_full_disk_ends_the_run_with_its_reason(
    series: Path, tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    archive = zipped(tmp_path / "s.zip", series)
    monkeypatch.setattr("covidx.ingest.find.archives.shutil.copyfileobj", full)
    with pytest.raises(StoreError, match="SCRATCH_FULL"):
        ingest(archive, tmp_path / "out")
    assert list(scratch.iterdir()) == []


def test_what_a_killed_run_left_is_removed_by_the_next(
    series: Path, tmp_path: Path, scratch: Path
) -> None:
    archive = zipped(tmp_path / "s.zip", series)
    script = (
        "import sys, time; from pathlib import Path\n"
        "from covidx.ingest import Identities, read_images\n"
        f"reader = read_images(Path({str(archive)!r}), identities=Identities.public())\n"
        "print('there', flush=True); time.sleep(60)\n"
    )
    running = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert running.stdout is not None
    assert running.stdout.readline() == b"there\n"
    (top,) = scratch.iterdir()
    read_series(archive)
    assert list(scratch.iterdir()) == [top]  # it is held by its run
    running.send_signal(signal.SIGKILL)
    running.wait(30)
    read_series(archive)
    assert list(scratch.iterdir()) == []


def test_no_name_within_an_archive_is_written_down(series: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    zipped(source / "Doe_Jane.zip", series)
    with zipfile.ZipFile(source / "Doe_Jane.zip", "a") as archive:
        archive.writestr("Doe_Jane/letter.txt", "Dear Jane")
        archive.writestr("../Doe_Jane", "x")
    result = ingest(source, tmp_path / "out")
    assert result.reasons == {"MEMBER_OUTSIDE": 1, "NOT_AN_IMAGE": 1}
    for path in (tmp_path / "out").rglob("*"):
        assert "Jane" not in path.name
        assert path.is_dir() or b"Jane" not in path.read_bytes()
    table = "\n".join(result.quarantine["path"])
    assert os.fspath(tempfile.gettempdir()) not in table

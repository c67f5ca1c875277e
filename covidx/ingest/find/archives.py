"""ZIP and TAR archives, looked into as if they were folders: unpacked within limits.

A member becomes a regular file below a private folder, or an entry that says why it did not. Its
place there is ``<archive>/<member>``, as people are shown it.
"""

from __future__ import annotations

import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from covidx.errors import InvalidInputError
from covidx.ingest.compressed import decompressor_of
from covidx.ingest.dicom.file import START_BYTES
from covidx.ingest.find.formats import is_zip
from covidx.ingest.find.scan import ScannedFile
from covidx.ingest.find.scratch import is_full, scratch_full

GIB = 2**30
MAX_MEMBERS = 200_000
MAX_MEMBER_BYTES = 8 * GIB
MAX_TOTAL_BYTES = 64 * GIB
MAX_RATIO = 200
"""Bytes unpacked for a byte of the archive; CT gives 2 to 4, label maps up to some hundred."""
FREE_BYTES = GIB // 4
"""Unpacked at any ratio: harmless, and small label maps are there."""
MAX_READ_BYTES = 2**20
"""In one piece; a TAR header that claims more is no header."""
DOCUMENT_MARKS = ("[Content_Types].xml", "META-INF/MANIFEST.MF", "mimetype")
"""Members of what is a ZIP archive to a program alone: Office, Java, OpenDocument."""

ENCRYPTED = ("MEMBER_ENCRYPTED", "This member of an archive is encrypted; unpack it yourself.")
NO_FILE = ("MEMBER_NOT_A_FILE", "This member of an archive is a link or a device.")
OUTSIDE = ("MEMBER_OUTSIDE", "The path of this member leads out of its archive.")
DAMAGED = ("MEMBER_DAMAGED", "This member of an archive is damaged, or packed in an unknown way.")
UNNAMEABLE = ("MEMBER_UNNAMEABLE", "The name of this member cannot be that of a file.")
EMPTY = ("ARCHIVE_EMPTY", "This archive holds no file.")


Opener = Callable[[Any], Any]
"""Opens a member for reading, by what its archive's library calls it."""


@dataclass(frozen=True)
class Unpacked:
    """The files that an archive gave, and what it did not give."""

    members: tuple[Path, ...]
    others: tuple[ScannedFile, ...]


@dataclass(frozen=True)
class _Member:
    """A member by its name and size; `why_not` where it is not to be read."""

    name: str
    size: int
    source: zipfile.ZipInfo | tarfile.TarInfo
    why_not: tuple[str, str] | None


def unpack(path: Path, root: Path, scratch: Path) -> Unpacked:
    """Unpack an archive below `scratch`, at its place below `root`.

    An archive that is damaged or beyond the limits gives nothing but its own entry.

    Parameters
    ----------
    path : Path
        The archive.
    root : Path
        The source, in which it lies.
    scratch : Path
        Private folder for what is unpacked.

    Raises
    ------
    StoreError
        ``SCRATCH_FULL``.
    """
    folder = scratch / path.relative_to(root)
    try:
        with path.open("rb") as stream:
            zipped = is_zip(stream.read(START_BYTES))
        return _unzip(path, folder) if zipped else _untar(path, folder, scratch)
    except Exception as error:  # a mutated archive makes its readers raise nearly anything
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and is_full(error):
            raise scratch_full(error, scratch) from None
        code, reason = "ARCHIVE_DAMAGED", f"This archive cannot be read ({type(error).__name__})."
        if isinstance(error, InvalidInputError):
            code, reason = error.code, error.reason
        return Unpacked((), (ScannedFile(str(path), "none", error=(code, reason)),))


def _unzip(path: Path, folder: Path) -> Unpacked:
    with zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        if any(info.filename in DOCUMENT_MARKS for info in infos):
            return Unpacked((), (ScannedFile(str(path), "none"),))
        members = [_zip_member(info) for info in infos]
        _check_limits(members, path)
        return _write_all(members, archive.open, path, folder)


def _zip_member(info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16  # of Unix, 0 where the archive was made elsewhere
    special = stat.S_IFMT(mode) not in (0, stat.S_IFREG)
    why_not = NO_FILE if special else ENCRYPTED if info.flag_bits & 1 else None
    return _Member(info.filename, info.file_size, info, why_not)


def _untar(path: Path, folder: Path, scratch: Path) -> Unpacked:
    with _plain(path, scratch) as stream:
        stream.seek(0)
        guarded = cast(BinaryIO, _Guarded(stream))
        with tarfile.open(fileobj=guarded, mode="r:", errors="replace") as archive:
            members = list(_tar_members(archive))
            # tarfile takes a damaged header, or the end of the file, for the end of the archive,
            # which is a block of zeros (POSIX ustar): the members behind would be lost unseen.
            stream.seek(archive.offset)
            if stream.read(START_BYTES) != bytes(START_BYTES):
                raise tarfile.ReadError("an archive without its end")
            _check_limits(members, path)
            return _write_all(members, archive.extractfile, path, folder)


def _tar_members(archive: tarfile.TarFile) -> Iterator[_Member]:
    for count, info in enumerate(archive):
        if count > MAX_MEMBERS:
            raise _too_large("members", f"more than {MAX_MEMBERS}", MAX_MEMBERS)
        if not info.isdir():
            plain = info.isreg() and not info.issparse()
            yield _Member(info.name, info.size, info, None if plain else NO_FILE)


@contextmanager
def _plain(path: Path, scratch: Path) -> Iterator[BinaryIO]:
    """The bytes of a TAR, decompressed into a file without a name where need be."""
    with path.open("rb") as stream:
        opener = decompressor_of(stream.read(START_BYTES))
        if opener is None:
            yield stream
            return
    most = _most_bytes(path)
    with opener(path) as packed, tempfile.TemporaryFile(dir=scratch) as plain:
        while block := packed.read(MAX_READ_BYTES):
            plain.write(block)
            if plain.tell() > most:
                raise _too_large("bytes", f"more than {most}", most)
        yield cast(BinaryIO, plain)


class _Guarded:
    """A file that is read in small pieces only, since a TAR header may claim any length."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_READ_BYTES:
            raise tarfile.ReadError("a header claims too much")
        return self._stream.read(size)


def _check_limits(members: Sequence[_Member], path: Path) -> None:
    """Refuse a bomb before anything of it is unpacked.

    Raises
    ------
    InvalidInputError
        ``ARCHIVE_TOO_LARGE``.
    """
    if len(members) > MAX_MEMBERS:
        raise _too_large("members", len(members), MAX_MEMBERS)
    sizes = [member.size for member in members if member.why_not is None]
    if min(sizes, default=0) < 0:
        raise tarfile.ReadError("a member of negative size")
    if max(sizes, default=0) > MAX_MEMBER_BYTES:
        raise _too_large("bytes in one member", max(sizes), MAX_MEMBER_BYTES)
    if sum(sizes) > _most_bytes(path):
        raise _too_large("bytes", sum(sizes), _most_bytes(path))


def _most_bytes(path: Path) -> int:
    return min(MAX_TOTAL_BYTES, max(FREE_BYTES, MAX_RATIO * path.stat().st_size))


def _too_large(what: str, actual: object, most: int) -> InvalidInputError:
    return InvalidInputError(
        "ARCHIVE_TOO_LARGE",
        f"This archive would unpack to too many {what}; unpack it yourself if you trust it.",
        actual=actual,
        expected=f"at most {most}",
    )


def _write_all(members: Sequence[_Member], opener: Opener, path: Path, folder: Path) -> Unpacked:
    written: list[Path] = []
    others: list[ScannedFile] = []
    for place, member in _places(members, folder):
        why_not = member.why_not or _write(member, opener, place)
        if why_not is None:
            written.append(place)
        else:
            others.append(ScannedFile(str(place), "none", error=why_not))
    if not members:
        others.append(ScannedFile(str(path), "none", aside=EMPTY))
    return Unpacked(tuple(written), tuple(others))


def _places(members: Sequence[_Member], folder: Path) -> Iterator[tuple[Path, _Member]]:
    """Where each member goes: below `folder`, no two to one place."""
    taken: set[PurePosixPath] = set()
    for number, member in enumerate(members, 1):
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts or not name.parts:
            name, member = PurePosixPath(f"member-{number}"), replace(member, why_not=OUTSIDE)
        while name in taken:  # both are looked at, since neither is known to be the better one
            name = name.with_name(f"{name.name}~{number}")
        taken.add(name)
        yield folder / name, member


def _write(member: _Member, opener: Opener, place: Path) -> tuple[str, str] | None:
    """Write a member; code and reason where that cannot be."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        target = place.open("xb")
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and is_full(error):
            raise
        return UNNAMEABLE
    try:
        stream = opener(member.source)
        with target, stream:
            shutil.copyfileobj(stream, target, MAX_READ_BYTES)
            whole = target.tell() == member.size
    except Exception as error:  # a damaged member makes zipfile raise nearly anything
        if isinstance(error, OSError) and is_full(error):
            raise
        whole = False
    if not whole:
        place.unlink()
        return DAMAGED
    return None

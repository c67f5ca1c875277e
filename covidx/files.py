"""Atomic files, digests and the lock that keeps two writers out of one folder."""

from __future__ import annotations

import errno
import fcntl
import filecmp
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from covidx.errors import StoreError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LOCK_POLL_SECONDS = 0.2
UNFINISHED = re.compile(r"\.\d+\.tmp\.")


def sha256_bytes(data: bytes) -> str:
    """Hex SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of the file at `path`, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _canonical_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256_json(value: Any) -> str:
    """Hex SHA-256 of the canonical JSON of `value` (sorted keys, no spaces, no NaN)."""
    return sha256_bytes(_canonical_json(value).encode())


def make_folder(path: Path) -> Path:
    """Make the folder `path` with its parents, and return it.

    Raises
    ------
    StoreError
        ``UNWRITABLE``.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            "UNWRITABLE",
            "The output folder cannot be made.",
            path=path,
            actual=error.strerror,
            hint="Choose a folder that you may write to.",
        ) from error
    if not os.access(path, os.W_OK):
        raise StoreError(
            "UNWRITABLE",
            "The output folder cannot be written to.",
            path=path,
            hint="Choose a folder that you may write to.",
        )
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; it takes the name of `path` only on success.

    The temporary name keeps the suffixes of `path`, since writers such as nibabel
    choose the format by them. A file that holds the same already is left as it is.

    Raises
    ------
    StoreError
        ``DISK_FULL``.
    """
    temporary = path.with_name(f".{os.getpid()}.tmp.{path.name}")
    try:
        yield temporary
        if not (path.is_file() and _same(path, temporary)):
            temporary.replace(path)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise StoreError(
            "DISK_FULL",
            "There is no room to write a file.",
            path=path.parent,
            actual=error.strerror,
            hint="Make room and run the same again: what is there already stays.",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _same(old: Path, new: Path) -> bool:
    same_mode = old.stat().st_mode == new.stat().st_mode
    return same_mode and filecmp.cmp(old, new, shallow=False)


def remove_unfinished(folder: Path, name: str = "*") -> None:
    """Remove what writers killed within `replacing` left in `folder`, for files like `name`.

    Call it only while the folder is held (`locked`).
    """
    for path in folder.glob(f".*.tmp.{name}"):
        if UNFINISHED.match(path.name):
            path.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """As `replacing`, for a folder `path` that does not exist yet.

    Raises
    ------
    StoreError
        ``FOLDER_TAKEN``, or as `make_folder`.
    """
    make_folder(path.parent)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    temporary.chmod(0o755)
    try:
        yield temporary
        try:
            temporary.replace(path)
        except OSError as error:
            raise StoreError(
                "FOLDER_TAKEN",
                "This folder exists already.",
                path=path,
                actual=error.strerror,
                hint="Choose another folder, or remove this one.",
            ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def plain(value: Any) -> Any:
    """A `value` of objects with ``to_json``, mappings and sequences as plain JSON values."""
    if hasattr(value, "to_json"):
        return plain(value.to_json())
    if isinstance(value, Mapping):
        return plain_object(value)
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def plain_object(parts: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object of `parts`, each as by `plain`."""
    return {name: plain(part) for name, part in parts.items()}


def write_json(path: Path, value: Any) -> None:
    """Write `value` (see `plain`) as JSON to `path`, atomically; NaN is refused."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(plain(value), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read the JSON file at `path`.

    Raises
    ------
    StoreError
        ``UNREADABLE``: it is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise StoreError(
            "UNREADABLE", "The file is missing or is not JSON.", path=path, actual=error
        ) from error


@contextmanager
def locked(folder: Path, wait: float = 0) -> Iterator[None]:
    """Hold `folder` for this process; a second holder waits for `wait` seconds, then is refused.

    The lock is the kernel's, so that it ends with its process however that dies.

    Raises
    ------
    StoreError
        ``IN_USE``, or as `make_folder`.
    """
    make_folder(folder)
    until = time.monotonic() + wait
    with (folder / ".lock").open("w") as stream:
        while not _lock(stream):
            if time.monotonic() >= until:
                raise StoreError(
                    "IN_USE",
                    "Another covidx process is writing into this folder.",
                    path=folder,
                    hint="Wait for it to end, or choose another folder.",
                )
            time.sleep(LOCK_POLL_SECONDS)
        yield


def _lock(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_alive(pid: int) -> bool:
    """Whether a process with the id `pid` is there, of whomever it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

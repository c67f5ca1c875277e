"""A private folder for what a run unpacks: removed at its end, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import tempfile
import weakref
from pathlib import Path

from covidx.errors import StoreError

PREFIX = "covidx-unpacked-"
LOCK = "lock"
"""Of the kernel, so that it ends with its process: a folder without a holder is nobody's."""


class Scratch:
    """A folder below ``TMPDIR`` that only this user can open.

    It is removed by `close`, with this object, at the end of the process, or, where that was
    killed, by the next run.
    """

    def __init__(self) -> None:
        _sweep()
        top = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = (top / f".{LOCK}").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        (top / f".{LOCK}").rename(top / LOCK)  # it is seen only once it is held
        self.path = top / "members"
        self.path.mkdir()
        self._remove = weakref.finalize(self, _discard, top, self._lock)

    def close(self) -> None:
        """Remove it now."""
        self._remove()


def _discard(top: Path, lock: object) -> None:
    shutil.rmtree(top, ignore_errors=True)
    lock.close()  # type: ignore[attr-defined]


def _sweep() -> None:
    """Remove what runs left that were killed."""
    for top in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            what = top.lstat()
            if not stat.S_ISDIR(what.st_mode) or what.st_uid != os.geteuid():
                continue
            with (top / LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(top, ignore_errors=True)
        except OSError:  # held by its run, not locked yet, or just removed by another one
            continue


def is_full(error: OSError) -> bool:
    """Whether `error` says that a disk has no room left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def scratch_full(error: OSError, folder: Path) -> StoreError:
    """The refusal for unpacked files whose disk is full: by the system's `error`, in `folder`."""
    return StoreError(
        "SCRATCH_FULL",
        "There is no room to unpack an archive.",
        path=folder,
        actual=error.strerror,
        hint="Set TMPDIR to a folder on a disk with room, or unpack the archive yourself.",
    )

"""Killed whenever a file takes its name, or cut off by a full disk: then run again."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from covidx.errors import StoreError
from covidx.ingest import deidentify, ingest, read_linkage

from .conftest import write_series

Verb = Callable[..., object]
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two studies and something that is refused."""
    for study in ("1.2.3.1", "1.2.3.7"):
        how = {"StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.2", "PatientID": study}
        write_series(tmp_path / "in" / study, slices=3, **how)
    (tmp_path / "in" / "text").write_text("-")
    return tmp_path / "in"


def content(out: Path) -> dict[str, bytes]:
    """Every file but the lock, hidden ones too."""
    found = (path for path in out.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def _killed_at(moment: int, verb: Verb, source: Path, out: Path) -> None:
    """End this process by SIGKILL at the n-th moment before or after a file takes its name."""
    passed = 0
    replace, unlink = Path.replace, Path.unlink

    def pass_one() -> None:
        nonlocal passed
        passed += 1
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def slow_replace(path: Path, target: Path) -> Path:
        pass_one()
        done = replace(path, target)
        pass_one()
        return done

    def slow_unlink(path: Path, missing_ok: bool = False) -> None:
        pass_one()
        unlink(path, missing_ok)

    Path.replace, Path.unlink = slow_replace, slow_unlink  # type: ignore[method-assign,assignment]
    verb(source, out, workers=1)


@pytest.mark.parametrize("verb", [ingest, deidentify])
@pytest.mark.parametrize("again", [False, True], ids=["new", "into a store of another source"])
def test_killed_at_every_moment(
    key: Path, source: Path, tmp_path: Path, verb: Verb, again: bool
) -> None:
    verb(source, tmp_path / "whole", workers=1)
    expected = content(tmp_path / "whole")
    write_series(tmp_path / "other", slices=2, SeriesInstanceUID="1.2.3.9", PatientID="other")
    survived = 0
    while True:
        out = tmp_path / f"out-{survived}"
        if again:
            verb(tmp_path / "other", out, workers=1)
        process = FORK.Process(target=_killed_at, args=(survived + 1, verb, source, out))
        process.start()
        process.join()
        if process.exitcode == 0:  # there are no more moments
            break
        assert process.exitcode == -signal.SIGKILL
        verb(source, out, workers=1)
        assert content(out) == expected
        assert len(read_linkage(out)) == len(read_linkage(tmp_path / "whole"))
        survived += 1
    assert survived > 20
    assert not [path for path in key.parent.iterdir() if ".tmp." in path.name]


def _with_little_room(limit: int, verb: Verb, source: Path, out: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        verb(source, out, workers=1)
    except StoreError as error:
        os._exit(3 if error.code == "DISK_FULL" else 4)


@pytest.mark.parametrize("verb", [ingest, deidentify])
@pytest.mark.parametrize("limit", [50, 500, 1500, 4000])
def test_no_room(key: Path, source: Path, tmp_path: Path, verb: Verb, limit: int) -> None:
    """A limit on the size of files fails as a full disk does, at a file that is too large."""
    verb(source, tmp_path / "whole", workers=1)
    process = FORK.Process(target=_with_little_room, args=(limit, verb, source, tmp_path / "out"))
    process.start()
    process.join()
    assert process.exitcode in (0, 3)
    if limit < 1000:
        assert process.exitcode == 3
    before = content(tmp_path / "out")
    assert not [name for name in before if ".tmp." in name]
    verb(source, tmp_path / "out", workers=1)
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_a_full_disk_is_told_from_other_failures(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(code: int) -> Callable[..., int]:
        def fail(*_: object) -> int:
            raise OSError(code, os.strerror(code))

        return fail

    monkeypatch.setattr(Path, "replace", failing(errno.ENOSPC))
    with pytest.raises(StoreError) as caught:
        ingest(source, tmp_path / "out", workers=1)
    assert caught.value.code == "DISK_FULL"
    monkeypatch.setattr(Path, "replace", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        ingest(source, tmp_path / "out", workers=1)


def test_nothing_is_written_twice(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ingest(source, out)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"}
    ingest(source, out)
    files = {path: time for path, time in times.items() if path.is_file()}
    assert {path: path.stat().st_mtime_ns for path in files} == files

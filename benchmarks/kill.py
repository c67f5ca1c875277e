"""``covidx ingest`` killed at random moments by SIGKILL, and run again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import Result, commit_now
from covidx.files import sha256_bytes
from covidx.phantom import generate_cohort

COMMAND = "python -m benchmarks kill"
POINTS = 50
PATIENTS = 5
"""Enough for a kill to fall into scan, reading and writing."""
WORKERS = 2


def kill_points_survived(
    points: int = POINTS, patients: int = PATIENTS, seed: int = 0
) -> dict[str, Result]:
    """Of so many kills, after how many the same run again gave what an uninterrupted one gives.

    The whole group of processes is killed, at a moment drawn evenly from the time that a run takes;
    one that came too late is drawn again. Compared are the names and bytes of all files in the
    store, hidden ones too, and of the linkage beside the key.
    """
    chance = random.Random(seed)  # noqa: S311 (moments, no secrets)
    survived = done = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        generate_cohort(place / "phantom", patients, seed)
        seconds = time.perf_counter()
        _start(place).wait()
        seconds = time.perf_counter() - seconds
        expected = _content(place)
        while done < points:
            _clear(place)
            process = _start(place)
            try:
                process.wait(chance.uniform(0, seconds))
                continue
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            done += 1
            again = _start(place).wait()
            survived += again == 0 and _content(place) == expected
    against = f"all {points}; {WORKERS} processes, one run {seconds:.1f} s"
    result = Result(
        value=survived,
        low=survived,
        high=survived,
        n=points,
        against=against,
        command=COMMAND,
        commit=commit_now(),
    )
    return {"kill_points_survived": result}


def _start(place: Path) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("covidx")), "ingest"]
    given = [place / "phantom" / "dicom", "--out", place / "store", "--workers", WORKERS]
    return subprocess.Popen(
        [*command, *map(str, given)],
        env={**os.environ, "COVIDX_KEY": str(place / "key" / "key")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _content(place: Path) -> dict[str, str]:
    """SHA-256 of every file but the lock and the key."""
    return {
        path.relative_to(place).as_posix(): sha256_bytes(path.read_bytes())
        for folder in ("store", "key")
        for path in (place / folder).rglob("*")
        if path.is_file() and path.name not in (".lock", "key")
    }


def _clear(place: Path) -> None:
    """All but the key, so that pseudonyms stay."""
    shutil.rmtree(place / "store", ignore_errors=True)
    for path in (place / "key").glob("linkage-*"):
        path.unlink()

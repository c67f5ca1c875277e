"""Thousands of damaged files: none may end the process, hang it, or be lost from the account."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from unittest import mock

from benchmarks.damage import MUTATIONS, SEED, corpus, mutated
from benchmarks.results import Result, commit_now
from covidx.files import make_folder
from covidx.ingest import Identities, ingest, read_images

COMMAND = "python -m benchmarks fuzz"
FILES = 20_000
SECONDS = 10
"""A file may take; the alarm then ends the process."""
LIMIT_MIB = 2048
BATCH = 500
"""Files a process."""

READ_EACH = [sys.executable, "-m", "benchmarks.fuzz"]

Fault = tuple[str, str]
"""Name of a file, and what went wrong with it."""


def fuzz(count: int = FILES, seed: int = SEED, keep: Path | None = None) -> dict[str, Result]:
    """Damage files, read each in a process that an alarm ends, and ingest them all.

    Parameters
    ----------
    count, seed : int
        How many files are damaged, and by what chance.
    keep : Path, optional
        Where files that did harm are left.

    Returns
    -------
    dict
        ``fuzz_files`` and ``fuzz_failures``: files that ended the process, took more than 10 s or
        2 GiB, or that the account of `read_images` or `ingest` lacks.
    """
    begun = time.perf_counter()
    faults: list[Fault] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        files = corpus(place / "sound")
        kinds: Counter[str] = Counter()
        batch: list[tuple[str, bytes]] = []
        todo = mutated(files, count, seed)
        while batch := list(islice(todo, BATCH)):
            damaged = place / "damaged"
            damaged.mkdir()
            for name, data in batch:
                (damaged / name).write_bytes(data)
            for name, why in _one_by_one(damaged, kinds):
                print(f"{name}: {why}", flush=True)
                faults.append((name, why))
                if keep is not None:
                    shutil.copy(damaged / name, make_folder(keep))
                (damaged / name).unlink()
            faults += _together(damaged, place / "store")
            shutil.rmtree(damaged)
            shutil.rmtree(place / "store", ignore_errors=True)
            print(f"{sum(kinds.values())} of {count}", flush=True)
    minutes = (time.perf_counter() - begun) / 60
    bad = len({name for name, _ in faults})
    outcomes = ", ".join(f"{kind} {n}" for kind, n in kinds.most_common())
    command, commit = COMMAND, commit_now()
    ran = f"{len(files)} sound files, {len(MUTATIONS)} kinds of damage, seed {seed}"
    return {
        "fuzz_files": Result(
            value=count, low=count, high=count, n=count, command=command, commit=commit,
            against=f"20,000; {ran}; {minutes:.0f} minutes; {outcomes}",
        ),
        "fuzz_failures": Result(
            value=bad, low=bad, high=bad, n=count, command=command, commit=commit,
            against=f"0; ended the process, over {SECONDS} s, over {LIMIT_MIB} MiB, or not in the"
            " account",
        ),
    }  # fmt: skip


def _one_by_one(folder: Path, kinds: Counter[str]) -> Iterator[Fault]:
    """Read every file by itself; a process that ends is started again behind the file at fault."""
    todo = sorted(path.name for path in folder.iterdir())
    while todo:
        process = subprocess.run(
            [*READ_EACH, str(folder), todo[0]], capture_output=True, text=True, check=False
        )
        lines = [line.split("\t") for line in process.stdout.splitlines()]
        for name, kind in lines:
            kinds[kind.partition(" ")[0]] += 1
            if kind.startswith("fault"):
                yield name, kind
        todo = todo[len(lines) :]
        if process.returncode != 0 and todo:
            name, *todo = todo
            kinds["ended"] += 1
            yield name, f"ended the process ({process.returncode}): {process.stderr[-200:].strip()}"


def _read_each(folder: Path, first: str) -> None:
    """In a process of its own: one line a file."""
    peak = 0
    for path in sorted(path for path in folder.iterdir() if path.name >= first):
        signal.alarm(SECONDS)  # what it does by default is to end the process
        kind = _kind(path)
        signal.alarm(0)
        now = _peak_mib()
        if now > LIMIT_MIB and now > peak:
            kind = f"fault {now} MiB"
        peak = max(peak, now)
        print(path.name, kind, sep="\t", flush=True)


def _peak_mib() -> int:
    """Peak resident memory of this process; getrusage's counts what its parent held at the fork."""
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x)
    return int(line.split()[1]) // 1024


def _kind(path: Path) -> str:
    try:
        reader = read_images(path, identities=Identities.public())
        read = len(list(reader))
    except Exception as error:
        return f"fault {type(error).__name__}: {error}"
    kinds = set(reader.quarantine["kind"])
    if not read and not kinds:
        return "fault not in the account"
    return "read" if read else min(kinds)


def _together(folder: Path, store: Path) -> Iterator[Fault]:
    """Ingest the batch as one folder, as a hospital's export: `ingest` checks its account."""
    key = {"COVIDX_KEY": str(folder.parent / "key" / "key")}
    try:
        with mock.patch.dict(os.environ, key):
            ingest(folder, store, workers=1)
    except Exception as error:
        yield min(p.name for p in folder.iterdir()), f"the batch: {type(error).__name__}: {error}"
        return


if __name__ == "__main__":
    _read_each(Path(sys.argv[1]), sys.argv[2])

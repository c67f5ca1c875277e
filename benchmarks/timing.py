"""How long things take: a training from nothing, and the answer of the command line."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.results import Result, commit_now
from covidx.files import read_json

COMMAND = "python -m benchmarks timing"
STARTS = 9
REUSED_BELOW_S = 1.0
"""Simulating a cohort takes longer; finding it already there does not."""
DATASET = "phantom"


def train_ct_minutes(runs: Path = Path("runs")) -> Result | None:
    """Minutes of ``make train-ct`` by its own record: the newest run, and the range of its like.

    Counted are finished runs on the phantom that simulated it anew and were not taken up after an
    interruption, with the configuration of the newest of them.

    Parameters
    ----------
    runs : Path

    Returns
    -------
    Result or None
        None where there is no such run. n is the number of runs; low and high are the quickest
        and the slowest.
    """
    paths = sorted((runs / "train_ct").glob("*/run.json"))
    records = [read_json(path) for path in paths if not path.parent.is_symlink()]
    whole = sorted(filter(_from_nothing, records), key=lambda record: record["started"])
    if not whole:
        return None
    newest = whole[-1]
    alike = [
        record
        for record in whole
        if all(record[key] == newest[key] for key in ("config", "machine"))
    ]
    minutes = [sum(record["seconds"].values()) / 60 for record in alike]
    return Result(
        value=round(minutes[-1], 2),
        low=round(min(minutes), 2),
        high=round(max(minutes), 2),
        n=len(minutes),
        against=f"at most 10 on 2 cores; {newest['machine']['cores']} cores here; "
        "range of the runs",
        command="make clean train-ct && " + COMMAND,
        commit=newest["git_commit"],
    )


def _from_nothing(record: dict[str, Any]) -> bool:
    return (
        record["state"] == "finished"
        and record["data"]["dataset"] == DATASET
        and record["seconds"]["cohort"] >= REUSED_BELOW_S
        and record["resumed_from_epoch"] is None
    )


def cli_help_seconds(starts: int = STARTS) -> Result:
    """Seconds from the start of ``covidx --help`` to its end, beside an idle Python.

    The two are started in turn, so that a busy machine slows both alike. The first start of each
    fills the disk cache and is not counted.
    """
    covidx = [str(Path(sys.executable).with_name("covidx")), "--help"]
    idle = [sys.executable, "-c", "pass"]
    pairs = [(_seconds(covidx), _seconds(idle)) for _ in range(starts + 1)][1:]
    found, bare = zip(*pairs, strict=True)
    return Result(
        value=round(statistics.median(found), 3),
        low=round(min(found), 3),
        high=round(max(found), 3),
        n=starts,
        against=f"under 0.5; python -c pass in the same run: {statistics.median(bare):.3f} "
        f"({min(bare):.3f} to {max(bare):.3f}); median and range of the starts",
        command=COMMAND,
        commit=commit_now(),
    )


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start

"""How fast ``covidx predict`` goes over a large clinical table, and what memory it takes."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import Result, result_of_runs
from covidx.config import load_config
from covidx.phantom import clinical_table
from covidx.pipelines.clinical.config import TRAIN_CLINICAL, TrainClinical
from covidx.pipelines.clinical.train import train_clinical

COMMAND = "python -m benchmarks predict-rows"
ROWS, DRAWN = 2_700_000, 5_000
"""As many as Israel tested by the end of 2020; so many are drawn, and written again under others'
ids."""
CHANGES = ("phantom.patients=1000", "recipes=[{name: logistic, kind: logistic}]")
LIMITS = "at most 2 minutes (22,500 rows a second) and 2 GiB for 2.7 million rows"


def predict_rows(rows: int = ROWS) -> dict[str, Result]:
    """Train a small clinical model, and time it on a table of `rows` rows, by CSV into CSV.

    The rate is by the processor's time where other processes take turns with this one.
    """
    with tempfile.TemporaryDirectory(prefix="covidx-rows-") as place:
        folder = Path(place)
        config = load_config(TRAIN_CLINICAL, TrainClinical, CHANGES)
        run = train_clinical(config, work=folder / "data", runs=folder / "runs")
        _write(folder / "table.csv", rows)
        command = [sys.executable, "-m", "covidx", "predict", str(run.folder / "bundle")]
        command += [str(folder / "table.csv"), "--format", "csv", "--out", str(folder / "out.csv")]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        written = sum(1 for _ in (folder / "out.csv").open()) - 1
    assert written == rows
    busy = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    load = f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    against = (
        f"{LIMITS}; 17 columns; {busy:.0f} s of processor time, {wall:.0f} s by the clock at {load}"
    )
    gib = after.ru_maxrss / 2**20
    return {
        "predict_rows_per_second": result_of_runs(
            [rows / min(busy, wall)], against, COMMAND, digits=0, n=rows
        ),
        "predict_rows_gib": result_of_runs([gib], against, COMMAND, digits=2, n=rows),
    }


def _write(path: Path, rows: int) -> None:
    drawn = clinical_table(DRAWN, 77).drop(columns="label")
    text = drawn.to_csv(index=False)
    header, _, lines = text.partition("\n")
    with path.open("w") as out:
        out.write(f"{header}\n")
        for copy in range(-(-rows // DRAWN)):
            part = re.sub("^", f"{copy}-", lines, flags=re.MULTILINE).removesuffix(f"{copy}-")
            out.write("".join(part.splitlines(keepends=True)[: rows - copy * DRAWN]))

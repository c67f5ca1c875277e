"""How long ``covidx segment`` takes on a large study, and how much memory; beside lungmask.

Each program runs in a process of its own, from the DICOM files to the mask. lungmask is given
untrained weights (its own cannot be had everywhere), and so no post-processing, which would have
noise to work on: its time is a lower bound. It finds lungs alone; covidx finds opacities too.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

from benchmarks.results import RESULTS, Result, record, result_of_runs
from benchmarks.speed import join_series, write_large_series
from benchmarks.verb import measured

COMMAND = "python -m benchmarks segment-speed"
SLICES, SIDE, RUNS = 400, 512, 2
TIMES = 8
"""How many times as long the study is whose peak is measured: longer than any patient."""

THEIRS = """
import sys
import SimpleITK
import torch
from lungmask import LMInferer
from lungmask.resunet import UNet
series, weights = sys.argv[1:]
torch.manual_seed(0)
shape = dict(padding=True, depth=5, up_mode="upsample", batch_norm=True, residual=False)
torch.save(UNet(n_classes=3, **shape).state_dict(), weights)
how = dict(force_cpu=True, volume_postprocessing=False, tqdm_disable=True)
names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(series)
print(LMInferer(modelpath=weights, **how).apply(SimpleITK.ReadImage(names)).shape)
"""


def segment_speed(
    bundle: Path,
    results: Path = RESULTS,
    *,
    slices: int = SLICES,
    side: int = SIDE,
    runs: int = RUNS,
) -> dict[str, Result]:
    """Seconds of one study; peak of the resident memory, also of a very long one; lungmask's.

    Parameters
    ----------
    bundle : Path
        Of ``make train-segmentation`` on the phantom.
    results : Path
    slices, side, runs : int
        Of the study; of each program, in turn.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        series = write_large_series(place / "series", slices, side)
        long = join_series(series, place / "long", TIMES)
        theirs = importlib.util.find_spec("lungmask") is not None
        ours: list[tuple[float, float]] = []
        other: list[float] = []
        with mock.patch.dict(os.environ, {"COVIDX_KEY": str(place / "key" / "key")}):
            for _ in range(runs):
                ours.append(_segment(series, place / "out", bundle))
                if theirs:
                    other.append(_lungmask(series, place / "weights.pth"))
            _, peak_of_long = _segment(long, place / "out", bundle)
    seconds = [one for one, _ in ours]
    peak = max(gib for _, gib in ours)
    against = (
        f"under 180; lungs and opacities of {slices} slices of {side} x {side}, from DICOM to "
    )
    against += f"NIfTI; peak {peak:.2f} GiB, of {TIMES * slices} slices {peak_of_long:.2f}: under 4"
    found = {"segment_400_slices_seconds": _result(seconds, against)}
    if theirs:
        ratios = [one / mine for one, mine in zip(other, seconds, strict=True)]
        against = (
            f"lungmask {statistics.median(other):.0f} s: its network on lungs alone, untrained, "
        )
        against += "no post-processing"
        found["segment_speed_vs_lungmask"] = _result(ratios, against)
    else:
        print("segment_speed_vs_lungmask skipped: pip install lungmask first (Apache-2.0)")
    record(found, results)
    return found


def _segment(series: Path, out: Path, bundle: Path) -> tuple[float, float]:
    """Seconds, and the peak in GiB."""
    return measured("segment", str(series), "--out", str(out), "--bundle", str(bundle))


def _lungmask(series: Path, weights: Path) -> float:
    """Seconds."""
    start = time.perf_counter()
    command = [sys.executable, "-c", THEIRS, str(series), str(weights)]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def _result(values: list[float], against: str) -> Result:
    against = f"{against}; {os.cpu_count()} cores; median and range of the runs"
    return result_of_runs(values, against, COMMAND, digits=2)

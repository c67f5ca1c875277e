"""How much slower a training is beside one busy process, as on any shared machine."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.results import Result, commit_now

COMMAND = "python -m benchmarks busy"
SETTINGS = ("phantom.patients=30", "volume.learning.epochs=2")
"""``make train-ct``, all its steps, on fewer patients for fewer epochs."""
PAIRS = 3
CORES = 2


def busy_training_slowdown(pairs: int = PAIRS, settings: tuple[str, ...] = SETTINGS) -> Result:
    """Time of ``covidx train ct`` beside a process that never rests, as a multiple of that alone.

    On two cores and as many threads; the two are run in turn, so that a busy machine slows both.

    Parameters
    ----------
    pairs : int
        Runs of each.
    settings : tuple of str
        Changes of the configuration.

    Returns
    -------
    Result
        The median ratio, and the range of the pairs.
    """
    ratios = []
    for _ in range(pairs):
        alone = _seconds(settings)
        with _busy():
            ratios.append(_seconds(settings) / alone)
    return Result(
        value=round(statistics.median(ratios), 2),
        low=round(min(ratios), 2),
        high=round(max(ratios), 2),
        n=pairs,
        against=f"at most 2.5; {CORES} cores and threads, 30 phantom patients, 2 epochs; range of "
        "the pairs",
        command=COMMAND,
        commit=commit_now(),
    )


def _seconds(settings: tuple[str, ...]) -> float:
    """Seconds of a training from nothing, with the OpenMP policy that covidx sets."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "MLFLOW_"))}
    env["OMP_NUM_THREADS"] = str(CORES)
    with tempfile.TemporaryDirectory() as place:
        options = [word for setting in settings for word in ("--set", setting)]
        folders = ["--work", f"{place}/data", "--runs", f"{place}/runs"]
        code = "import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2]); "
        code += "from covidx.cli import main; main()"
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", code, "train", "ct", *options, *folders],
            check=True,
            capture_output=True,
            env=env | {"COVIDX_KEY": f"{place}/key"},
        )
        return time.perf_counter() - start


@contextmanager
def _busy() -> Iterator[None]:
    """One process that keeps a core busy."""
    code = "import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])\nwhile 1: pass"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        process.kill()
        process.wait()

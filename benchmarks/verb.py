"""Seconds and peak memory of a verb of the command line, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time

VERB = """
import atexit, pathlib, sys
from covidx.cli import main
def peak():  # getrusage would tell of the process that started this one, or of its other children
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    print("PEAK", next(line for line in lines if line.startswith("VmHWM")).split()[1])
atexit.register(peak)
sys.argv = ["covidx", *sys.argv[1:]]
main()
"""


def measured(*arguments: str) -> tuple[float, float]:
    """Run ``covidx`` with these arguments.

    Returns
    -------
    seconds, gib : float
        From the start of the process to its end; the peak of its resident memory.
    """
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", VERB, *arguments], check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    return seconds, int(done.stdout.rpartition("PEAK ")[2]) / 2**20

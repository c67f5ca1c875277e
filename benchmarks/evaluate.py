"""Seconds and memory of ``covidx evaluate`` on 200,000 predictions with 2,000 resamples."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.results import Result, result_of_runs
from benchmarks.verb import measured

COMMAND = "python -m benchmarks evaluate"
ROWS = 200_000
VALIDATION_ROWS = 20_000
LIMIT_S, LIMIT_GIB = 60, 4


def evaluate_200k(rows: int = ROWS, resamples: int = 2000, runs: int = 3) -> dict[str, Result]:
    """Seconds and peak memory of the verb, from the start of its process to its end.

    Made-up predictions of two classes, every row a patient; threshold and abstention bands from
    further validation rows, figures and page included. Median and range of the runs.
    """
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "predictions.parquet"
        made_up_predictions(rows, VALIDATION_ROWS * rows // ROWS).to_parquet(table)
        command = ("evaluate", str(table), "--out", str(Path(folder) / "out"))
        found = [measured(*command, "--resamples", str(resamples)) for _ in range(runs)]
    seconds, memory = zip(*found, strict=True)
    cores = len(os.sched_getaffinity(0))
    against = f"{resamples} resamples; {cores} cores here; median and range of {runs} runs"
    return {
        "evaluate_200k_seconds": result_of_runs(
            seconds, f"under {LIMIT_S}; {against}", COMMAND, digits=2, n=rows
        ),
        "evaluate_200k_gib": result_of_runs(
            memory, f"under {LIMIT_GIB}; peak memory; {against}", COMMAND, digits=2, n=rows
        ),
    }


def made_up_predictions(test: int, validation: int, seed: int = 0) -> pd.DataFrame:
    """A table as another system would give it: ids, label, role, one score."""
    rng = np.random.default_rng(seed)
    n = test + validation
    ill = rng.random(n) < 0.3
    score = 1 / (1 + np.exp(-(rng.normal(size=n) + 1.5 * ill - 1)))
    return pd.DataFrame(
        {
            "patient_id": np.arange(n).astype(str),
            "label": np.where(ill, "covid-19", "rest"),
            "role": np.where(np.arange(n) < test, "test", "validation"),
            "prob_covid-19": score,
        }
    )

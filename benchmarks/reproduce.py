"""A run trained again from its record: the largest difference in a probability."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results import RESULTS, Result, commit_now, record
from covidx.audit.run import RunComparison, compare_runs
from covidx.cli.replay import train_again
from covidx.errors import InvalidInputError
from covidx.pipelines.source_record import recall_source
from covidx.runs import read_record

COMMAND = "python -m benchmarks reproduce"


def reproduce(run: Path, work: Path, results: Path = RESULTS) -> RunComparison:
    """Train a finished run again on this machine, and record how far its predictions are off.

    Parameters
    ----------
    run : Path
        Its folder, in the folder of runs that takes the replay.
    work : Path
        Of its store and cache.
    results : Path

    Raises
    ------
    InvalidInputError
        ``ELSEWHERE``: the run is of another machine, lock or code, where a bit may differ.
    """
    run = run.resolve()
    recorded = read_record(run)
    replay = train_again(recorded, recall_source(recorded, work), work=work, runs=run.parent.parent)
    found = compare_runs(run, replay)
    if not found.same_place:
        (place,) = (one for one in found.findings if one.name == "same_place")
        raise InvalidInputError(
            "ELSEWHERE",
            "The run was not made by this code on this machine.",
            path=run,
            actual=", ".join(str(row["what"]) for row in place.rows),
            hint="Train it again (make train-ct), then measure.",
        )
    record({"reproduce_max_abs_difference": result_of_comparison(found)}, results)
    return found


def result_of_comparison(found: RunComparison) -> Result:
    """The largest difference, over all predictions of the run."""
    bits = "weights and bundle bit for bit" if found.bit_for_bit else "bundle not bit for bit"
    return Result(
        value=found.largest,
        low=found.largest,
        high=found.largest,
        n=found.n,
        against=f"0; trained again from run.json, same machine, lock and code; {bits}",
        command=COMMAND,
        commit=commit_now(),
    )

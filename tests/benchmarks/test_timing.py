"""Timings come from runs that did all the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.timing import cli_help_seconds, train_ct_minutes
from covidx.files import make_folder, write_json


def _run(runs: Path, name: str, minutes: float, **changes: Any) -> None:
    said = {
        "state": "finished",
        "started": name,
        "config": {"seed": 0},
        "machine": {"cores": 2},
        "git_commit": name,
        "data": {"dataset": "phantom"},
        "seconds": {"cohort": 30.0, "train": minutes * 60 - 30.0},
        "resumed_from_epoch": None,
    }
    write_json(make_folder(runs / "train_ct" / name) / "run.json", said | changes)


def test_only_whole_runs_of_the_newest_configuration_count(tmp_path: Path) -> None:
    assert train_ct_minutes(tmp_path) is None
    _run(tmp_path, "a", 9.0)
    _run(tmp_path, "b", 7.0)
    _run(tmp_path, "c", 8.0)
    _run(tmp_path, "0", 1.0, config={"seed": 1})
    _run(tmp_path, "d", 1.0, state="failed")
    _run(tmp_path, "e", 1.0, seconds={"cohort": 0.0, "train": 60.0})
    _run(tmp_path, "f", 1.0, resumed_from_epoch=3)
    _run(tmp_path, "g", 1.0, data={"dataset": "covid-ct"})
    (tmp_path / "train_ct" / "latest").symlink_to("c")
    found = train_ct_minutes(tmp_path)
    assert found is not None
    assert (found.value, found.low, found.high, found.n) == (8.0, 7.0, 9.0, 3)
    assert found.commit == "c"


def test_help_is_timed_beside_an_idle_python() -> None:
    found = cli_help_seconds(starts=2)
    assert found.n == 2 and "python -c pass" in found.against

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks import reproduce
from benchmarks.results import read_results
from covidx.errors import InvalidInputError
from covidx.files import read_json, write_json
from tests.conftest import Run


@pytest.fixture
def runs(trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A run, and the folder that a replay in place of training gives."""
    run, replay = (tmp_path / "runs" / "train_ct" / name for name in ("run", "replay"))
    for folder in (run, replay):
        shutil.copytree(trained.folder, folder)

    def train_again(record: Any, given: Any, *, work: Path, runs: Path) -> Path:
        assert given is None and runs == tmp_path / "runs"
        return replay

    monkeypatch.setattr(reproduce, "train_again", train_again)
    return run, replay


def test_the_largest_difference_is_recorded(
    trained: Run, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    run, replay = runs
    results = tmp_path / "results.json"
    reproduce.reproduce(run, trained.work, results)
    found = read_results(results)["reproduce_max_abs_difference"]
    assert found.value == 0 and found.n == 30 and "bit for bit" in found.against
    table = pd.read_parquet(replay / "predictions.parquet")
    table.loc[3, "prob_normal"] *= 0.5
    expected = table.loc[3, "prob_normal"]
    table.to_parquet(replay / "predictions.parquet", index=False)
    reproduce.reproduce(run, trained.work, results)
    found = read_results(results)["reproduce_max_abs_difference"]
    assert found.value == pytest.approx(expected)


def test_a_run_of_another_machine_is_not_measured(
    trained: Run, runs: tuple[Path, Path], tmp_path: Path
) -> None:
    run, _ = runs
    record = read_json(run / "run.json")
    record["machine"]["threads"] += 1
    write_json(run / "run.json", record)
    with pytest.raises(InvalidInputError, match="ELSEWHERE") as caught:
        reproduce.reproduce(run, trained.work, tmp_path / "results.json")
    assert "threads" in str(caught.value)
    assert not (tmp_path / "results.json").exists()

"""Two folders of one run: bit for bit, within the tolerance elsewhere, or not reproduced."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from covidx.audit.run import ELSEWHERE, compare_runs
from covidx.cli.reproduce import badge
from covidx.files import read_json, write_json
from tests.conftest import Run


@pytest.fixture
def replay(trained: Run, tmp_path: Path) -> Path:
    folder = tmp_path / "replay"
    shutil.copytree(trained.folder, folder)
    record = read_json(folder / "run.json")
    write_json(folder / "run.json", record | {"run_id": "another"})
    return folder


def shift(run: Path, by: float) -> None:
    """One probability is another; which one, and where to, leaves it within 0 to 1."""
    table = pd.read_parquet(run / "predictions.parquet")
    was = table.loc[4, "prob_covid-19"]
    table.loc[4, "prob_covid-19"] = was + (by if was < 0.5 else -by)
    table.to_parquet(run / "predictions.parquet", index=False)


def elsewhere(run: Path) -> None:
    record = read_json(run / "run.json")
    record["machine"]["cpu"] = "another"
    write_json(run / "run.json", record)


def verdicts(found: Any) -> dict[str, str]:
    return {finding.name: finding.verdict for finding in found.findings}


def test_the_same_is_bit_for_bit(trained: Run, replay: Path) -> None:
    found = compare_runs(trained.folder, replay)
    assert set(verdicts(found).values()) == {"pass"}
    assert found.bit_for_bit and found.same_place and found.largest == 0
    assert found.n == 30 and found.outcome == "bit for bit"
    assert found.claimed == found.replayed == read_json(trained.folder / "metrics.json")["auroc"]


def test_the_last_bit_counts_on_the_same_machine(trained: Run, replay: Path) -> None:
    shift(replay, 1e-12)
    found = compare_runs(trained.folder, replay)
    assert found.verdict == "fail" and found.outcome == "not reproduced"
    assert 0 < found.largest < 1e-11


@pytest.mark.parametrize(("place", "verdict"), [(0.1, "pass"), (0.9, "pass"), (1.1, "fail")])
def test_elsewhere_the_claimed_interval_counts(
    trained: Run, replay: Path, place: float, verdict: str
) -> None:
    elsewhere(replay)
    shift(replay, 0.1)
    metrics = read_json(replay / "metrics.json")
    low, high = metrics["auroc"]["low"], metrics["auroc"]["high"]
    metrics["auroc"]["value"] = low + place * (high - low)
    write_json(replay / "metrics.json", metrics)
    found = compare_runs(trained.folder, replay)
    assert not found.same_place and not found.bit_for_bit
    assert verdicts(found)["same_place"] == verdicts(found)["same_tables"] == "note"
    assert found.verdict == verdict
    assert found.outcome == (f"auroc {ELSEWHERE}" if verdict == "pass" else "not reproduced")
    assert found.largest == pytest.approx(0.1)


def test_on_the_same_machine_an_interval_is_not_enough(trained: Run, replay: Path) -> None:
    shift(replay, 0.1)
    found = compare_runs(trained.folder, replay)
    assert found.verdict == "fail" and found.same_place


def test_other_patients_are_no_replay(trained: Run, replay: Path) -> None:
    table = pd.read_parquet(replay / "predictions.parquet")
    table["unit_id"] = "X" + table["unit_id"]
    table.to_parquet(replay / "predictions.parquet", index=False)
    found = compare_runs(trained.folder, replay)
    assert found.verdict == "fail" and found.to_json()["max_abs_difference"] is None


def test_other_weights_are_named(trained: Run, replay: Path) -> None:
    path = replay / "bundle" / "weights.safetensors"
    path.write_bytes(path.read_bytes() + b"\0")
    found = compare_runs(trained.folder, replay)
    (finding,) = (one for one in found.findings if one.name == "same_bundle")
    assert finding.verdict == "fail"
    assert [row["what"] for row in finding.rows] == ["bundle/weights.safetensors"]


def test_a_badge_is_what_shields_io_reads() -> None:
    for outcome, colour in (
        ("bit for bit", "brightgreen"),
        (f"auroc {ELSEWHERE}", "green"),
        ("not reproduced", "red"),
    ):
        assert badge(outcome) == {
            "schemaVersion": 1,
            "label": "reproduced",
            "message": outcome,
            "color": colour,
        }

"""The benchmarks of the clinical model, on the real tables where they are."""

from __future__ import annotations

from pathlib import Path

from benchmarks.clinical import ALL_DAYS, israel
from benchmarks.results import read_results


def test_israel_reaches_what_was_published_and_sees_age_go(real_data: Path, tmp_path: Path) -> None:
    israel(real_data, tmp_path / "results.json")
    found = read_results(tmp_path / "results.json")
    assert found["israel_auroc"].value >= 0.900
    assert found["israel_auroc"].n == 48462
    lost = {name: "lost: age_60_and_above" in one.against for name, one in found.items()}
    assert not lost["israel_week_2020-03-30"] and not lost["israel_week_2020-04-06"]
    assert all(lost[f"israel_week_{day}"] for day in ("2020-04-13", "2020-04-20", "2020-04-27"))
    assert found["israel_week_2020-04-27"].high < found["israel_week_2020-03-30"].low


def test_the_timing_is_of_every_day_of_the_table() -> None:
    assert ALL_DAYS.train is not None and ALL_DAYS.test is not None
    assert ALL_DAYS.train[0].isoformat() == "2020-03-11"
    assert ALL_DAYS.test[1].isoformat() == "2020-04-30"
    assert (ALL_DAYS.test[0] - ALL_DAYS.train[1]).days == 1

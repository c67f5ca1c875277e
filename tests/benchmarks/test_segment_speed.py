"""The timing of ``covidx segment`` on a study that is small: what is counted, and where it goes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from benchmarks.results import read_results
from benchmarks.segment_speed import segment_speed
from tests.cli.test_segment import untrained


def test_a_study_is_segmented_and_its_time_and_memory_are_told(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    found = segment_speed(untrained(tmp_path, "volume"), results, slices=10, side=64, runs=1)
    one = found["segment_400_slices_seconds"]
    assert 0 < one.low <= one.value <= one.high
    assert one.n == 1
    assert "10 slices of 64 x 64" in one.against
    assert "of 80 slices" in one.against
    assert ("segment_speed_vs_lungmask" in found) == (
        importlib.util.find_spec("lungmask") is not None
    )
    assert set(read_results(results)) == set(found)

"""The timings on a series and a folder that are small: what is compared, and that it is counted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.speed import peak_memory, scan_speed, series_speed, write_large_series
from covidx import read_series


def test_the_series_is_one_sound_volume(tmp_path: Path) -> None:
    volume = read_series(write_large_series(tmp_path / "s", slices=12, side=32))
    assert volume.array.shape == (12, 32, 32)
    assert (volume.units, volume.geometry) == ("hu", "proven")
    assert volume.spacing_mm == pytest.approx((0.8, 0.7, 0.7))


@pytest.mark.skipif(shutil.which("dcm2niix") is None, reason="dcm2niix is not installed")
def test_both_tools_convert_it() -> None:
    found = series_speed(runs=1, slices=12, side=64)
    ratio = found["ingest_speed_vs_dcm2niix"]
    assert ratio.value > 0
    assert ratio.n == 1


def test_all_headers_are_read() -> None:
    assert scan_speed(files=300, runs=1)["scan_speed_vs_pydicom"].value > 0


def test_memory_beyond_the_imports_is_at_least_the_volume() -> None:
    assert peak_memory(slices=40, side=256)["ingest_peak_memory_ratio"].value > 0.9

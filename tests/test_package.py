"""What `import covidx` offers, and what it leaves unloaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

import covidx
from covidx import ingest, volume


def test_a_series_is_read_in_one_line() -> None:
    assert covidx.read_series is ingest.read_series
    assert covidx.Volume is volume.Volume
    with pytest.raises(AttributeError, match="read_serie"):
        covidx.read_serie  # noqa: B018


def test_importing_covidx_loads_no_library() -> None:
    code = "import sys, covidx; print(sorted({'numpy', 'pydicom', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

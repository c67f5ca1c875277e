"""What `import covidx` offers, and what it leaves unloaded."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import covidx
from covidx import ingest, volume
from covidx.cli.examples import EXAMPLES

ROOT = Path(__file__).parents[1]


def test_a_series_is_read_in_one_line() -> None:
    assert covidx.read_series is ingest.read_series
    assert covidx.Volume is volume.Volume
    with pytest.raises(AttributeError, match="read_serie"):
        covidx.read_serie  # noqa: B018


def test_one_version_everywhere() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    released = re.findall(r"^## (\d[\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version("covidx") == covidx.__version__ == cited == released[0]
    assert f"--algorithm-version {cited}" in EXAMPLES["export seg"]


def test_importing_covidx_loads_no_library() -> None:
    code = "import sys, covidx; print(sorted({'numpy', 'pydicom', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("own", "policy"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(
    own: str | None, policy: str
) -> None:
    """OpenMP reports what it took when torch is loaded, before anything of covidx but its name."""
    env = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    env |= {"OMP_DISPLAY_ENV": "true"} | ({"OMP_WAIT_POLICY": own} if own else {})
    done = subprocess.run(
        [sys.executable, "-c", "import covidx, torch"], capture_output=True, text=True, env=env
    )
    assert f"OMP_WAIT_POLICY = '{policy}'" in done.stderr

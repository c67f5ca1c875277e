"""Scripts of users start workers, whether or not they guard what they do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from covidx.workers import Workers

SCRIPTS = {
    "phantom": """
import sys
from pathlib import Path
from covidx.phantom import generate_cohort
print("started")
generate_cohort(Path(sys.argv[1]) / "phantom", 2, 5, workers=2)
print(len(list((Path(sys.argv[1]) / "phantom" / "dicom").iterdir())), "studies")
""",
    "ingest": """
import sys
from pathlib import Path
from covidx.ingest import ingest
print("started")
folder = Path(sys.argv[1]) / "in"
folder.mkdir()
for name in "ab":
    (folder / name).write_text("no image")
try:
    ingest(folder, Path(sys.argv[1]) / "out", workers=2)
except ValueError as error:
    print(error.code)
""",
}
OUTPUT = {"phantom": ["started", "2 studies"], "ingest": ["started", "NO_IMAGES"]}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_without_a_main_guard(tmp_path: Path, name: str) -> None:
    """It runs once, in its own process alone; without care each worker would run it again."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPTS[name])
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.split("\n")[:-1] == OUTPUT[name], done.stderr
    assert "Traceback" not in done.stderr and done.returncode == 0


def test_workers_give_results_in_order_and_start_with_the_initializer() -> None:
    script = sys.modules["__main__"]
    with Workers(2, initializer=os.getpid) as pool:
        assert list(pool.map(abs, [-3, 1, -2])) == [3, 1, 2]
        assert pool.submit(os.getpid).result() != os.getpid()
    assert sys.modules["__main__"] is script


def test_what_a_worker_raises_is_raised_here() -> None:
    with Workers(1) as pool, pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 1, 0).result()

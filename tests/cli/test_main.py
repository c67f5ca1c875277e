"""The command line itself: what it loads, and how every mistake ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from covidx.constants import RESEARCH_NOTICE
from tests.cli.conftest import Call

HEAVY = ("torch", "mlflow", "lightning", "pandas", "matplotlib", "requests", "dicomweb_client")


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "sys.argv = ['covidx', '--help']\n"
        "from covidx.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    assert not stop.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"
    assert "Research use only" in done.stdout


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "", **environment},
    )


def test_python_m_covidx_is_the_command_line() -> None:
    done = run_python("-m", "covidx", "--help")
    assert done.returncode == 0 and "external-test" in done.stdout


WARNS = (
    "import sys, logging, warnings\n"
    "from typer import echo\n"
    "import covidx.cli as cli\n"
    "def app():\n"
    "    warnings.warn('a value of a patient')\n"
    "    logging.getLogger('library').warning('a value of a patient')\n"
    "    logging.getLogger('covidx.pipelines').warning('not sent')\n"
    "    echo('result')\n"
    "cli.app = app\n"
    "cli.main()\n"
)


def test_warnings_of_libraries_are_counted_and_not_shown() -> None:
    done = run_python("-c", WARNS)
    assert done.stdout == "result\n" and done.returncode == 0
    assert done.stderr == (
        "not sent\nHeld back from libraries: python 1. PYTHONWARNINGS=default shows them.\n"
    )
    shown = run_python("-c", WARNS, PYTHONWARNINGS="default")
    assert shown.stderr.count("a value of a patient") >= 2


@pytest.mark.parametrize("verb", [(), ("train",), ("card",), ("pacs",)])
def test_a_verb_alone_shows_its_help(covidx: Call, verb: tuple[str, ...]) -> None:
    assert "Usage" in covidx(*verb).out


def test_info_in_words_and_as_json(covidx: Call) -> None:
    answer = covidx("info", "--json")
    found = json.loads(answer.out)
    assert answer.code == 0
    assert found.keys() == {"versions", "devices", "weights", "paths"}
    assert found["weights"] == {"tf_efficientnet_lite0": "found"}
    assert found["versions"].keys() >= {"covidx", "torch", "python"}
    words = covidx("info").out
    assert "tf_efficientnet_lite0: found" in words


MISTAKES = [
    ("train ct --set volume.learning.epoch=1", "CONFIG_INVALID", "volume.learning.epoch"),
    ("train ct --set volume.learning.epochs=0", "CONFIG_INVALID", "greater than"),
    ("train ct --set epochs", "CONFIG_INVALID", "key=value"),
    ("train ct --config nowhere.yaml", "CONFIG_UNREADABLE", "nowhere.yaml"),
    ("train ct --labels labels.csv", "DATA_MISSING", "--data"),
    ("train ct --data nowhere --runs {runs} --work {tmp}/w", "SOURCE_MISSING", "nowhere"),
    ("train ct --data {empty} --runs {runs} --work {tmp}/w", "SOURCE_EMPTY", "{empty}"),
    ("train ct --data {text} --runs {runs} --work {tmp}/w", "LABELS_MISSING", "--labels"),
    ("train ct --runs {file}/runs --work {tmp}/w", "UNWRITABLE", "{file}"),
    ("train ct --runs {runs} --work {file}/w", "UNWRITABLE", "{file}"),
    ("ingest nowhere --out {tmp}/s", "SOURCE_MISSING", "nowhere"),
    ("ingest {empty} --out {tmp}/s", "SOURCE_EMPTY", "{empty}"),
    ("ingest {text} --out {tmp}/s", "NO_IMAGES", "quarantine.parquet"),
    ("ingest {text} --out {text}/s", "OUTPUT_IN_SOURCE", "elsewhere"),
    ("ingest {text} --out {file}/s", "UNWRITABLE", "{file}"),
    ("card export nonsense --out {tmp}/x.json", "CARD_UNKNOWN", "nonsense"),
    ("card export covid-ct --out {file}/x.json", "UNWRITABLE", "{file}"),
    ("phantom {file}/out --patients 1", "UNWRITABLE", "{file}"),
    ("predict {empty} {text}", "BUNDLE_MISSING", "latest/bundle"),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty tracking database, since making one takes seconds."""
    from covidx.tracking import open_database

    folder = tmp_path_factory.mktemp("runs")
    open_database(folder)
    return folder / "mlflow.db"


@pytest.fixture
def runs(database: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    shutil.copy(database, folder)
    return folder


@pytest.mark.parametrize(("line", "code", "told"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_ends_with_its_code_place_and_way_out(
    covidx: Call, tmp_path: Path, runs: Path, line: str, code: str, told: str
) -> None:
    places = {name: str(tmp_path / name) for name in ("empty", "text", "file")}
    places |= {"tmp": str(tmp_path), "runs": str(runs)}
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "letter.txt").write_text("no image")
    (tmp_path / "file").write_text("a file where a folder is wanted")
    answer = covidx(*line.format(**places).split())
    assert answer.code == 2
    assert f"[{code}]" in answer.err
    assert told.format(**places) in answer.err
    assert "Traceback" not in answer.err
    assert not [p for p in tmp_path.rglob("*") if ".tmp." in p.name]


def test_an_error_of_the_disk_is_no_traceback(
    covidx: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/somewhere/weights")

    monkeypatch.setattr("covidx.cards.export_croissant", full)
    answer = covidx("card", "export", "covid-ct", "--out", "x.json")
    assert answer.code == 2
    assert "[INPUT_OUTPUT]" in answer.err
    assert "/somewhere/weights" in answer.err
    assert "No space left" in answer.err


def test_an_unknown_verb_is_a_usage_error(covidx: Call) -> None:
    answer = covidx("diagnose")
    assert answer.code == 2
    assert "No such command" in answer.err


def test_the_notice_stands_in_the_help(covidx: Call) -> None:
    assert " ".join(RESEARCH_NOTICE.split()[:3]) in covidx("--help").out

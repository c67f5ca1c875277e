"""MLflow's own page in a headless Chromium: what a researcher opens, sees and compares."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from covidx.files import read_json
from covidx.runs import read_record
from tests.browser import CHROMIUM, Tab, browser
from tests.pipelines.made_runs import make_run
from tests.tracking.conftest import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"),
]
PICTURES = "[...document.images].map(one => one.src.startsWith('data:') && one.naturalWidth)"


@dataclass(frozen=True)
class Shown:
    """Two runs, and MLflow's page on them."""

    folders: tuple[Path, Path]
    table: str
    """The address that ``covidx runs mlflow`` printed."""

    @property
    def page(self) -> str:
        """Where MLflow's page begins."""
        return self.table.partition("#")[0]

    @property
    def numbers(self) -> list[str]:
        """MLflow's ids of the runs."""
        return [str(read_record(folder).mlflow_run_id) for folder in self.folders]

    @property
    def names(self) -> list[str]:
        """The runs' names."""
        return [read_json(folder / "mlflow.json")["name"] for folder in self.folders]


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    runs = tmp_path_factory.mktemp("runs")
    picture = io.BytesIO()
    Image.new("RGB", (320, 200), "teal").save(picture, "PNG")
    folders = (make_run(runs, 1, picture=picture.getvalue()), make_run(runs, 2))
    options = ["runs", "mlflow", "--runs", str(runs), "--port", str(free_port())]
    process = subprocess.Popen(
        [sys.executable, "-c", "from covidx.cli import main; main()", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        name, table = process.stdout.readline().split()
        assert name == "train_clinical"
        for _ in range(240):
            with suppress(OSError):
                urllib.request.urlopen(table.partition("#")[0], timeout=2).close()
                break
            time.sleep(0.5)
        yield Shown(folders, table)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def test_the_printed_address_opens_the_table_of_runs(shown: Shown, tab: Tab) -> None:
    tab.open(shown.table)
    for name in shown.names:
        tab.until(f"document.body.innerText.includes({json.dumps(name)})")
    assert "workflowType=machine_learning" in tab.evaluate("location.href")[0]


def test_two_runs_compare_with_names_beside_their_own_numbers(shown: Shown, tab: Tab) -> None:
    runs, experiments = json.dumps(shown.numbers), json.dumps(["1"])
    tab.open(f"{shown.page}#/compare-runs?runs={runs}&experiments={experiments}")
    text = tab.until("document.body.innerText.includes('specificity') && document.body.innerText")
    lines = [line for part in text.split("\n") if (line := part.strip())]
    order = sorted(shown.names, key=lines.index)  # columns, from the left
    metrics = [line for line in lines[lines.index("Metrics") :] if line != "Show diff only"][1:]
    names = metrics[: metrics.index("threshold") + 1]  # the column of names, then the values
    values = metrics[len(names) :][: 2 * len(names)]
    for folder, name in zip(shown.folders, shown.names, strict=True):
        auroc = read_json(folder / "metrics.json")["auroc"]["value"]
        found = float(values[2 * names.index("auroc") + order.index(name)])
        assert found == pytest.approx(auroc, abs=1e-3)


def test_the_description_shows_table_and_figure(shown: Shown, tab: Tab) -> None:
    tab.open(f"{shown.page}#/experiments/1/runs/{shown.numbers[0]}")
    tab.until("document.body.innerText.includes('Research use only')")
    picture = "one.src.includes('path=figures/roc.png') && one.naturalWidth === 320"
    assert tab.until(f"[...document.images].some(one => {picture})")
    cells = "[...document.querySelectorAll('td')].map(cell => cell.innerText.trim())"
    assert tab.until(f"{cells}.includes('Positive predictive value')")


def test_the_report_opens_with_pictures_and_links(shown: Shown, tab: Tab) -> None:
    tab.open(f"{shown.page}#/experiments/1/runs/{shown.numbers[0]}/artifacts/report.html")
    tab.until("document.querySelector('h1')?.innerText === 'A report' && document.images.length")
    assert [320, 320] in tab.evaluate(PICTURES)
    tab.evaluate("document.querySelector('a[href=\"#page-cases-p1\"]')?.click()")
    assert tab.until("document.querySelector('section') && window.scrollY > 2000", 20)

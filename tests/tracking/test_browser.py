"""MLflow's own page in a headless Chromium: what a researcher opens, sees and compares."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from covidx.files import read_json
from covidx.runs import read_record
from tests.pipelines.made_runs import make_run
from tests.tracking.browser import CHROMIUM, Tab, browser
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
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    runs = tmp_path_factory.mktemp("runs")
    picture = io.BytesIO()
    Image.new("RGB", (320, 200), "teal").save(picture, "PNG")
    folders = (make_run(runs, 1, picture=picture.getvalue()), make_run(runs, 2))
    process = subprocess.Popen(
        [sys.executable, "-c", "from covidx.cli import main; main()", "runs", "mlflow"]
        + ["--runs", str(runs), "--port", str(free_port())],
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
        yield Shown(folders, table)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def test_the_printed_address_opens_the_table_of_runs(shown: Shown, tmp_path: Path) -> None:
    async def look() -> None:
        async with browser(tmp_path) as tab:
            await tab.open(shown.table)
            for name in shown.names:
                await tab.until(f"document.body.innerText.includes({json.dumps(name)})")
            assert "workflowType=machine_learning" in (await tab.evaluate("location.href"))[0]

    asyncio.run(look())


def test_two_runs_compare_with_names_beside_their_own_numbers(shown: Shown, tmp_path: Path) -> None:
    async def look() -> list[list[str]]:
        async with browser(tmp_path) as tab:
            runs, experiments = json.dumps(shown.numbers), json.dumps(["1"])
            await tab.open(f"{shown.page}#/compare-runs?runs={runs}&experiments={experiments}")
            await tab.until("document.body.innerText.includes('sensitivity')")
            rows = await tab.evaluate(
                "[...document.querySelectorAll('tr')].map(row => "
                "[...row.querySelectorAll('th,td')].map(cell => cell.innerText.trim()))"
            )
            return list(next(value for value in rows if value))

    rows = {row[0].rstrip(":").lower(): row[1:] for row in asyncio.run(look()) if len(row) == 3}
    order = [rows["run name"].index(name) for name in shown.names]
    for place, folder in zip(order, shown.folders, strict=True):
        auroc = read_json(folder / "metrics.json")["auroc"]["value"]
        assert float(rows["auroc"][place]) == pytest.approx(auroc, abs=1e-3)


def test_the_description_shows_table_and_figure(shown: Shown, tmp_path: Path) -> None:
    async def look() -> None:
        async with browser(tmp_path) as tab:
            await tab.open(f"{shown.page}#/experiments/1/runs/{shown.numbers[0]}")
            await tab.until("document.body.innerText.includes('Research use only')")
            await tab.until(
                "[...document.images].some(one => one.alt === 'ROC curve' && one.naturalWidth > 0)"
            )
            cells = "[...document.querySelectorAll('td')].map(cell => cell.innerText.trim())"
            assert await tab.until(f"{cells}.includes('Positive predictive value')")

    asyncio.run(look())


async def _open_report(tab: Tab, shown: Shown) -> None:
    await tab.open(f"{shown.page}#/experiments/1/runs/{shown.numbers[0]}/artifacts/report.html")
    await tab.until("document.querySelector('h1')?.innerText === 'A report'")


def test_the_report_opens_with_pictures_and_links(shown: Shown, tmp_path: Path) -> None:
    async def look() -> None:
        async with browser(tmp_path) as tab:
            await _open_report(tab, shown)
            assert [320, 320] in await tab.evaluate(PICTURES)
            await tab.evaluate("document.querySelector('a[href=\"#page-cases-p1\"]')?.click()")
            assert await tab.until("document.querySelector('section') && window.scrollY > 2000")

    asyncio.run(look())

"""Pages for everyone: axe-core finds nothing serious on them, dark or light."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from covidx.report.viewer import write_case_page
from tests.browser import CHROMIUM, Tab, browser
from tests.conftest import Run
from tests.report.viewer_cases import case

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"),
]
LOADED = "document.documentElement.dataset.loaded && document.documentElement.dataset.layers"
SERIOUS = """axe.run().then(found => found.violations
  .filter(one => ["serious", "critical"].includes(one.impact))
  .map(one => [one.id, one.help, one.nodes.map(node => node.html.slice(0, 200))]))"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        opened.window(1400, 1000)
        yield opened


def serious(tab: Tab) -> Any:
    """What axe-core holds to be serious or critical on the page that is open."""
    script = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    tab.value(f"{script}; 1")
    return tab.value(SERIOUS)


def test_axe_sees_what_is_wrong(tab: Tab, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><title>t</title><img src=x><button></button>")
    tab.open(page.as_uri())
    found = {name for name, *_ in serious(tab)}
    assert {"image-alt", "button-name", "html-has-lang"} <= found


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("images", ["all", "none"])
def test_a_case_page(tab: Tab, tmp_path: Path, theme: str, images: Any) -> None:
    one = replace(case(), warnings=["thicker slices than in training"], limits=["A limit."])
    write_case_page(one, tmp_path / "001", images=images, back=("../r.html", "all cases"))
    tab.open((tmp_path / "001" / "index.html").as_uri())
    tab.until(LOADED if images == "all" else "document.readyState === 'complete'", 30)
    tab.value(f"document.documentElement.dataset.theme = '{theme}'")
    assert serious(tab) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_runs_pages(tab: Tab, trained: Run, theme: str) -> None:
    pages = sorted({trained.folder / "report.html", *trained.folder.glob("*.html")})
    assert pages
    for page in pages:
        tab.open(page.as_uri())
        tab.until("document.readyState === 'complete'", 30)
        tab.value(f"document.documentElement.dataset.theme = '{theme}'")
        assert serious(tab) == [], page.name

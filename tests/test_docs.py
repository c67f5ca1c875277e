"""The documentation: no dead link, every page in the site's navigation, the site itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import covidx
from tests.browser import CHROMIUM, browser

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(#[^)]*)?\)", page.read_text(encoding="utf-8"))
    own = [link for link, _ in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in own if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == DOCS])
def test_paths_of_pages_in_text_are_there(page: Path) -> None:
    named = re.findall(r"`docs/([\w-]+\.md)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (DOCS / name).exists()] == []


def test_each_page_is_in_the_navigation() -> None:
    sections = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    listed = [page for one in sections for page in
              ([one] if isinstance(one, str) else next(iter(one.values())))]  # fmt: skip
    pages = [*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb")]
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in pages)


def test_each_public_name_is_in_the_reference() -> None:
    text = "".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    for name in set(covidx.__all__) - {"__version__"}:
        assert re.search(rf"\b{name}\b", text), name


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_the_site_is_built_without_a_warning_and_asks_nothing_of_others(tmp_path: Path) -> None:
    done = subprocess.run(["make", "docs"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr  # --strict: a warning is an error
    reference = ROOT / "build" / "site" / "reference" / "index.html"
    assert "EvidenceMap" in reference.read_text()
    if CHROMIUM is not None:
        with browser(tmp_path / "profile") as tab:
            for page in (ROOT / "build" / "site" / "index.html", reference):
                tab.open(page.as_uri())
                tab.until("document.readyState === 'complete'", 30)
            outside = [url for url in tab.requests if url.startswith(("http:", "https:"))]
            assert outside == []

"""Case pages on paper, by the Chromium that is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from covidx.errors import InvalidInputError, StoreError
from covidx.report.viewer import pdf
from covidx.report.viewer.pdf import find_chromium, print_pages
from tests.browser import CHROMIUM
from tests.report.viewer_cases import write_run

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@needs_chromium
@pytest.mark.slow
def test_each_case_is_printed_with_its_image(tmp_path: Path) -> None:
    write_run(tmp_path)
    written = print_pages(tmp_path, find_chromium())
    assert [path.parent.name for path in written] == ["001", "002", "003"]
    for path in written:
        data = path.read_bytes()
        assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
        # Both panes are drawn: canvases are pictures in a PDF, but for the strip, which is drawn
        # while the page is printed, in lines.
        sizes = re.findall(rb"/Subtype /Image\s*/Width (\d+)", data)
        assert len(sizes) >= 2, sizes
    assert not list(tmp_path.rglob("*.tmp.*"))


def test_without_chromium_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InvalidInputError, match="CHROMIUM_ABSENT"):
        find_chromium()


def test_a_browser_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "cases" / "001" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("a page")
    with pytest.raises(StoreError, match="PDF_NOT_PRINTED"):
        print_pages(tmp_path, "/bin/false")
    with pytest.raises(StoreError, match="PDF_NOT_PRINTED"):
        print_pages(tmp_path, "/bin/true")  # ends well, and writes no file

    def slow(command: list[str], **options: object) -> None:
        raise subprocess.TimeoutExpired(command, pdf.LIMIT_S)

    monkeypatch.setattr(subprocess, "run", slow)
    with pytest.raises(StoreError, match="PDF_NOT_PRINTED"):
        print_pages(tmp_path, "chromium")
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]

"""A page as one file: pictures inside, links that work, the heaviest parts left out and named."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from covidx.tracking.one_file import WIDTH, single_page

PAGE = """<!doctype html><html><head><style>p {{}}</style></head><body class="x">
<h1>Report</h1><img src="figures/roc.png" alt="ROC">
{links}
<a href="metrics.json">figures</a> <a href="../../../etc/passwd">out</a>
<a href="https://example.org/">site</a> <a href="#top">here</a></body></html>"""
CASE = """<!doctype html><html><body><p><a href="../../report.html">← all</a></p>
<h2>Patient {name}</h2><img src="slice.png" alt="slice"></body></html>"""


def picture(path: Path, width: int, noise: bool = False) -> None:
    """A grey picture; one of noise is heavy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (width // 2, width)
    values = np.random.default_rng(width).integers(0, 255, shape) if noise else np.full(shape, 99)
    Image.fromarray(values.astype(np.uint8)).save(path)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A report with two cases, the second of which is heavy."""
    picture(tmp_path / "figures" / "roc.png", 200)
    links = []
    for name, width in (("p1", 300), ("p2", 1600)):
        folder = tmp_path / "cases" / name
        picture(folder / "slice.png", width, noise=True)
        (folder / "index.html").write_text(CASE.format(name=name))
        links.append(f'<a href="cases/{name}/index.html">Patient {name}</a>')
    (tmp_path / "metrics.json").write_text("{}")
    (tmp_path / "report.html").write_text(PAGE.format(links="\n".join(links)))
    return tmp_path / "report.html"


def pictures(text: str) -> list[tuple[str, int]]:
    """Format and width of every picture inside."""
    found = []
    for kind, data in re.findall(r'src="data:image/(\w+);base64,([^"]+)"', text):
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            assert image.format is not None and image.format.lower() == kind
            found.append((kind, image.width))
    return found


def test_pictures_and_linked_pages_are_inside(page: Path) -> None:
    text = single_page(page)
    assert pictures(text) == [("png", 200), ("png", 300), ("jpeg", WIDTH)]
    assert not re.search(r'src="(?!data:)', text)
    targets = set(re.findall(r'id="([^"]+)"', text))
    links = re.findall(r'href="([^"]+)"', text)
    assert {link for link in links if not link.startswith("#")} == {"https://example.org/"}
    assert {link[1:] for link in links if link.startswith("#")} <= targets
    assert '<a href="#page-cases-p1">Patient p1</a>' in text
    assert text.count("<script>") == 1
    assert text.count("<body") == text.count("</body>") == 1
    assert "Patient p2</h2>" in text and "left out" not in text
    assert '<span title="in the run\'s folder">figures</span>' in text and "passwd" not in text


def test_the_heaviest_part_is_left_out_and_named(page: Path) -> None:
    text = single_page(page, most=120_000)
    assert len(text) < 120_000
    assert "Patient p1</h2>" in text and "Patient p2</h2>" not in text
    assert "Patient p2</span> (left out)" in text
    assert "1 linked pages were left out for their size." in text


def test_a_page_without_anything_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "plain.html").write_text("<html><body><p>é</p></body></html>", encoding="utf-8")
    assert single_page(tmp_path / "plain.html") == (
        '<html><body><a id="top"></a><p>é</p></body></html>'
    )


def test_a_picture_that_is_missing_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<body><img src="gone.png" alt="gone"></body>')
    assert 'src="gone.png"' in single_page(tmp_path / "page.html")

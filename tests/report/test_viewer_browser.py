"""Case pages and lists of cases in a headless Chromium, from disk and by ``covidx view``."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covidx.errors import InvalidInputError, StoreError
from covidx.evaluate import OperatingPoint, evaluate
from covidx.evaluate.readers import read_reads
from covidx.report import write_report
from covidx.report.viewer import write_case_page
from covidx.report.viewer.serve import PageServer
from covidx.volume import Volume
from tests.browser import CHROMIUM, Tab, browser
from tests.report.viewer_cases import AFFINE, HOSTILE, case, hu, write_run

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
LOADED = "document.documentElement.dataset.loaded && document.documentElement.dataset.layers"
SUM = """(() => { const c = document.querySelector('[data-part="%s"]');
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let h = 0; for (let i = 0; i < d.length; i++) h = (h * 31 + d[i]) | 0; return h; })()"""
DRAWN = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        opened.window(1400, 1000)
        yield opened


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report and its three cases."""
    folder = tmp_path_factory.mktemp("run")
    rows = write_run(folder)
    table = _predictions([row.unit_id for row in rows])
    point = OperatingPoint(0.4, "youden", "validation, n = 9 (4 positive)")
    metrics = evaluate(table, "covid-19", point, resamples=20)
    write_report(
        folder / "report.html", "a run", [], metrics, rows, figures=[], warnings=[], run="a run"
    )
    return folder


def _predictions(units: list[str]) -> pd.DataFrame:
    scores = np.array([0.9, 0.1, 0.5])
    return pd.DataFrame(
        {
            "run_id": "r", "arm": "p1", "unit_id": units, "level": "patient",
            "patient_id": units, "group_id": units, "fold": 0, "role": "test",
            "split_sha256": None, "bundle_sha256": None, "arms_used": "p1",
            "label": ["covid-19", "covid-19", "normal"],
            "prob_normal": 1 - scores, "prob_covid-19": scores,
        }
    )  # fmt: skip


@pytest.fixture
def opened(run: Path, tab: Tab) -> Iterator[Tab]:
    """The first case, from disk, with nothing kept of before; nothing may go wrong on it."""
    _open(tab, (run / "cases" / "001" / "index.html").as_uri())
    tab.value("localStorage.clear()")
    _open(tab, (run / "cases" / "001" / "index.html").as_uri())
    yield tab
    assert tab.faults == []
    assert [
        url for url in tab.requests if not url.startswith(("file:", "about:", "blob:", "data:"))
    ] == []


def _open(tab: Tab, url: str) -> None:
    tab.faults.clear()
    tab.requests.clear()
    tab.open(url)
    tab.until(LOADED, 30)


def _pixels(tab: Tab, part: str) -> int:
    tab.value(DRAWN)
    return int(tab.value(SUM % part))


def _place(tab: Tab, part: str, x: float, y: float) -> tuple[float, float]:
    """A place of a canvas, 0 to 1 each way, in the window."""
    box = tab.value(
        f"(b => [b.left, b.top, b.width, b.height])"
        f"(document.querySelector('[data-part=\"{part}\"]').getBoundingClientRect())"
    )
    return box[0] + x * box[2], box[1] + y * box[3]


@needs_chromium
def test_a_case_opens_from_disk_and_scrolls(opened: Tab) -> None:
    values = opened.value("[covidx.state.volume.at(0, 0, 0), covidx.state.volume.at(47, 39, 11)]")
    assert values == [-1000, -1000 + 50 * 11 + 8 * 39 + 3 * 47]
    assert opened.value("covidx.state.index.axial") == 4  # the slice that decided most
    before = _pixels(opened, "plain")
    x, y = _place(opened, "plain", 0.5, 0.5)
    opened.mouse("mouseWheel", x, y, deltaX=0, deltaY=-100)
    opened.until("covidx.state.index.axial === 5", 5)
    assert _pixels(opened, "plain") != before
    opened.key("ArrowDown")
    assert opened.value("covidx.state.index.axial") == 4
    assert _pixels(opened, "plain") == before


@needs_chromium
@pytest.mark.slow
def test_every_voxel_is_what_was_written(opened: Tab) -> None:
    assert opened.value("Array.from(covidx.state.volume.values)") == hu().ravel().tolist()


@needs_chromium
@pytest.mark.slow
def test_keys_do_what_they_say(opened: Tab) -> None:
    state = "[covidx.state.plane, covidx.state.index[covidx.state.plane], covidx.state.window]"
    for key, expected in (
        ("End", ["axial", 11, 1500]),
        ("Home", ["axial", 0, 1500]),
        ("2", ["axial", 0, 400]),
        ("3", ["axial", 0, 1800]),
        ("0", ["axial", 0, 1500]),
        ("d", ["axial", 4, 1500]),  # the deciding slices, highest score first
        ("d", ["axial", 7, 1500]),
        ("l", ["axial", 3, 1500]),  # the largest lesion: the first slice of three alike
        ("c", ["coronal", 20, 1500]),
        ("s", ["sagittal", 24, 1500]),
        ("a", ["axial", 3, 1500]),
    ):
        opened.key(key)
        assert opened.value(state) == expected, key
    opened.value("document.querySelector('[data-part=\"comment\"]').focus()")
    opened.key("c")  # a letter of a comment is no command
    assert opened.value("covidx.state.plane") == "axial"


@needs_chromium
@pytest.mark.slow
def test_window_overlay_truth_and_opacity_change_the_pixels(opened: Tab) -> None:
    plain, overlay = _pixels(opened, "plain"), _pixels(opened, "overlay")
    assert plain != overlay
    seen = {overlay}
    for key in ("o", "t", "o", "["):  # no map; neither; the map alone; fainter
        opened.key(key)
        assert _pixels(opened, "plain") == plain, key
        seen.add(_pixels(opened, "overlay"))
    assert len(seen) == 5
    x, y = _place(opened, "plain", 0.4, 0.4)
    opened.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
    opened.mouse("mouseMoved", x + 60, y - 30, button="left", buttons=1)
    opened.mouse("mouseReleased", x + 60, y - 30, button="left", buttons=0)
    # 1500 / 400 HU a pixel: wider by 60 pixels, and lower by 30.
    assert opened.value("[covidx.state.window, covidx.state.level]") == [1725, -712.5]
    assert _pixels(opened, "plain") != plain


@needs_chromium
@pytest.mark.slow
def test_the_map_is_drawn_around_its_peak_and_the_truth_around_the_lesion(opened: Tab) -> None:
    lines = opened.value("covidx.state.overlay.lines('heat', 0, 'axial', 4)[2]")
    points = np.concatenate([np.array(line).reshape(-1, 2) for line in lines])
    assert points.mean(axis=0) == pytest.approx([35, 15], abs=0.3)
    lines = opened.value("covidx.state.overlay.lines('mask', 0, 'axial', 4)")
    points = np.concatenate([np.array(line).reshape(-1, 2) for line in lines])
    # The outline runs half-way between pixels: columns 30 to 39, rows 10 to 19.
    assert points.min(axis=0).tolist() == [29.5, 9.5]
    assert points.max(axis=0).tolist() == [39.5, 19.5]
    assert opened.value("covidx.state.overlay.lines('heat', 0, 'axial', 5)") is None
    assert opened.value("covidx.state.overlay.lines('mask', 0, 'axial', 6)") == []


@needs_chromium
@pytest.mark.slow
def test_the_grid_has_the_cells_of_the_network(opened: Tab) -> None:
    plain = _pixels(opened, "overlay")
    opened.key("g")
    assert _pixels(opened, "overlay") != plain
    lines = opened.value("covidx.state.overlay.lines('cells', 0, 'axial', 4)")
    ends = [np.array(line).reshape(-1, 2) for line in lines]
    level = [one for one in ends if np.ptp(one[:, 1]) < 0.01]
    upright = [one for one in ends if np.ptp(one[:, 0]) < 0.01]
    # Cells of 12.04 x 9 mm on pixels of 2 mm, from the edge of the map, half a pixel before the
    # image's first: rows 6.02, 12.04, ..., columns 4.5, 9, ...
    assert [one[0, 1] for one in level] == pytest.approx(
        [6.02 * k - 0.5 for k in range(1, 7)], abs=0.02
    )
    assert [one[0, 0] for one in upright] == pytest.approx(
        [4.5 * k - 0.5 for k in range(1, 11)], abs=0.02
    )


@needs_chromium
@pytest.mark.slow
def test_a_failed_map_is_hidden_until_it_is_asked_for(opened: Tab) -> None:
    for key in ("d", "d"):
        opened.key(key)
    hidden = _pixels(opened, "overlay")
    text = opened.value("document.querySelector('[data-part=\"map\"]').innerText")
    assert "exam failed" in text and "Tested against 50 random parts." in text
    assert "anything finer than 12 x 9 mm" in text
    opened.value("document.querySelector('[data-part=\"map\"] button').click()")
    assert _pixels(opened, "overlay") != hidden
    opened.key("End")
    opened.key("ArrowDown")  # slice 11 has no evidence
    text = opened.value(
        f"{DRAWN}.then(() => document.querySelector('[data-part=\"map\"]').innerText)"
    )
    assert "no evidence" in text


@needs_chromium
@pytest.mark.slow
def test_the_cursor_says_mm_and_hu(opened: Tab) -> None:
    opened.key("d")
    x, y = _place(opened, "plain", 0.5, 0.5)
    opened.mouse("mouseMoved", x, y)
    c, r, s = opened.value("covidx.state.pointer")
    lps = AFFINE @ [c, r, s, 1] * [-1, -1, 1, 1]
    text = opened.value("document.querySelector('[data-part=\"readout\"]').textContent")
    expected = f"{hu()[s, r, c]} HU  at x {lps[0]:.1f}, y {lps[1]:.1f}, z {lps[2]:.1f} mm (LPS)"
    assert text.replace("-0.0", "0.0") == expected.replace("-0.0", "0.0")
    assert "slice 5 of 12  z -10.0 mm  instance 8" in opened.value("covidx.state.placeText()")


@needs_chromium
@pytest.mark.slow
def test_a_click_on_the_strip_goes_to_its_slice(opened: Tab) -> None:
    # 92 pixels on the left and 12 on the right are margins.
    width = opened.value("document.querySelector('.strip').getBoundingClientRect().width")
    x, y = _place(opened, "strip", (92 + (9.5 / 12) * (width - 104)) / width, 0.3)
    opened.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
    assert opened.value("covidx.state.index.axial") == 9


@needs_chromium
@pytest.mark.slow
def test_errors_come_first_and_are_walked_through(opened: Tab, run: Path) -> None:
    links = "Object.fromEntries([...document.querySelectorAll('[data-go]')].filter(a => !a.hidden)"
    links += ".map(a => [a.dataset.go, a.getAttribute('href')]))"
    opened.until("!document.querySelector('[data-go=\"next error\"]').hidden", 5)
    # worst first: missed (002), false alarm (003), then 001
    assert opened.value(links) == {
        "previous": "../003/index.html",
        "next error": "../002/index.html",
    }
    opened.key("e")
    opened.until("location.href.includes('/002/')", 10)
    opened.until(LOADED, 30)
    assert opened.value("document.querySelector('h1').textContent") == f"Patient {HOSTILE}"
    assert opened.value("typeof alerted") == "undefined"
    assert opened.value("document.scripts.length") == 2


@needs_chromium
@pytest.mark.slow
def test_a_folder_handed_on_alone_still_opens(tab: Tab, tmp_path: Path) -> None:
    write_case_page(case(), tmp_path / "elsewhere")
    _open(tab, (tmp_path / "elsewhere" / "index.html").as_uri())
    assert tab.value("covidx.state.volume.at(1, 0, 0)") == -997
    assert tab.value("document.querySelector('[data-go=\"next\"]').hidden")


@needs_chromium
@pytest.mark.slow
def test_reads_come_out_as_the_table_that_evaluation_reads(
    opened: Tab, run: Path, tmp_path: Path
) -> None:
    opened.value("document.querySelector('[data-part=\"name\"]').value = 'Dr, \"A\"'")
    opened.value("document.querySelector('[data-part=\"comment\"]').value = '=1+1, \"so\"\\nthere'")
    opened.value("document.querySelector('[data-answer=\"agree\"]').click()")
    _open(opened, (run / "cases" / "002" / "index.html").as_uri())
    opened.value("document.querySelector('[data-answer=\"disagree\"]').click()")
    _open(opened, (run / "cases" / "003" / "index.html").as_uri())
    opened.value("document.querySelector('[data-answer=\"unsure\"]').click()")
    text = opened.value("new covidx.Reads('a run').csv('Dr, \"A\"')")
    path = tmp_path / "reads.csv"
    path.write_text(text, encoding="utf-8")
    reads = read_reads(path)
    # agreed with a positive decision, disagreed with a negative one, was unsure
    assert dict(zip(reads["id"], reads["read"], strict=True)) == {"P1": 5, HOSTILE: 5, "P3": 3}
    assert set(reads["reader"]) == {'Dr, "A"'}
    assert "'=1+1" in text  # no formula


@needs_chromium
@pytest.mark.slow
def test_reads_stay_in_memory_where_the_browser_keeps_nothing(opened: Tab) -> None:
    opened.value("Storage.prototype.setItem = () => { throw new Error('refused'); }, 1")
    opened.value("document.querySelector('[data-answer=\"agree\"]').click()")
    note = "document.querySelector('[data-part=\"memory\"]')"
    assert opened.value(f"!{note}.hidden && {note}.innerText.includes('export before you leave')")
    assert "1 case read" in opened.value("document.querySelector('[data-part=\"done\"]').innerText")
    script = (
        "(r => { r.set('P9', {read: 5}); return [r.kept, r.csv('A')]; })(new covidx.Reads('b'))"
    )
    kept, text = opened.value(script)
    assert not kept and '"P9",A,5' in text


@needs_chromium
@pytest.mark.slow
def test_blind_readers_see_neither_result_nor_truth_before_they_have_rated(
    opened: Tab, run: Path
) -> None:
    opened.value("localStorage.setItem('covidx blind', 'yes')")
    _open(opened, (run / "cases" / "001" / "index.html").as_uri())
    seen = opened.value("document.body.innerText")
    assert "0.900" not in seen and "correct" not in seen and "Largest lesion" not in seen
    assert _pixels(opened, "plain") is not None
    blind = _pixels(opened, "overlay")
    opened.value("document.querySelector('[data-rating=\"4\"]').click()")
    seen = opened.value("document.body.innerText")
    assert "score 0.900" in seen and "correct" not in seen  # the truth stays hidden
    opened.key("d")
    assert _pixels(opened, "overlay") != blind
    opened.value("document.querySelector('[data-answer=\"disagree\"]').click()")
    read = opened.value("new covidx.Reads('a run').all.P1")
    assert (read["read"], read["answer"], read["blind"]) == (4, "disagree", "yes")


@needs_chromium
@pytest.mark.slow
def test_the_list_filters_and_its_dots_open_cases(run: Path, tab: Tab) -> None:
    tab.open((run / "report.html").as_uri())
    tab.value("localStorage.clear()")
    tab.faults.clear()
    tab.open((run / "report.html").as_uri())
    tab.until("document.querySelector('[data-part=\"count\"]')?.textContent", 20)
    shown = "[...document.querySelectorAll('tr[data-case]')].filter(r => !r.hidden)"
    shown += ".map(r => r.dataset.case)"
    assert tab.value(shown) == ["002", "003", "001"]
    for name, expected in (
        ("missed", ["002"]),
        ("false alarm", ["003"]),
        ("error", ["002", "003"]),
        ("near", ["003"]),  # 0.5 against 0.4 is 0.405 in log-odds
        ("", ["002", "003", "001"]),
    ):
        tab.value(f"document.querySelector('[data-filter=\"{name}\"]').click()")
        assert tab.value(shown) == expected, name
    choose = "(s => { s.value = %s; s.dispatchEvent(new Event('input')); })"
    choose += "(document.querySelector('[data-choose=\"%s\"]'))"
    tab.value(choose % ('"normal"', "label"))
    assert tab.value(shown) == ["003"]
    assert tab.value("document.querySelectorAll('a.dot.faint').length") == 2
    tab.value(choose % ('""', "label"))
    tab.value(choose % ('"A"', "scanner"))
    assert tab.value(shown) == ["003", "001"]
    dots = "[...document.querySelectorAll('a.dot')].map(a => a.getAttribute('href')).sort()"
    assert tab.value(dots) == [f"cases/00{k}/index.html" for k in (1, 2, 3)]
    assert tab.faults == []
    tab.value("document.querySelector('a.dot[data-case=\"001\"]').click()")
    tab.until("location.href.includes('cases/001')", 10)


@needs_chromium
@pytest.mark.slow
def test_a_blind_list_has_no_order_score_or_truth(run: Path, tab: Tab) -> None:
    tab.open((run / "report.html").as_uri())
    tab.value("localStorage.clear()")
    tab.open((run / "report.html").as_uri())
    tab.until("document.querySelector('[data-part=\"count\"]')?.textContent", 20)
    tab.value("document.querySelector('[data-blind]').click()")
    order = "[...document.querySelectorAll('tr[data-case]')].map(r => r.dataset.case)"
    assert tab.value(order) == ["001", "002", "003"]
    text = tab.value("document.querySelector('.list').innerText")
    assert "0.900" not in text and "false alarm" not in text and "normal" not in text


@needs_chromium
@pytest.mark.slow
def test_a_thousand_slices_open_in_three_seconds(tab: Tab, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(-500, 20, (1000, 128, 128)).astype(np.int16)
    image = Volume(values, "CT", "hu", "proven", AFFINE)
    write_case_page(replace(case(), image=image, masks=[], seen=[], heat=[]), tmp_path / "001")
    assert sum(path.stat().st_size for path in (tmp_path / "001").iterdir()) < 10_000_000
    tab.open((tmp_path / "001" / "index.html").as_uri())
    tab.until("window.covidx?.state?.volume.has(500)", 60)
    painted = tab.value("performance.now()")
    tab.until(LOADED, 120)
    assert painted < 3000


@needs_chromium
@pytest.mark.slow
def test_a_case_opens_by_the_server_too(run: Path, tab: Tab) -> None:
    with PageServer(run, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _open(tab, server.address.replace("report.html", "cases/001/index.html"))
        assert tab.value("covidx.state.volume.at(0, 0, 0)") == -1000
        assert all(
            url.startswith((server.address.rpartition("/")[0], "about:")) for url in tab.requests
        )
        assert tab.faults == []
        server.shutdown()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PageServer]:
    root = tmp_path / "run"
    root.mkdir()
    (root / "report.html").write_text("a page")
    (tmp_path / "secret").write_text("a secret")
    (root / "link").symlink_to(tmp_path / "secret")
    with PageServer(root, 0) as opened:
        threading.Thread(target=opened.serve_forever, daemon=True).start()
        yield opened
        opened.shutdown()


def _get(server: PageServer, path: str, host: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_folder_is_served_to_whoever_has_the_token(server: PageServer) -> None:
    assert _get(server, f"/{server.token}/report.html") == (200, "a page")
    assert server.address.endswith(f"/{server.token}/report.html")
    assert server.server_address[0] == "127.0.0.1"
    assert _get(server, "/report.html")[0] == 404
    assert _get(server, "/x/report.html")[0] == 404


@pytest.mark.parametrize(
    "path", ["../secret", "%2e%2e/secret", "..%2fsecret", "link", "/etc/passwd", "", "./", "%00"]
)
def test_nothing_else_is_served(server: PageServer, path: str) -> None:
    status, text = _get(server, f"/{server.token}/{path}")
    assert status == 404 and "secret" not in text.replace(path, "")


def test_another_name_for_this_machine_is_refused(server: PageServer) -> None:
    assert _get(server, f"/{server.token}/report.html", "evil.example:80")[0] == 403


def test_a_folder_without_pages_and_a_taken_port_are_refused(
    server: PageServer, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match="PAGES_MISSING"):
        PageServer(tmp_path / "empty", 0)
    with pytest.raises(StoreError, match="PORT_TAKEN"):
        PageServer(tmp_path / "run", server.server_port)

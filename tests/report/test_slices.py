"""A drawn slice: sides, window, position, heat with the right polarity, truth where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from covidx.explain import Heatmap, Scale, Verdict
from covidx.explain.exam import Exam
from covidx.imaging import Bag, Preprocessing
from covidx.report import slices
from covidx.report.slices import HEAT, SliceView, slice_views
from covidx.volume import Volume

SHAPE = (3, 40, 60)
BOX = (10, 30, 15, 45)
HOW = Preprocessing(rows=32, columns=32)
SCALE = Scale(0.1, 1.1)
AFFINE = np.array([[-2.0, 0, 0, 59], [0, -2, 0, 39], [0, 0, 5, -70], [0, 0, 0, 1]])


def _volume() -> Volume:
    grey = np.full(SHAPE, -850, dtype=np.int16)
    return Volume(grey, "CT", "hu", "proven", AFFINE)


def _picture() -> Volume:
    return Volume(np.full((1, 40, 60), 90, dtype=np.uint8), "OT", "display", "none")


def _heat() -> np.ndarray:
    """Hot in the upper left quarter of the input of the model."""
    heat = np.zeros((32, 32), dtype=np.float32)
    heat[:16, :16] = 1
    return heat


def _views(
    folder: Path,
    volume: Volume | None = None,
    truth: np.ndarray | None = None,
    verdict: Verdict = "passed",
    scale: Scale = SCALE,
) -> list[SliceView]:
    volume = volume or _volume()
    index = len(volume.array) - 1
    box = BOX if volume.geometry == "proven" else (0, 40, 0, 60)
    bag = Bag(np.zeros((1, 32, 32), np.uint8), np.array([index]), box)
    maps = [Heatmap(0, _heat(), 0.7, Exam(verdict, "As it was made."))]
    return slice_views(volume, bag, maps, HOW, folder, "covid-19", scale, truth)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures, instead of files."""
    figures: list[Figure] = []
    monkeypatch.setattr(slices, "_save", lambda figure, path: figures.append(figure))
    return figures


def _words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def test_a_picture_is_written_with_its_words(tmp_path: Path) -> None:
    (view,) = _views(tmp_path)
    assert view.picture == "slice-1.png"
    assert view.title == "slice 3 of 3, caudal to cranial, z = -60 mm"
    assert view.score == 0.7
    assert view.verdict == "passed" and view.reason == "As it was made."
    with Image.open(tmp_path / view.picture) as image:
        assert image.width > 800
        assert "Software" not in image.info
    assert [path.name for path in tmp_path.iterdir()] == ["slice-1.png"]


def test_the_same_slice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _views(tmp_path / name)
    one, two = (tmp_path / name / "slice-1.png" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_every_slice_shows_sides_window_position_and_a_labelled_scale(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    _views(tmp_path)
    words = _words(drawn[0])
    for part in (
        "window W 1500, L -600 HU",
        "z = -60 mm",
        "Evidence for covid-19",
        "log-odds, one scale\nfor the run",
        "0.1",
        "0.6",
        "1.1",
        "dashed: input of the model",
    ):
        assert part in words
    for axes in drawn[0].axes[:2]:
        sides = {t.get_text(): t.get_position()[0] for t in axes.texts}
        assert sides["R"] < 0.1 < 0.9 < sides["L"]


def test_sides_that_nothing_proves_are_not_shown(tmp_path: Path, drawn: list[Figure]) -> None:
    _views(tmp_path, _picture())
    words = _words(drawn[0])
    assert "grey levels as stored; left and right not recorded" in words
    assert not [t for axes in drawn[0].axes[:2] for t in axes.texts]
    assert "dashed" not in words  # the model saw all of it


def test_colours_are_clear_at_none_and_grow() -> None:
    alpha = HEAT(np.linspace(0, 1, 256))[:, 3]
    assert alpha[0] == 0
    assert (np.diff(alpha) >= 0).all()
    assert 0.4 < alpha[-1] < 0.8  # the lung stays readable below


def test_heat_is_drawn_where_it_is_hot_and_nowhere_else(tmp_path: Path) -> None:
    (view,) = _views(tmp_path)
    with Image.open(tmp_path / view.picture) as image:
        rgb = np.asarray(image.convert("RGB")).astype(int)  # (rows, columns, colour)
    colour = rgb.max(axis=2) - rgb.min(axis=2)
    scale = slices.PANEL * slices.DPI / SHAPE[2]  # dots a pixel

    def at(panel: int, row: float, column: float) -> int:
        left = panel * (slices.PANEL + slices.GAP) * slices.DPI
        top = slices.HEAD * slices.DPI
        return int(colour[round(top + row * scale), round(left + column * scale)])

    assert at(1, 15, 20) > 45  # the hot quarter
    assert at(1, 25, 40) < 12  # seen and cold
    assert at(1, 5, 5) < 12  # outside the input of the model
    assert at(0, 15, 20) < 12  # the plain slice


def test_share_of_heat_on_the_lesion(tmp_path: Path) -> None:
    truth = np.zeros(SHAPE, dtype=bool)
    truth[2, 10:20, 15:30] = True  # the hot quarter
    (all_in,) = _views(tmp_path, truth=truth)
    assert all_in.heat_in_truth == pytest.approx(1, abs=0.1)
    truth = np.roll(truth, 10, axis=1)
    (none_in,) = _views(tmp_path, truth=truth)
    assert none_in.heat_in_truth == pytest.approx(0, abs=0.1)
    (no_lesion,) = _views(tmp_path, truth=np.zeros(SHAPE, dtype=bool))
    assert no_lesion.heat_in_truth is None


@pytest.mark.parametrize(
    ("lesion", "legend"), [(True, "cyan: true lesion"), (False, "no true lesion here")]
)
def test_truth_is_outlined_in_both_pictures(
    tmp_path: Path, drawn: list[Figure], lesion: bool, legend: str
) -> None:
    truth = np.zeros(SHAPE, dtype=bool)
    truth[2, 12:18, 20:28] = lesion
    _views(tmp_path, truth=truth)
    assert legend in _words(drawn[0])
    lines = [len(axes.collections) for axes in drawn[0].axes[:2]]
    assert lines == [int(lesion), 1 + int(lesion)]  # beside the edge of the map


@pytest.mark.parametrize("verdict", ["failed", "no evidence", "cannot tell"])
def test_a_map_that_did_not_pass_is_not_drawn(
    tmp_path: Path, drawn: list[Figure], verdict: Verdict
) -> None:
    (view,) = _views(tmp_path, verdict=verdict)
    assert view.verdict == verdict
    assert f"Evidence for covid-19: map not drawn, {verdict}" in _words(drawn[0])
    assert not _warmth(drawn[0]).any()
    _views(tmp_path)
    assert _warmth(drawn[1]).max() == pytest.approx(0.9)  # 1 of log-odds, from 0.1 to 1.1


def test_two_slices_of_a_run_have_one_scale(tmp_path: Path, drawn: list[Figure]) -> None:
    """The same log-odds, half as strong where the run reaches twice as high; none at the floor."""
    _views(tmp_path, scale=Scale(0.0, 2.0))
    _views(tmp_path, scale=Scale(0.0, 4.0))
    _views(tmp_path, scale=Scale(1.0, 4.0))
    assert [_warmth(one).max() for one in drawn] == pytest.approx([0.5, 0.25, 0])


def _warmth(figure: Figure) -> np.ndarray:
    """What lies over the right picture, 0 to 1."""
    return np.asarray(figure.axes[1].images[1].get_array())

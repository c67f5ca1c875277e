"""What all figures share: size, colours, a square pair of axes, saving."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from covidx.files import make_folder, replacing

SIZE = (5.6, 5.2)
"""Inches."""
DPI = 130
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
"""Colours that the colour-blind can tell apart (Okabe and Ito, 2008)."""
CLASS_COLOURS = (ORANGE, BLUE, GREEN, "#CC79A7", "#E69F00", "#56B4E9")
MARKS = ("o", "s", "^", "D", "v", "P")


def save(figure: Figure, path: Path) -> Path:
    """Write `figure` to `path` as a PNG, atomically; the same figure gives the same bytes."""
    make_folder(path.parent)
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out by now; another pass would move it by a hair
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    return path


def save_all(drawn: Mapping[str, tuple[str, Figure]], folder: Path) -> list[tuple[str, str]]:
    """Write figures, `drawn` by file name with a text for each, to `folder`; names and texts."""
    for name, (_, figure) in drawn.items():
        save(figure, folder / name)
    return [(name, text) for name, (text, _) in drawn.items()]


def single_figure(
    size: tuple[float, float], title: str = "", grid: Literal["x", "both"] | None = None
) -> tuple[Figure, Axes]:
    """A figure of one pair of axes.

    Parameters
    ----------
    size : (float, float)
        Width and height in inches.
    title : str
        Above the axes.
    grid : str, optional
        Lines across which axis, if any.
    """
    figure = Figure(figsize=size, layout="constrained", dpi=DPI)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10)
    if grid is not None:
        axes.grid(axis=grid, alpha=0.25)
    return figure, axes


def square_figure(title: str) -> tuple[Figure, Axes]:
    """Axes from 0 to 1 on both sides, below `title`."""
    figure, axes = single_figure(SIZE, title, "both")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.03, 1.03)
    axes.set_aspect("equal")
    return figure, axes

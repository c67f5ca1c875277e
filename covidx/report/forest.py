"""Forest plots: estimates below each other, each a dot with its interval."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from covidx.evaluate import Estimate
from covidx.report.canvas import BLUE, GREEN, GREY, single_figure

Line = tuple[str, Estimate | None]
"""A name and its estimate; a heading has none."""
LONGEST = 60
"""Characters of a reason that are shown in place of an interval."""


def forest_figure(
    lines: Sequence[Line], title: str, *, least: float = 0.0, reversed_names: Collection[str] = ()
) -> tuple[Figure, Axes]:
    """Estimates with their intervals, the first at the top; a reason where there is no interval.

    Parameters
    ----------
    lines : sequence of (str, Estimate or None)
        Names and estimates; a name without one is a heading, in bold.
    title : str
        Above the axes.
    least : float
        Where the text of an estimate without interval begins.
    reversed_names : collection of str
        Names of estimates of which less is better, drawn in another colour.
    """
    figure, axes = single_figure((7.2, 1.3 + 0.26 * len(lines)), title, "x")
    for place, (name, estimate) in enumerate(lines):
        if estimate is None:
            continue
        if np.isnan(estimate.low):
            text = f" {estimate}"[:LONGEST]
            axes.text(least, place, text, va="center", fontsize=7, color=GREY)
            continue
        colour = GREEN if name.strip() in reversed_names else BLUE
        axes.plot(estimate.value, place, "o", color=colour, markersize=4)
        axes.plot([estimate.low, estimate.high], [place, place], color=colour, linewidth=1.5)
    axes.set_yticks(range(len(lines)), [name for name, _ in lines], fontsize=8)
    axes.tick_params(axis="y", length=0)
    for label, (_, estimate) in zip(axes.get_yticklabels(), lines, strict=True):
        label.set_fontweight("bold" if estimate is None else "normal")
    axes.set_ylim(len(lines) - 0.4, -0.6)
    return figure, axes

"""One patient under each condition, side by side."""

from __future__ import annotations

from matplotlib.figure import Figure

from covidx.audit.shortcuts.scoring import Example
from covidx.report.canvas import DPI

PANEL = 2.1
"""Inches."""


def draw_example(example: Example) -> Figure:
    """The pictures of an `example` in a row, each with its condition and score."""
    figure = Figure(figsize=(PANEL * len(example), PANEL), layout="constrained", dpi=DPI)
    for place, (name, (picture, score)) in enumerate(example.items(), 1):
        axes = figure.add_subplot(1, len(example), place)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axes.set_title(f"{name}\nscore {score:.2f}", fontsize=9)
        axes.set_axis_off()
    return figure

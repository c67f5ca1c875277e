"""Figures and pages. Slices with heatmaps lie in `covidx.report.slices`, which needs torch."""

from covidx.report.canvas import save_all
from covidx.report.figures import (
    confusion_figure,
    reliability_figure,
    roc_figure,
    score_figure,
    training_figure,
)
from covidx.report.image import Case, write_case, write_report

__all__ = [
    "Case",
    "confusion_figure",
    "reliability_figure",
    "roc_figure",
    "save_all",
    "score_figure",
    "training_figure",
    "write_case",
    "write_report",
]

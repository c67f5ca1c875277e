"""Figures, slices with heatmaps, the HTML report."""

from covidx.report.figures import (
    confusion_figure,
    reliability_figure,
    roc_figure,
    save,
    score_figure,
    training_figure,
)
from covidx.report.html import Case, write_case, write_report
from covidx.report.slices import SliceView, slice_views

__all__ = [
    "Case",
    "SliceView",
    "confusion_figure",
    "reliability_figure",
    "roc_figure",
    "save",
    "score_figure",
    "slice_views",
    "training_figure",
    "write_case",
    "write_report",
]

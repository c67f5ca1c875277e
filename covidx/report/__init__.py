"""Figures and pages. Slices with heatmaps lie in `covidx.report.slices`, which needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.report.canvas import save_all
    from covidx.report.figures import (
        confusion_figure,
        reliability_figure,
        roc_figure,
        score_figure,
    )
    from covidx.report.image import slice_pictures, write_report
    from covidx.report.training_figures import learning_figure, training_figure
    from covidx.report.viewer.worklist import CaseRow
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)

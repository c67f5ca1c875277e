"""Heatmaps, and the exam that each must pass before it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.explain.exam import SCORE_FLOOR, Exam, Verdict
    from covidx.explain.figures import TopMap, run_figures, verdict_counts
    from covidx.explain.heatmap import Heatmap, heatmaps
    from covidx.explain.methods import DEFAULT, METHODS
    from covidx.explain.placing import heat_volume, paste
    from covidx.explain.scale import Scale
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)

"""Heatmaps, and the tests that they must pass first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.explain.gradcam import Heatmap, heatmaps, paste
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)

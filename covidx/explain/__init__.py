"""Heatmaps, and the tests that they must pass first."""

from covidx.explain.gradcam import Heatmap, heatmaps, paste

__all__ = ["Heatmap", "heatmaps", "paste"]

"""Heatmaps, and the examinations that they must sit first."""

from covidx.explain.gradcam import Heatmap, heatmaps, paste

__all__ = ["Heatmap", "heatmaps", "paste"]

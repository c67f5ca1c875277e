"""Lungs on CT, how well masks agree, and how much lung is ill; no network library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.segmentation.film import look_at_film
    from covidx.segmentation.grid import check_values, in_order_of, on_grid
    from covidx.segmentation.lungs import drop_small_pieces, segment_lungs
    from covidx.segmentation.measure import LOBES, Masks, lung_flags, measure_severity
    from covidx.segmentation.metrics import MaskScores, compare_masks, dice, surface_distances
    from covidx.segmentation.picture import segment_slice_lungs
    from covidx.segmentation.severity import Part, Region, Severity, Zone, points
    from covidx.segmentation.sides import LEFT, RIGHT
    from covidx.segmentation.summary import summarise
else:
    __getattr__ = lazy_names(__name__, __file__)

__all__ = [
    "LEFT",
    "LOBES",
    "RIGHT",
    "MaskScores",
    "Masks",
    "Part",
    "Region",
    "Severity",
    "Zone",
    "check_values",
    "compare_masks",
    "dice",
    "drop_small_pieces",
    "in_order_of",
    "look_at_film",
    "lung_flags",
    "measure_severity",
    "on_grid",
    "points",
    "segment_lungs",
    "segment_slice_lungs",
    "summarise",
    "surface_distances",
]

"""Lungs on CT, how well masks agree, and the CT opacity burden; no network library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.segmentation.burden import OpacityBurden, Part, Region, Zone, severity_points
    from covidx.segmentation.field_of_view import field_flags
    from covidx.segmentation.flags import lung_flags, radiograph_flags
    from covidx.segmentation.grid import check_values, in_order_of, on_grid
    from covidx.segmentation.lungs import drop_small_pieces, segment_lungs
    from covidx.segmentation.measure import LOBES, Masks, measure_burden
    from covidx.segmentation.metrics import MaskScores, compare_masks, dice, surface_distances
    from covidx.segmentation.picture import segment_slice_lungs
    from covidx.segmentation.sides import LEFT, RIGHT
    from covidx.segmentation.summary import summarise
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)

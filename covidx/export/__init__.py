"""Masks, heatmaps and measurements as DICOM that a PACS takes, by highdicom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.export.captures import write_captures
    from covidx.export.codes import FINDINGS, MEASURES, Algorithm
    from covidx.export.derive import save
    from covidx.export.masks import read_mask, write_on_source_grid
    from covidx.export.measures import Measure, read_measures, read_segmentation, volumes_ml
    from covidx.export.parametric import evidence_map, parametric_map
    from covidx.export.report import measurement_report
    from covidx.export.segmentation import binary_segmentation, fractional_segmentation
    from covidx.export.source import Mode, SourceSeries, read_source
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)

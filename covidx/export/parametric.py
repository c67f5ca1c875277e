"""Probabilities as DICOM Parametric Map (PS3.3 A.75), by highdicom."""

from __future__ import annotations

from typing import Any

import numpy as np
from highdicom import VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from numpy.typing import NDArray
from pydicom.sr.coding import Code

from covidx.errors import InvalidInputError
from covidx.export.codes import Algorithm, finding, unit_code
from covidx.export.derive import RESEARCH_ONLY, deriving, equipment, new_series
from covidx.export.segmentation import checked_probability
from covidx.export.source import SourceSeries
from covidx.volume import Volume

RATHER = "Write a fractional segmentation instead: covidx export seg --fractional."
PROBABILITY = Code("122157", "DCM", "Probability")


def parametric_map(
    probability: Volume | NDArray[Any], name: str, source: SourceSeries, algorithm: Algorithm
) -> ParametricMap:
    """Probabilities as 32-bit floats, one frame for each slice of the source.

    Parameters
    ----------
    probability : Volume or ndarray, shape (slices, rows, columns)
        From 0 to 1. On a grid of the source, see `SourceSeries.on_own_grid`.
    name : str
        Of what, in `FINDINGS`.
    source : SourceSeries
        The series that the map is of.
    algorithm : Algorithm
        What made the map.

    Raises
    ------
    InvalidInputError
        ``MASK_GRID``, ``MASK_VALUES``, ``FINDING_UNKNOWN``, ``MAP_OF_RADIOGRAPH``, or
        ``FRAMES_PARTIAL`` where the slices are some of the frames of their file: the others would
        be mapped as 0.
    InvalidSeriesError
        ``HEADER_UNFIT``.
    """
    array = checked_probability(source.on_own_grid(probability))
    label = finding(name).label
    if source.own.affine is None:
        raise InvalidInputError(
            "MAP_OF_RADIOGRAPH",
            "A Parametric Map needs an image with a position in space.",
            hint=RATHER,
        )
    frames = source.as_frames(array)
    if len(frames) != len(array):
        raise InvalidInputError(
            "FRAMES_PARTIAL",
            "The series is a part of a multi-frame file.",
            expected=f"a map of {len(frames)} frames",
            actual=f"{len(array)} slices",
            hint=RATHER,
        )
    with deriving():
        made = ParametricMap(
            source_images=source.images,
            pixel_array=np.ascontiguousarray(frames),
            contains_recognizable_visual_features=False,
            real_world_value_mappings=[
                RealWorldValueMapping(
                    lut_label="PROBABILITY",
                    lut_explanation=f"Probability of {label}",
                    unit=unit_code("1"),
                    value_range=(0.0, 1.0),
                    quantity_definition=PROBABILITY,
                )
            ],
            voi_lut_transformations=[VOILUTTransformation(window_center=0.5, window_width=1.0)],
            content_label="PROBABILITY",
            content_description=f"{label}. {RESEARCH_ONLY}",
            content_qualification="RESEARCH",
            **new_series(1, "map"),
            **equipment(algorithm),
        )
        made.Laterality = ""  # PS3.3 C.7.3.1, type 2C: a thorax has both sides
        return made

"""Probabilities and heatmaps as DICOM Parametric Map (PS3.3 A.75), by highdicom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from highdicom import VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from numpy.typing import NDArray
from pydicom.sr.coding import Code

from covidx.errors import InvalidInputError
from covidx.export.codes import OWN_SCHEME, Algorithm, finding, unit_code
from covidx.export.derive import RESEARCH_ONLY, deriving, equipment, new_series
from covidx.export.segmentation import checked_probability
from covidx.export.source import SourceSeries
from covidx.volume import Volume

RATHER = "Write a fractional segmentation instead: covidx export seg --fractional."
PICTURES = "Write pictures instead: covidx export heatmap --captures."
LONGEST = 64
"""Characters of a text of VR LO (PS3.5 6.2)."""


@dataclass(frozen=True)
class Quantity:
    """What the values of a map are.

    Parameters
    ----------
    label : str
        Of the map, in the letters of VR CS.
    code : Code
        Of the quantity.
    series : int
        As `new_series` numbers its series.
    content : str
        What the series holds, in words.
    rather : str
        What to write instead where there can be no map.
    """

    label: str
    code: Code
    series: int
    content: str
    rather: str


PROBABILITY = Quantity("PROBABILITY", Code("122157", "DCM", "Probability"), 1, "map", RATHER)
EVIDENCE = Quantity(
    "LOGODDS", Code("LOGODDS", OWN_SCHEME, "Log-odds for a class"), 5, "heatmap", PICTURES
)


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
    return _made(array, PROBABILITY, f"Probability of {label}", label, 1.0, source, algorithm)


def evidence_map(
    evidence: Volume | NDArray[Any], name: str, source: SourceSeries, algorithm: Algorithm
) -> ParametricMap:
    """A heatmap in log-odds, as `covidx explain` writes it; frames as in `parametric_map`.

    Parameters
    ----------
    evidence : Volume or ndarray, shape (slices, rows, columns)
        Log-odds, at least 0. On a grid of the source, see `SourceSeries.on_own_grid`.
    name : str
        The class that it is evidence for, such as ``covid-19``.
    source, algorithm
        As for `parametric_map`.

    Raises
    ------
    InvalidInputError
        ``MASK_GRID``, ``MASK_VALUES``, ``MAP_OF_RADIOGRAPH`` or ``FRAMES_PARTIAL``.
    InvalidSeriesError
        ``HEADER_UNFIT``.
    """
    array = checked_evidence(source.on_own_grid(evidence))
    meaning, top = f"Log-odds for {name}"[:LONGEST], max(float(array.max()), 1.0)
    return _made(array, EVIDENCE, meaning, f"Heatmap, {name}", top, source, algorithm)


def checked_evidence(array: NDArray[Any]) -> NDArray[np.float32]:
    """Return `array`, log-odds of at least 0, as 32-bit floats.

    Raises
    ------
    InvalidInputError
        ``MASK_VALUES``.
    """
    if not (np.isfinite(array).all() and array.min() >= 0):
        raise InvalidInputError(
            "MASK_VALUES",
            "This is no heatmap.",
            expected="log-odds of at least 0, as covidx explain writes them",
            actual=f"{array.min():g} to {array.max():g}",
            hint="Name the NIfTI file that covidx explain wrote.",
        )
    return array.astype(np.float32)


def _frames(array: NDArray[np.float32], source: SourceSeries, rather: str) -> NDArray[np.float32]:
    if source.own.affine is None:
        raise InvalidInputError(
            "MAP_OF_RADIOGRAPH",
            "A Parametric Map needs an image with a position in space.",
            hint=rather,
        )
    frames = source.as_frames(array)
    if len(frames) != len(array):
        raise InvalidInputError(
            "FRAMES_PARTIAL",
            "The series is a part of a multi-frame file.",
            expected=f"a map of {len(frames)} frames",
            actual=f"{len(array)} slices",
            hint=rather,
        )
    return np.ascontiguousarray(frames)


def _made(
    array: NDArray[np.float32],
    quantity: Quantity,
    meaning: str,
    description: str,
    top: float,
    source: SourceSeries,
    algorithm: Algorithm,
) -> ParametricMap:
    """A map of values from 0 to `top`."""
    frames = _frames(array, source, quantity.rather)
    with deriving():
        made = ParametricMap(
            source_images=source.images,
            pixel_array=frames,
            contains_recognizable_visual_features=False,
            real_world_value_mappings=[
                RealWorldValueMapping(
                    lut_label=quantity.label,
                    lut_explanation=meaning,
                    unit=unit_code("1"),
                    value_range=(0.0, top),
                    quantity_definition=quantity.code,
                )
            ],
            voi_lut_transformations=[VOILUTTransformation(window_center=top / 2, window_width=top)],
            content_label=quantity.label,
            content_description=f"{description}. {RESEARCH_ONLY}"[-LONGEST:],
            content_qualification="RESEARCH",
            **new_series(quantity.series, quantity.content),
            **equipment(algorithm),
        )
        made.Laterality = ""  # PS3.3 C.7.3.1, type 2C: a thorax has both sides
        return made

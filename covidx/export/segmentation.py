"""A mask as DICOM Segmentation (PS3.3 A.51), by highdicom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray

from covidx.errors import InvalidInputError
from covidx.export.codes import Algorithm, Finding, finding
from covidx.export.derive import RESEARCH_ONLY, derived_uid, deriving, equipment, new_series
from covidx.export.source import SourceSeries
from covidx.volume import Volume

Mask = Volume | NDArray[Any]


def binary_segmentation(
    mask: Mask, segments: Mapping[int, str], source: SourceSeries, algorithm: Algorithm
) -> Segmentation:
    """Labels as a binary Segmentation, which refers to each slice of its source.

    Parameters
    ----------
    mask : Volume or ndarray, shape (slices, rows, columns)
        Whole numbers; 0 is nothing. On a grid of the source, see `SourceSeries.on_own_grid`.
    segments : mapping of int to str
        Label -> name in `FINDINGS`; every label of the mask, and maybe more.
    source : SourceSeries
        The series that the mask is of.
    algorithm : Algorithm
        What made the mask.

    Returns
    -------
    highdicom.seg.Segmentation
        Its segments in the order of `segments`. Slices without any are left out.

    Raises
    ------
    InvalidInputError
        ``MASK_GRID``, ``MASK_VALUES``, ``SEGMENTS_UNNAMED``, ``SEGMENT_TWICE`` or
        ``FINDING_UNKNOWN``.
    InvalidSeriesError
        ``HEADER_UNFIT``.
    """
    array = source.on_own_grid(mask)
    if array.dtype.kind not in "iub" or not segments:
        hint = "Give whole numbers as labels, or use --fractional for probabilities."
        raise _bad_values("whole numbers, each with a name", array.dtype, hint)
    if len(set(segments.values())) < len(segments):
        raise InvalidInputError(
            "SEGMENT_TWICE",
            "Two labels have the same name, so that their segments could not be distinguished.",
            expected="a name for each label",
            actual=dict(segments),
            hint="Name each label differently with --segment LABEL=NAME.",
        )
    labels = {int(label) for label in np.unique(array)} - {0}
    if not labels <= set(segments):
        raise InvalidInputError(
            "SEGMENTS_UNNAMED",
            "The mask has labels without a name.",
            expected=dict(segments),
            actual=sorted(labels - set(segments)),
            hint="Name every label of the mask with --segment LABEL=NAME.",
        )
    # highdicom numbers segments from 1, in order.
    numbers = np.zeros(array.shape, np.uint8)
    for number, label in enumerate(segments, start=1):
        numbers[array == label] = number
    return _made("BINARY", numbers, list(segments.values()), source, algorithm)


def fractional_segmentation(
    probability: Mask, name: str, source: SourceSeries, algorithm: Algorithm
) -> Segmentation:
    """Probabilities as a fractional Segmentation of one segment, in steps of 1/255.

    Parameters
    ----------
    probability : Volume or ndarray, shape (slices, rows, columns)
        From 0 to 1.
    name : str
        In `FINDINGS`.
    source : SourceSeries
        The series that the mask is of.
    algorithm : Algorithm
        What made the mask.

    Raises
    ------
    InvalidInputError
        ``MASK_GRID``, ``MASK_VALUES`` or ``FINDING_UNKNOWN``.
    InvalidSeriesError
        ``HEADER_UNFIT``.
    """
    array = checked_probability(source.on_own_grid(probability))
    return _made("FRACTIONAL", array, [name], source, algorithm)


def checked_probability(array: NDArray[Any]) -> NDArray[np.float32]:
    """Return `array`, probabilities from 0 to 1, as 32-bit floats.

    Raises
    ------
    InvalidInputError
        ``MASK_VALUES``.
    """
    if not (array.min() >= 0 and array.max() <= 1):  # NaN neither
        actual = f"{array.min():g} to {array.max():g}"
        raise _bad_values(
            "probabilities from 0 to 1", actual, "Rescale the probabilities to 0 to 1."
        )
    return array.astype(np.float32)


def _made(
    kind: str, array: NDArray[Any], names: list[str], source: SourceSeries, algorithm: Algorithm
) -> Segmentation:
    series = str(source.images[0].SeriesInstanceUID)
    segments = [(name, finding(name)) for name in names]
    with deriving():
        described = [
            _description(number, name, shown, series, algorithm)
            for number, (name, shown) in enumerate(segments, start=1)
        ]
        made = Segmentation(
            source_images=source.images,
            pixel_array=source.as_frames(array),
            segmentation_type=kind,
            segment_descriptions=described,
            content_label="SEGMENTATION",
            content_description=RESEARCH_ONLY,
            **new_series(0, "segmentation"),
            **equipment(algorithm),
        )
        if source.own.affine is None:  # PS3.3 C.7.6.1, type 2C: nothing else says where it lies
            made.PatientOrientation = source.images[0].get("PatientOrientation", "")
        return made


def _description(
    number: int, name: str, shown: Finding, series: str, algorithm: Algorithm
) -> SegmentDescription:
    """One segment; the same finding of a series by one algorithm is tracked under one UID."""
    identification = AlgorithmIdentificationSequence(
        algorithm.name, algorithm.family_code, algorithm.version, source="covidx"
    )
    made = SegmentDescription(
        segment_number=number,
        segment_label=shown.label,
        segmented_property_category=shown.category,
        segmented_property_type=shown.kind,
        algorithm_type="MANUAL" if algorithm.family == "manual" else "AUTOMATIC",
        algorithm_identification=identification,
        tracking_id=name,
        tracking_uid=derived_uid(series, name, algorithm.name, algorithm.version),
        anatomic_regions=[shown.within] if shown.within else None,
        display_color=CIELabColor.from_rgb(*shown.colour),
    )
    if algorithm.family == "manual":
        del made.SegmentAlgorithmName  # PS3.3 C.8.20.2: only of what is not manual
    return made


def _bad_values(expected: object, actual: object, hint: str) -> InvalidInputError:
    return InvalidInputError(
        "MASK_VALUES",
        "The values of the mask do not fit.",
        expected=expected,
        actual=actual,
        hint=hint,
    )

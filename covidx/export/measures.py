"""Measurements of a segment or of a study: read from a table, or counted in a Segmentation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from highdicom.seg import Segmentation, segread
from pydicom.sr.coding import Code

from covidx.cells import read_cells
from covidx.errors import InvalidInputError, InvalidTableError
from covidx.export.codes import MEASURES
from covidx.ingest.quiet import quiet

COLUMNS = ("segment", "name", "value")


@dataclass(frozen=True)
class Measure:
    """A number of a segment, or of the whole study.

    Parameters
    ----------
    name : str
        In `MEASURES`, or any with a code of its own.
    value : float
        Finite.
    segment : str, optional
        Name in `FINDINGS`; None: of the whole study.
    unit : str, optional
        UCUM; None: that of `MEASURES`.
    code : Code, optional
        Of a name that is not in `MEASURES`.

    Raises
    ------
    InvalidInputError
        ``MEASURE_UNKNOWN``, ``MEASURE_VALUE`` or ``MEASURE_UNIT``.
    """

    name: str
    value: float
    segment: str | None = None
    unit: str | None = None
    code: Code | None = None

    def __post_init__(self) -> None:
        if (self.code is None) != (self.name in MEASURES):
            raise InvalidInputError(
                "MEASURE_UNKNOWN",
                "A measure needs either a name that covidx knows, or a code.",
                expected=f"{', '.join(MEASURES)}, or another name with a code",
                actual=self.name,
                hint=(
                    "Leave code empty for a listed name; give any other name a code "
                    "(SCHEME:VALUE:MEANING)."
                ),
            )
        if not math.isfinite(self.value):
            raise InvalidInputError(
                "MEASURE_VALUE",
                "A measure is not a finite number.",
                expected="finite",
                actual=self.value,
                hint="Correct the value, or remove the row.",
            )
        unit = MEASURES[self.name][1] if self.name in MEASURES else self.unit
        if not unit or self.unit not in (None, unit):
            raise InvalidInputError(
                "MEASURE_UNIT",
                f"The measure {self.name} has another unit, or none.",
                expected=unit or "a unit of UCUM",
                actual=self.unit,
                hint=f"Convert the value to {unit}, or correct the unit."
                if unit
                else "Fill in the unit.",
            )
        object.__setattr__(self, "unit", unit)

    @property
    def concept(self) -> Code:
        """Its code."""
        return self.code or MEASURES[self.name][0]


def read_measures(path: Path) -> list[Measure]:
    """Measures from a CSV with the columns segment, name and value, and optionally unit and code.

    Parameters
    ----------
    path : Path
        CSV; an empty segment stands for the whole study; a code is ``SCHEME:VALUE:MEANING``.

    Raises
    ------
    InvalidTableError
        ``TABLE_UNREADABLE``, ``COLUMNS_MISSING`` or ``MEASURE_FORM``.
    InvalidInputError
        As `Measure`.
    """
    table = read_cells(path)
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise InvalidTableError(
            "COLUMNS_MISSING",
            "The table lacks columns.",
            path=path,
            expected=", ".join(COLUMNS),
            actual=", ".join(table.columns),
            hint=(
                "Rename or add the columns; covidx opacity-burden --format csv prints such a table."
            ),
        )
    measures = []
    for line, row in enumerate(table.to_dict("records")):
        cells = {str(k): v.strip() for k, v in row.items() if isinstance(v, str)}
        try:
            value, code = float(cells["value"]), _code(cells.get("code"))
        except (KeyError, ValueError) as error:
            raise InvalidTableError(
                "MEASURE_FORM",
                "A row's value is not a number, or its code is malformed.",
                path=f"{path}:{int(table.index[line]) + 2}",
                expected="a number; SCHEME:VALUE:MEANING",
                hint="Correct the row; leave code empty where the name is known to covidx.",
            ) from error
        name, unit = cells.get("name", ""), cells.get("unit")
        measures.append(Measure(name, value, cells.get("segment"), unit, code))
    return measures


def _code(text: str | None) -> Code | None:
    if text is None:
        return None
    scheme, value, meaning = text.split(":", 2)
    return Code(value, scheme, meaning)


def read_segmentation(path: Path) -> Segmentation:
    """Read the DICOM Segmentation at `path`.

    Raises
    ------
    InvalidInputError
        ``NOT_A_SEGMENTATION``.
    """
    try:
        with quiet():
            return segread(path)
    except Exception as error:  # pydicom and highdicom raise what they like, and quote values
        raise InvalidInputError(
            "NOT_A_SEGMENTATION",
            "This file cannot be read as a DICOM Segmentation.",
            path=path,
            actual=type(error).__name__,
            hint="Name a file that covidx export seg wrote.",
        ) from None


def volumes_ml(seg: Segmentation) -> dict[int, float]:
    """Volume in ml of each segment of `seg`, by number; fractions count as such.

    Empty for a radiograph, whose pixels have no depth.
    """
    if "FrameOfReferenceUID" not in seg:
        return {}
    shared = seg.SharedFunctionalGroupsSequence[0]
    spacing = shared.PixelMeasuresSequence[0]
    voxel = float(np.prod(spacing.PixelSpacing)) * float(spacing.SpacingBetweenSlices) / 1000
    full = float(seg.get("MaximumFractionalValue", 1))
    volumes = {int(number): 0.0 for number in seg.segment_numbers}
    for index, groups in enumerate(seg.PerFrameFunctionalGroupsSequence):
        item = groups if "SegmentIdentificationSequence" in groups else shared
        number = int(item.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        frame = seg.get_stored_frame(index + 1)
        volumes[number] += float(frame.sum(dtype=np.float64)) / full * voxel
    return volumes

"""A small case with everything on it, whose values are known by arithmetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from covidx.report.viewer import write_case_page
from covidx.report.viewer.case import (
    CT_WINDOWS,
    HeatLayer,
    MaskLayer,
    Result,
    Section,
    SeenSlice,
    Verdict,
    ViewerCase,
)
from covidx.report.viewer.worklist import CaseRow, write_list
from covidx.volume import Volume

SHAPE = (12, 40, 48)
AFFINE = np.array(
    [[-2.0, 0, 0, 47.0], [0, -2.0, 0, 39.0], [0, 0, 5.0, -30.0], [0, 0, 0, 1.0]]
)  # canonical: columns to the left, rows to the back, slices to the head
HOSTILE = "</script><script>alert(1)</script><!-- &amp; \u2028 \"'"
LESION = (slice(3, 6), slice(10, 20), slice(30, 40))


def hu() -> np.ndarray:
    """Voxel (slice, row, column) has -1000 + 50 slice + 8 row + 3 column HU."""
    s, r, c = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    return (-1000 + 50 * s + 8 * r + 3 * c).astype(np.int16)


def heat(index: int, verdict: Verdict) -> HeatLayer:
    """A map of one slice on a grid twice as coarse, with its peak at row 15, column 35."""
    y, x = np.mgrid[0:20, 0:24]
    values = np.exp(-(((y - 7.25) / 4) ** 2 + ((x - 17.25) / 4) ** 2))
    matrix = np.diag([2.0, 2.0, 1.0, 1.0])
    matrix[:3, 3] = 0.5, 0.5, index
    return HeatLayer(
        f"slice {index + 1} of 12", values[None].astype(np.float32), AFFINE @ matrix,
        verdict, "Tested against 50 random parts.", (0.3, 0.6, 0.9), "log-odds",
        (12.04, 9.0),
    )  # fmt: skip


def case(name: str = "P1") -> ViewerCase:
    """Four slices seen; the largest lesion lies in slice 4 to 6, of which slice 5 was seen."""
    lesion = np.zeros(SHAPE, dtype=bool)
    lesion[LESION] = True
    seen = [
        SeenSlice(1, 0.02, 0.0, 1, 1),
        SeenSlice(4, 0.9, 0.5, 4, 4),
        SeenSlice(7, 0.6, 0.3, 7, 7),
        SeenSlice(10, 0.04, 0.2, 10, 10),
    ]
    layers = [heat(4, "passed"), heat(7, "failed"), heat(10, "no evidence")]
    return ViewerCase(
        name=name,
        unit_id=name,
        image=Volume(hu(), "CT", "hu", "proven", AFFINE),
        windows=CT_WINDOWS,
        masks=[MaskLayer("true lesion", lesion)],
        heat=layers,
        seen=seen,
        result=Result("covid-19", 0.9, 0.4, "covid-19"),
        facts=[("Scanner", "A")],
        sections=[Section("Model", [("covid-19", "0.900")])],
        simulated=True,
        instances=tuple(range(12, 0, -1)),
        receipt={"series": "the only one"},
        scanner="A",
    )


def write_run(folder: Path) -> list[CaseRow]:
    """Three cases: found, missed (with hostile texts), false alarm."""
    first = case()
    cases = [
        first,
        replace(
            case(HOSTILE),
            result=Result("covid-19", 0.1, 0.4, "covid-19"),
            warnings=[HOSTILE],
            note=HOSTILE,
            scanner=HOSTILE,
            facts=[(HOSTILE, HOSTILE)],
        ),
        replace(case("P3"), result=Result("covid-19", 0.5, 0.4, "normal")),
    ]
    back = ("../../report.html", "all cases")
    rows = [
        write_case_page(one, folder / "cases" / f"{number:03d}", run="a run", back=back)
        for number, one in enumerate(cases, 1)
    ]
    write_list(rows, folder)
    return rows

"""What is known of an image besides a model's result, as its page shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.files import read_json
from covidx.inference.slices import instances_of
from covidx.report.viewer import (
    CaseRow,
    Images,
    MaskLayer,
    Result,
    Section,
    ViewerCase,
    write_case_page,
)
from covidx.report.viewer.case import CT_WINDOWS, GREY_WINDOWS, Windows
from covidx.volume import Volume

TO_REPORT = ("../../report.html", "all cases")
"""From a case's page to the list: address and text."""


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of an image besides its voxels and its result.

    Parameters
    ----------
    name, unit_id : str
        As in `ViewerCase`.
    row : mapping
        Manifest fields: manufacturer, kernel, thickness, size.
    label : str, optional
        True class; None where it is not known.
    truth : ndarray of bool, optional
        True lesion on the canonical grid.
    note : str
        What else the labels state.
    warnings : sequence of str
        Why the result may not be interpreted.
    simulated : bool
        Whether the patient is simulated.
    instances : sequence of int or None
        InstanceNumber of each slice of the canonical volume.
    receipt : mapping
        How the image came about.
    limits : sequence of str
        Known limits of the model, where no run's folder around the page has them.
    masks : sequence of MaskLayer
        Further masks on the canonical grid.
    sections : sequence of Section
        What models made of the image.
    result : Result, optional
        Of another model than the image classifier, such as a fusion.
    """

    name: str
    unit_id: str
    row: dict[str, Any]
    label: str | None = None
    truth: NDArray[np.bool_] | None = None
    note: str = ""
    warnings: Sequence[str] = ()
    simulated: bool = False
    instances: Sequence[int | None] = ()
    receipt: dict[str, Any] = field(default_factory=dict)
    limits: Sequence[str] = ()
    masks: Sequence[MaskLayer] = ()
    sections: Sequence[Section] = ()
    result: Result | None = None


def known_image(
    store: Path, row: dict[str, Any], level: str, stored: Volume, *, simulated: bool
) -> Known:
    """What manifest and receipt say of an image.

    Parameters
    ----------
    store : Path
        Of the image.
    row : dict
        Of the manifest.
    level : {"patient", "image"}
        What a row of the predictions is.
    stored : Volume
        The image as it was stored.
    simulated : bool
        Whether the patient is.
    """
    patient, image = str(row["patient_id"]), str(row["image_id"])
    path = store / "receipts" / f"{image}.json"
    receipt = read_json(path) if path.is_file() else {}
    upright = stored.canonical()
    numbers = receipt.get("instance_numbers", ())  # those of earlier versions lack it
    return Known(
        name=patient if level == "patient" else f"{patient}, image {image}",
        unit_id=patient if level == "patient" else image,
        row=row,
        simulated=simulated,
        instances=instances_of(numbers, stored.affine, range(len(upright.array)), upright.affine),
        receipt=receipt,
    )


def plain_case(known: Known, volume: Volume, window: tuple[float, float] | None) -> ViewerCase:
    """The case page of an image, without a model's result.

    Parameters
    ----------
    known : Known
        All but the voxels.
    volume : Volume
        Canonical.
    window : (float, float), optional
        Level and width that the model saw, in HU; None for the usual lung window.
    """
    truth = [] if known.truth is None else [MaskLayer("true lesion", known.truth)]
    maker = known.row.get("manufacturer")
    return ViewerCase(
        name=known.name,
        unit_id=known.unit_id,
        image=volume,
        windows=_windows(volume, window),
        masks=[*truth, *known.masks],
        facts=image_facts(known.row),
        result=known.result,
        sections=known.sections,
        warnings=known.warnings,
        simulated=known.simulated,
        instances=known.instances,
        receipt=known.receipt,
        limits=known.limits,
        scanner=maker if isinstance(maker, str) else "",
        note=known.note,
    )


def case_level(rows: pd.DataFrame) -> str:
    """``patient`` where each of the manifest's `rows` is of another patient, else ``image``."""
    return "patient" if rows["patient_id"].is_unique else "image"


def write_plain_case(
    known: Known, volume: Volume, folder: Path, *, run: str, images: Images
) -> CaseRow:
    """Write the page of an image that no model makes a decision about.

    Parameters
    ----------
    known : Known
        All but the voxels.
    volume : Volume
        Canonical.
    folder : Path
        Of this case alone.
    run, images
        As in `write_case_page`.
    """
    case = plain_case(known, volume, None)
    return write_case_page(case, folder, run=run, images=images, back=TO_REPORT)


def _windows(volume: Volume, window: tuple[float, float] | None) -> Windows:
    """Those of the image's kind; the first is what the model saw."""
    if volume.units == "display":
        return GREY_WINDOWS
    return CT_WINDOWS if window is None else (("lung", *window), *CT_WINDOWS[1:])


def image_facts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Scanner, geometry and patient of an image, in words.

    Parameters
    ----------
    row : mapping
        Manifest fields; what is unknown is left out.
    """
    rows = []
    for name, key in (("Scanner", "manufacturer"), ("Kernel", "kernel"), ("View", "view")):
        if isinstance(row.get(key), str):  # unknown is NaN or None
            rows.append((name, row[key]))
    for name, key in (("Thickness", "slice_thickness_mm"), ("Spacing", "slice_spacing_mm"),
                      ("Pixel", "pixel_spacing_mm")):  # fmt: skip
        value = row.get(key)
        if isinstance(value, float) and math.isfinite(value):
            rows.append((name, f"{value:.3g} mm"))
    many = f"{row['n_slices']} slices of " if row["kind"] == "volume" else ""
    rows.append(("Size", f"{many}{row['rows']} x {row['columns']} pixels"))
    age, sex = row.get("age"), row.get("sex")
    if isinstance(age, float) and math.isfinite(age):
        rows.append(("Age", f"{age:.0f}"))
    if isinstance(sex, str):
        rows.append(("Sex", sex))
    if isinstance(row.get("series_uid"), str):
        rows.append(("Series", f"…{str(row['series_uid'])[-8:]}"))
    return rows

"""An image classifier's result as a case page shows it: of a test image, or of a single study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.constants import EVIDENCE_CONTOURS
from covidx.explain import Heatmap, Scale
from covidx.imaging import Bag, Preprocessing, slab_reach
from covidx.inference import ImagePredictor, Scores
from covidx.report.viewer import (
    HeatLayer,
    MaskLayer,
    Result,
    Section,
    SeenSlice,
    ViewerCase,
)
from covidx.report.viewer.case import CT_WINDOWS, GREY_WINDOWS, Windows
from covidx.report.viewer.voxels import world
from covidx.volume import Volume


@dataclass(frozen=True, eq=False)
class Scored:
    """One image with all that P1 made of it.

    Parameters
    ----------
    volume : Volume
        Canonical.
    bag : Bag
        The slices that were scored.
    scores : Scores
        Of them.
    maps : list of Heatmap
        One a slice that decided.
    scale : Scale
        Of all maps that are shown together.
    """

    volume: Volume
    bag: Bag
    scores: Scores
    maps: list[Heatmap]
    scale: Scale


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
        Of a segmenter, on the canonical grid.
    sections : sequence of Section
        What else models made of the image.
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


def viewer_case(predictor: ImagePredictor, scored: Scored, known: Known) -> ViewerCase:
    """The case page of an image.

    Parameters
    ----------
    predictor : ImagePredictor
        Whose result it is.
    scored : Scored
        The image and its result.
    known : Known
        All else.
    """
    bundle, volume = predictor.bundle, scored.volume
    truth = [] if known.truth is None else [MaskLayer("true lesion", known.truth)]
    result = Result(
        bundle.positive,
        predictor.positive_score(scored.scores),
        bundle.threshold.value,
        known.label,
    )
    return ViewerCase(
        name=known.name,
        unit_id=known.unit_id,
        image=volume,
        windows=_windows(volume, bundle.recipe.preprocessing),
        masks=[*truth, *known.masks],
        heat=[heat_layer(one, scored, bundle.recipe.preprocessing) for one in scored.maps],
        seen=_seen(predictor, scored),
        result=result,
        facts=_facts(known),
        sections=[_model_section(predictor, scored.scores), *known.sections],
        warnings=known.warnings,
        simulated=known.simulated,
        instances=known.instances,
        receipt=known.receipt,
        limits=known.limits,
        scanner=maker if isinstance(maker := known.row.get("manufacturer"), str) else "",
        note=known.note,
    )


def heat_layer(heatmap: Heatmap, scored: Scored, preprocessing: Preprocessing) -> HeatLayer:
    """One slice's map with where it lies.

    Parameters
    ----------
    heatmap : Heatmap
        On the pixels of the bag.
    scored : Scored
        Whose map it is.
    preprocessing : Preprocessing
        As the bag was prepared: a slab of several slices has the map of their mean.
    """
    top, bottom, left, right = scored.bag.box
    rows, columns = heatmap.heat.shape
    high, wide = (bottom - top) / rows, (right - left) / columns
    index = int(scored.bag.slices[heatmap.place])
    reach = slab_reach(scored.volume, preprocessing.slab_mm)
    matrix = np.diag([wide, high, 2 * reach + 1, 1.0])  # middles of the bag's pixels to voxels
    matrix[:3, 3] = left + wide / 2 - 0.5, top + high / 2 - 0.5, index
    scale = scored.scale
    count = len(scored.volume.array)
    return HeatLayer(
        name=f"slice {index + 1} of {count}" if count > 1 else "the image",
        heat=heatmap.heat[None],
        affine=world(scored.volume) @ matrix,
        verdict=heatmap.verdict,
        reason=heatmap.reason,
        levels=[
            round(scale.floor + share * (scale.top - scale.floor), 2) for share in EVIDENCE_CONTOURS
        ],
        unit="log-odds, one scale for all",
        cell_mm=heatmap.cell_mm,
    )


def _windows(volume: Volume, preprocessing: Preprocessing) -> Windows:
    """Those of the image's kind; the first is what the model saw."""
    if volume.units == "display":
        return GREY_WINDOWS
    own = ("lung", preprocessing.level, preprocessing.width)
    return (own, *CT_WINDOWS[1:])


def _seen(predictor: ImagePredictor, scored: Scored) -> list[SeenSlice]:
    bundle, scores = predictor.bundle, scored.scores
    place = bundle.classes.index(bundle.positive)
    reach = slab_reach(scored.volume, bundle.recipe.preprocessing.slab_mm)
    last = len(scored.volume.array) - 1
    return [
        SeenSlice(
            index=int(index),
            score=float(scores.slice_probabilities[n, place]),
            weight=float(scores.weights[n]),
            first=max(0, int(index) - reach),
            last=min(last, int(index) + reach),
        )
        for n, index in enumerate(scored.bag.slices)
    ]


def _facts(known: Known) -> list[tuple[str, str]]:
    row, rows = known.row, []
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


def _model_section(predictor: ImagePredictor, scores: Scores) -> Section:
    bundle = predictor.bundle
    every = zip(bundle.classes, scores.probabilities, strict=True)
    rows = [(name, f"{value:.3f}") for name, value in every]
    if len(scores.member_probabilities) > 1:
        place = bundle.classes.index(bundle.positive)
        alone = ", ".join(f"{one[place]:.3f}" for one in scores.member_probabilities)
        rows.append(("Its networks alone", alone))
    rows.append(("Trained on", bundle.trained_on.summary))
    rows.append(("Bundle", bundle.sha256[:12]))
    return Section("Model", rows)

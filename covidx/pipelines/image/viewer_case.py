"""An image classifier's result as a case page shows it: of a test image, or of a single study."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from covidx.constants import EVIDENCE_CONTOURS
from covidx.explain import Heatmap, Scale
from covidx.imaging import Bag, Preprocessing, slab_reach
from covidx.inference import ImagePredictor, Scores
from covidx.pipelines.case import Known, plain_case
from covidx.report.viewer import HeatLayer, Result, Section, SeenSlice, ViewerCase
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
    bundle, preprocessing = predictor.bundle, predictor.bundle.recipe.preprocessing
    plain = plain_case(known, scored.volume, (preprocessing.level, preprocessing.width))
    own = Result(
        bundle.positive,
        predictor.positive_score(scored.scores),
        bundle.threshold.value,
        known.label,
    )
    section = _model_section(predictor, scored.scores, "Model" if plain.result is None else "P1")
    return replace(
        plain,
        heat=[heat_layer(one, scored, preprocessing) for one in scored.maps],
        seen=_seen(predictor, scored),
        result=plain.result or own,
        sections=[*plain.sections, section] if plain.result else [section, *plain.sections],
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


def _model_section(predictor: ImagePredictor, scores: Scores, title: str) -> Section:
    bundle = predictor.bundle
    every = zip(bundle.classes, scores.probabilities, strict=True)
    rows = [(name, f"{value:.3f}") for name, value in every]
    if len(scores.member_probabilities) > 1:
        place = bundle.classes.index(bundle.positive)
        alone = ", ".join(f"{one[place]:.3f}" for one in scores.member_probabilities)
        rows.append(("Its networks alone", alone))
    rows.append(("Trained on", bundle.trained_on.summary))
    rows.append(("Bundle", bundle.sha256[:12]))
    return Section(title, rows)

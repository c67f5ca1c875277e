"""Heatmaps of test images and what their exam found, before anything is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.constants import RESEARCH_NOTICE
from covidx.explain import METHODS, Heatmap, Scale, TopMap, heatmaps, run_figures, verdict_counts
from covidx.explain.figures import figures_json
from covidx.explain.pointing import pointing
from covidx.explain.robustness import robustness
from covidx.explain.scorer import SliceScorer
from covidx.files import write_json
from covidx.imaging import Bag, prepare_mask
from covidx.inference import ImagePredictor, Scores
from covidx.inference.image import to_tensor
from covidx.volume import Volume

MOST_ROBUSTNESS = 30
"""Maps of a run that are examined further: those of the images with the highest scores."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Explained:
    """One test image, scored and mapped.

    Parameters
    ----------
    name : str
        Of the image.
    bag : Bag
        With the affine of its image.
    scores : Scores
        Of it.
    maps : list of Heatmap
        One a slice that decided, the highest slice score first.
    top : TopMap
        The map of the highest slice, and how it points where that can be known.
    """

    name: str
    bag: Bag
    scores: Scores
    maps: list[Heatmap]
    top: TopMap


def explain_image(
    predictor: ImagePredictor,
    name: str,
    bag: Bag,
    volume: Volume,
    *,
    lesions: Mask | None,
    lungs: Mask | None,
    positive: bool,
) -> Explained:
    """Score and map one image, and see how its top map points.

    Parameters
    ----------
    predictor : ImagePredictor
        The classifier.
    name : str
        Of the image.
    bag : Bag
        Of a cache.
    volume : Volume
        The image, canonical.
    lesions, lungs : ndarray of bool, shape (slices, rows, columns), optional
        Truth on the grid of `volume`. The maps of a CT are made and examined with segmented lungs,
        as those of a new patient; those of a radiograph with the true ones.
    positive : bool
        Whether the image is labelled with the positive class: true positives alone may point.
    """
    bag = replace(bag, affine=volume.affine if volume.geometry == "proven" else None)
    if bag.lungs is None and lungs is not None:
        share = prepare_mask(lungs, volume, bag, predictor.bundle.recipe.preprocessing)
        bag = replace(bag, lungs=(share * 255).round().astype(np.uint8))
    scores = predictor.score(bag)
    maps = heatmaps(predictor, bag, scores)
    found = predictor.positive_score(scores) >= predictor.bundle.threshold.value
    top = TopMap(maps[0])
    if positive and found and lesions is not None and lesions.any():
        evident = maps[0].heat.max() > 0
        pointed = pointing(maps[0], bag, lesions, lungs) if evident else None
        top = TopMap(maps[0], pointed, may_point=True)
    return Explained(name, bag, scores, maps, top)


def write_exam(path: Path, predictor: ImagePredictor, explained: Sequence[Explained]) -> Scale:
    """Write what the exam of a run's maps found, as JSON.

    Parameters
    ----------
    path : Path
        Of the file.
    predictor : ImagePredictor
        The classifier.
    explained : sequence of Explained
        Test images, at least one.

    Returns
    -------
    Scale
        Of the colours of all maps of the run.
    """
    maps = [one for image in explained for one in image.maps]
    scale = Scale.of(maps)
    highest = sorted(explained, key=lambda one: -one.top.heatmap.score)
    evident = [one for one in highest if one.top.heatmap.verdict != "no evidence"]
    write_json(
        path,
        {
            "notice": RESEARCH_NOTICE,
            "bundle_sha256": predictor.bundle.sha256,
            "method": maps[0].method,
            "scale": {"unit": "log-odds", "floor": scale.floor, "top": scale.top},
            "verdicts": verdict_counts(maps),
            "figures": figures_json(run_figures([one.top for one in explained])),
            "images": [_image(one) for one in explained],
            "robustness": [_further(predictor, one) for one in evident[:MOST_ROBUSTNESS]],
        },
    )
    return scale


def _image(one: Explained) -> dict[str, Any]:
    pointed = one.top.pointing
    return {
        "image_id": one.name,
        "maps": [
            {
                "slice": int(one.bag.slices[heatmap.place]) + 1,
                "score": heatmap.score,
                "peak": float(heatmap.heat.max()),
                "cell_mm": heatmap.cell_mm,
                **heatmap.exam.to_json(),
            }
            for heatmap in one.maps
        ],
        "pointing": None if pointed is None else pointed.to_json(),
    }


def _further(predictor: ImagePredictor, one: Explained) -> dict[str, Any]:
    heatmap = one.top.heatmap
    positive = predictor.bundle.classes.index(predictor.bundle.positive)
    place = heatmap.place
    known = one.bag.lungs
    lungs = None if known is None else to_tensor(known[place : place + 1])[0, 0]
    found = robustness(
        SliceScorer(predictor.model, positive),
        to_tensor(one.bag.pixels[place : place + 1])[0],
        METHODS[heatmap.method],
        lungs,
    )
    slice_ = int(one.bag.slices[place]) + 1
    return {"image_id": one.name, "slice": slice_, **found.to_json()}

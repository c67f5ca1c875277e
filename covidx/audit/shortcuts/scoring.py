"""Every image scored under every condition, with the inputs of the probes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.audit.shortcuts.conditions import CONDITIONS, LUNG_CONDITIONS, View
from covidx.audit.shortcuts.maskers import Masker
from covidx.audit.shortcuts.probes import border_features
from covidx.errors import InvalidInputError, InvalidSeriesError
from covidx.fusion.image import read_bag
from covidx.imaging import Bag, prepare, prepare_mask
from covidx.inference import ImagePredictor
from covidx.ingest import load_image
from covidx.volume import Volume

FloatArray = NDArray[np.float64]
Example = dict[str, tuple[NDArray[np.uint8], float]]
"""Condition -> the slice of one patient that weighed most, and the score of all slices."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores and features of the images.

    Parameters
    ----------
    rows : DataFrame
        The manifest's rows with `truth` (whether positive); `prepared` and `masked`, the code of
        what failed, or empty; `text`, whether small bright parts were found; and a column a
        condition with the positive class's score, NaN where there is none.
    features : ndarray, shape (rows, features)
        The network's, of the unchanged image; NaN of an image that could not be prepared.
    border : ndarray, shape (rows, border features)
        Greys of the border; NaN where it was not computed.
    example : Example
        Empty where there is no fitting patient.
    """

    rows: pd.DataFrame
    features: FloatArray
    border: FloatArray
    example: Example


def score_all(
    predictor: ImagePredictor,
    rows: pd.DataFrame,
    store: Path,
    masker: Masker | None,
    progress: Callable[[int, int], None] | None = None,
) -> Scored:
    """Score each image as it is and with parts taken away.

    Where there is a masker, an image without a mask is left out of all conditions that depend on
    the lungs, border and text among them.

    Parameters
    ----------
    predictor : ImagePredictor
        The classifier.
    rows : DataFrame
        Manifest rows with a column `truth`.
    store : Path
        Folder that the rows' paths start from.
    masker : callable, optional
        Finds the lungs.
    progress : callable, optional
        Called with (images done, all).

    Raises
    ------
    StoreError
        As `load_image`.
    InvalidInputError
        ``NOTHING_PREPARED``: none of the images is one that the bundle takes.
    """
    outcomes: list[dict[str, Any]] = []
    features: dict[int, FloatArray] = {}
    borders: dict[int, FloatArray] = {}
    example: Example = {}
    positive = predictor.bundle.classes.index(predictor.bundle.positive)
    why = ""
    for place, record in enumerate(rows.to_dict("records")):
        row = {str(name): value for name, value in record.items()}
        volume = load_image(store, row).canonical()
        try:
            bag = prepare(volume, predictor.bundle.recipe.preprocessing)
        except (InvalidInputError, InvalidSeriesError) as error:
            outcomes.append({"prepared": error.code, "masked": "", "text": False})
            why = error.reason
        else:
            features[place] = read_bag(predictor.model, bag, positive)[1]
            view, unmasked = _view(predictor, bag, row, volume, masker)
            seen = _conditions(view, masker is not None)
            outputs = {
                name: predictor.score(Bag(pixels, bag.slices, bag.box))
                for name, pixels in seen.items()
            }
            scores = {name: predictor.positive_score(one) for name, one in outputs.items()}
            looked = "border only" in seen
            if looked:
                borders[place] = border_features(view)
            text = looked and bool((seen["text masked"] != view.pixels).any())
            outcomes.append({"prepared": "", "masked": unmasked, "text": text, **scores})
            if row["truth"] and scores["unchanged"] > _best(example) and looked:
                slice_ = int(outputs["unchanged"].weights.argmax())
                example = {name: (seen[name][slice_], score) for name, score in scores.items()}
        if progress is not None:
            progress(place + 1, len(rows))
    if not features:
        raise InvalidInputError(
            "NOTHING_PREPARED",
            "None of the images can be prepared as this bundle requires.",
            actual=why,
            hint=(
                "Name a manifest of the bundle's modality, and with --store the folder of "
                "its images."
            ),
        )
    table = rows.reset_index(drop=True).join(pd.DataFrame(outcomes))
    table = table.reindex(columns=[*table, *(name for name in CONDITIONS if name not in table)])
    return Scored(table, _stacked(features, len(rows)), _stacked(borders, len(rows)), example)


def _view(
    predictor: ImagePredictor,
    bag: Bag,
    row: Mapping[str, Any],
    volume: Volume,
    masker: Masker | None,
) -> tuple[View, str]:
    """The bag with its lungs; the code of why they are not known."""
    if masker is None:
        return View(bag.pixels, None), ""
    how = predictor.bundle.recipe.preprocessing
    try:
        lungs = prepare_mask(masker(row, volume), volume, bag, how)
    except InvalidInputError as error:
        return View(bag.pixels, None), error.code
    if not lungs.any():
        return View(bag.pixels, None), "LUNGS_NOT_IN_VIEW"
    return View(bag.pixels, lungs), ""


def _conditions(view: View, masker: bool) -> dict[str, NDArray[np.uint8]]:
    """Those that can be had of this image."""
    names = list(CONDITIONS)
    if view.lungs is None:
        left_out = LUNG_CONDITIONS + (("border only", "text masked") if masker else ())
        names = [name for name in names if name not in left_out]
    return {name: CONDITIONS[name](view) for name in names}


def _best(example: Example) -> float:
    return example["unchanged"][1] if example else -1.0


def _stacked(found: Mapping[int, FloatArray], n: int) -> FloatArray:
    """One row an image; NaN where there is nothing."""
    width = len(next(iter(found.values()))) if found else 0
    table = np.full((n, width), np.nan)
    for place, values in found.items():
        table[place] = values
    return table

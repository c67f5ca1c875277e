"""Features of scored radiographs: grouped, their lungs located by other patients' annotations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.cohort import find_duplicates, group_images, thumbnail
from covidx.errors import CovidxError, InvalidInputError
from covidx.ingest import load_image
from covidx.pipelines.progress import Bar
from covidx.radiograph_severity import (
    MIN_RADIOGRAPHS,
    LungFinder,
    RadiographNetwork,
    fit_finder,
    picture_of,
)
from covidx.radiograph_severity.predict import image_features

MIN_PATIENTS = 10
"""Scored patients below which nothing can be chosen on inner folds."""


@dataclass(frozen=True, eq=False)
class Features:
    """Scored radiographs as numbers.

    Parameters
    ----------
    rows : DataFrame
        Manifest rows with group_id and scores.
    views : dict of ndarray, shape (rows, features)
        View -> features.
    finder : LungFinder, optional
        What locates the lungs; None where the whole radiograph is looked at.
    notes : list of str
        What was left out, and what is doubtful.
    """

    rows: pd.DataFrame
    views: dict[str, NDArray[np.float32]]
    finder: LungFinder | None
    notes: list[str]


def extract_features(
    radiographs: pd.DataFrame, boxes: dict[str, Any], store: Path, names: list[str], bar: Bar
) -> Features:
    """Group the radiographs, locate the lungs of the scored ones, and extract their features.

    Parameters
    ----------
    radiographs : DataFrame
        Manifest rows with the scores; NaN of those without.
    boxes : dict
        image_id -> box of annotated lungs.
    store : Path
        Folder of the images.
    names : list of str
        Columns of the scores.
    bar : callable
        Called with (radiographs done, radiographs in all).

    Raises
    ------
    InvalidInputError
        ``TOO_FEW_SCORED``.
    """
    wanted = radiographs[radiographs[names[0]].notna() | radiographs["image_id"].isin(list(boxes))]
    network = RadiographNetwork()
    located: dict[str, NDArray[np.float32]] = {}
    thumbs: dict[str, NDArray[np.uint8]] = {}
    notes: list[str] = []
    scored = set(radiographs.loc[radiographs[names[0]].notna(), "image_id"])
    total = len(wanted) + len(scored)
    for done, row in enumerate(_records(wanted), 1):
        bar(done, total)
        image = str(row["image_id"])
        try:
            picture = picture_of(load_image(store, row))
        except CovidxError as error:
            notes.append(f"a radiograph was left out: {error.code}")
            continue
        thumbs[image] = thumbnail(picture)
        if image in boxes:
            located[image] = network.place(picture)
    usable = wanted[wanted["image_id"].isin(list(thumbs))].reset_index(drop=True)
    grouped = group_images(usable, find_duplicates(thumbs))
    rows = grouped[grouped["image_id"].isin(scored)].sort_values("image_id", ignore_index=True)
    if rows["group_id"].nunique() < MIN_PATIENTS:
        raise InvalidInputError(
            "TOO_FEW_SCORED",
            "There are too few patients with scores.",
            expected=f"at least {MIN_PATIENTS}",
            actual=int(rows["group_id"].nunique()),
            hint="Add patients whose radiographs have readers' scores.",
        )
    others = grouped.loc[~grouped["group_id"].isin(rows["group_id"]), "image_id"]
    annotated = [image for image in sorted(others) if image in boxes]
    finder = None
    if len(annotated) >= MIN_RADIOGRAPHS:
        pictures = np.stack([located[image] for image in annotated])
        finder = fit_finder(pictures, [boxes[image] for image in annotated])
    else:
        notes.append(
            f"the whole radiograph is looked at: lungs are annotated on {len(annotated)} of "
            f"patients without scores, and locating them takes {MIN_RADIOGRAPHS}"
        )
    views: dict[str, list[NDArray[np.float32]]] = {}
    doubts = 0
    for done, row in enumerate(_records(rows), len(wanted) + 1):
        bar(done, total)
        features, _, doubt = image_features(network, finder, picture_of(load_image(store, row)))
        doubts += doubt is not None
        for view, values in features.items():
            views.setdefault(view, []).append(values)
    if doubts:
        notes.append(f"the lungs' box is doubtful on {doubts} scored radiographs")
    return Features(rows, {view: np.stack(v) for view, v in views.items()}, finder, notes)


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]

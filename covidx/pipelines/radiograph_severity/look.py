"""Scored films as numbers: grouped, their lungs found by other patients' drawn lungs, seen."""

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
from covidx.radiograph_severity.predict import see

__all__ = ["MIN_PATIENTS", "Seen", "look"]

MIN_PATIENTS = 10
"""Scored patients below which nothing can be chosen on inner folds."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Scored films as numbers.

    `rows` are manifest rows with group_id and scores; `views` name -> (rows, features).
    """

    rows: pd.DataFrame
    views: dict[str, NDArray[np.float32]]
    finder: LungFinder | None
    notes: list[str]


def look(
    films: pd.DataFrame, boxes: dict[str, Any], store: Path, names: list[str], bar: Bar
) -> Seen:
    """Group the films, find the lungs of the scored ones by those of other patients, see them.

    Parameters
    ----------
    films : DataFrame
        Manifest rows with the scores; NaN of films without.
    boxes : dict
        image_id -> box of drawn lungs.
    store : Path
    names : list of str
        Columns of the scores.
    bar : callable
        Called with (films done, films in all).

    Raises
    ------
    InvalidInputError
        ``TOO_FEW_SCORED``.
    """
    wanted = films[films[names[0]].notna() | films["image_id"].isin(list(boxes))]
    network = RadiographNetwork()
    whole: dict[str, NDArray[np.float32]] = {}
    thumbs: dict[str, NDArray[np.uint8]] = {}
    notes: list[str] = []
    scored = set(films.loc[films[names[0]].notna(), "image_id"])
    total = len(wanted) + len(scored)
    for done, row in enumerate(_records(wanted), 1):
        bar(done, total)
        image = str(row["image_id"])
        try:
            picture = picture_of(load_image(store, row))
        except CovidxError as error:
            notes.append(f"a film was left out: {error.code}")
            continue
        thumbs[image] = thumbnail(picture)
        if image in boxes:
            whole[image] = network.place(picture)
    usable = wanted[wanted["image_id"].isin(list(thumbs))].reset_index(drop=True)
    grouped = group_images(usable, find_duplicates(thumbs))
    rows = grouped[grouped["image_id"].isin(scored)].sort_values("image_id", ignore_index=True)
    if rows["group_id"].nunique() < MIN_PATIENTS:
        raise InvalidInputError(
            "TOO_FEW_SCORED",
            "There are too few patients with scores.",
            expected=f"at least {MIN_PATIENTS}",
            actual=int(rows["group_id"].nunique()),
        )
    others = grouped.loc[~grouped["group_id"].isin(rows["group_id"]), "image_id"]
    drawn = [image for image in sorted(others) if image in boxes]
    finder = None
    if len(drawn) >= MIN_RADIOGRAPHS:
        finder = fit_finder(np.stack([whole[i] for i in drawn]), [boxes[i] for i in drawn])
    else:
        notes.append(
            f"the whole film is looked at: lungs are drawn on {len(drawn)} films of patients "
            f"without scores, and finding them takes {MIN_RADIOGRAPHS}"
        )
    views: dict[str, list[NDArray[np.float32]]] = {}
    doubts = 0
    for done, row in enumerate(_records(rows), len(wanted) + 1):
        bar(done, total)
        features, _, doubt = see(network, finder, picture_of(load_image(store, row)))
        doubts += doubt is not None
        for view, values in features.items():
            views.setdefault(view, []).append(values)
    if doubts:
        notes.append(f"the lungs' box is doubtful on {doubts} scored films")
    return Seen(rows, {view: np.stack(v) for view, v in views.items()}, finder, notes)


def _records(films: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in films.to_dict("records")]

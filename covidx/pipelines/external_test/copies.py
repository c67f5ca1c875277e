"""Leave out what the model was trained on: copies of its images, and its patients again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.audit.data.finder import search_copies
from covidx.cohort import find_duplicates
from covidx.errors import InvalidInputError
from covidx.imaging import load_thumbnails
from covidx.pipelines.progress import Bars
from covidx.pipelines.source_record import store_of
from covidx.runs import read_record
from covidx.tables import MANIFEST, SPLITS, read_table
from covidx.wording import counted

NO_CROPS = (
    "the run's training images are not below --work: copies were searched by thumbnails alone, "
    "which misses crops"
)


def without_trained(
    rows: pd.DataFrame,
    store: Path,
    pictures: Mapping[str, NDArray[np.uint8]],
    run: Path,
    work: Path,
    bars: Bars,
) -> tuple[pd.DataFrame, list[str]]:
    """The images of a second set that the run was not trained, stopped or thresholded on.

    Parameters
    ----------
    rows : DataFrame
        Manifest rows of the second set.
    store : Path
        Folder that their paths start from.
    pictures : mapping
        image_id -> thumbnail.
    run : Path
        Folder of the run.
    work : Path
        Folder of stores: the run's own is looked for in it.
    bars : callable
        Opens a progress bar by name.

    Raises
    ------
    InvalidInputError
        ``NOTHING_NEW``: no image is left; ``RUN_INCOMPLETE``.
    """
    again, notes = _by_thumbnails(pictures, run), []
    own = store_of(read_record(run), work)
    if own is None:
        notes.append(NO_CROPS)
    else:
        again |= _by_pictures(rows, store, run, own, bars)
    copied = rows["image_id"].isin(again)
    # A copy gives its patient away: all that is of the patient, or of the group, was trained on.
    others = rows["group_id"].isin(rows.loc[copied, "group_id"])
    patients = (rows["patient_id"].isin(trained_patients(run)) | others) & ~copied
    if again:
        notes.append(f"{counted(len(again), 'image')} left out: near-duplicates of training images")
    if patients.any():
        notes.append(f"{counted(int(patients.sum()), 'image')} left out: of training patients")
    kept = rows[~copied & ~patients].reset_index(drop=True)
    if kept.empty:
        raise InvalidInputError(
            "NOTHING_NEW",
            "Every image of this set is one that the model was trained on, a copy of one, or of a "
            "patient that it was trained on.",
            actual=counted(len(rows), "image"),
            hint="Test on images that the run was not trained on.",
        )
    return kept, notes


def _by_thumbnails(pictures: Mapping[str, NDArray[np.uint8]], run: Path) -> set[str]:
    trained = {f"trained {name}": picture for name, picture in load_thumbnails(run).items()}
    found = find_duplicates({**pictures, **trained})
    pairs = [{pair.image_a, pair.image_b} for pair in found]
    return {name for pair in pairs if pair & trained.keys() for name in pair - trained.keys()}


def _by_pictures(rows: pd.DataFrame, store: Path, run: Path, own: Path, bars: Bars) -> set[str]:
    """By the search of ``covidx audit data``, which finds crops."""
    manifest = read_table(run / "manifest.parquet", MANIFEST)
    trained = manifest[manifest["group_id"].isin(_developed(run)["group_id"])]
    files = [store / path for path in rows["path"]] + [own / path for path in trained["path"]]
    units = [f"new {one}" for one in rows["group_id"]] + trained["group_id"].tolist()
    with bars("copies") as bar:
        _, copies = search_copies(files, units, bar)
    new = len(rows)
    places = {copy.first for copy in copies if copy.first < new <= copy.second}
    return {str(rows["image_id"].iloc[place]) for place in places}


def trained_patients(run: Path) -> set[str]:
    """Pseudonyms of the patients that a model was developed on; other ids may be anyone's.

    Parameters
    ----------
    run : Path
        Folder of the run.
    """
    patients = _developed(run)["patient_id"].astype(str)
    return set(patients[patients.str.startswith("P-")])


def _developed(run: Path) -> pd.DataFrame:
    """Groups and patients of a run's split that are not of its test."""
    splits = read_table(run / "splits.parquet", SPLITS)
    return splits[splits["role"] != "test"]

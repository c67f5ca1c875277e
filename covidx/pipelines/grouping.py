"""Which prepared images belong together, before any split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.cohort import find_duplicates, group_images
from covidx.errors import InvalidInputError
from covidx.wording import counted


def group_prepared(
    manifest: pd.DataFrame,
    pictures: Mapping[str, NDArray[np.uint8]],
    refused: Mapping[str, Sequence[str]],
    store: Path,
) -> pd.DataFrame:
    """The images that could be prepared, grouped by patient, source and near-duplicates.

    Parameters
    ----------
    manifest : DataFrame
        As `tables.MANIFEST`.
    pictures : mapping of ndarray
        image_id -> thumbnail of each image that could be prepared.
    refused : mapping
        image_id -> code and reason of the others.
    store : Path
        Where the images lie, for the error.

    Raises
    ------
    InvalidInputError
        ``NOTHING_USABLE``, with how often each reason came up.
    """
    usable = manifest[manifest["image_id"].isin(list(pictures))].reset_index(drop=True)
    if usable.empty:
        reasons = pd.Series([code for code, _ in refused.values()]).value_counts()
        raise InvalidInputError(
            "NOTHING_USABLE",
            "None of the images can be used for training.",
            path=store,
            expected="CT volumes that show the lungs, single slices or radiographs",
            actual=", ".join(f"{code}: {counted(n, 'image')}" for code, n in reasons.items()),
            hint=(
                "Add images that show the lungs, or name another folder with --data "
                "(make: DATA=folder)."
            ),
        )
    return group_images(usable, find_duplicates({n: pictures[n] for n in usable["image_id"]}))

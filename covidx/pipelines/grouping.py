"""Which prepared images belong together, before any split."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from covidx.cohort import find_duplicates, group_images
from covidx.errors import InvalidInputError
from covidx.imaging import BagCache, thumbnails

__all__ = ["group_prepared"]


def group_prepared(manifest: pd.DataFrame, cache: BagCache, store: Path) -> pd.DataFrame:
    """The images that could be prepared, grouped by patient, source and near-duplicates.

    Raises
    ------
    InvalidInputError
        ``NOTHING_USABLE``, with how often each reason came up.
    """
    usable = manifest[manifest["image_id"].isin(list(cache.index))]
    if usable.empty:
        reasons = pd.Series([code for code, _ in cache.refused.values()]).value_counts()
        raise InvalidInputError(
            "NOTHING_USABLE",
            "None of the labelled images can be classified.",
            path=store,
            expected="CT volumes that show the lungs, single slices or radiographs",
            actual=", ".join(f"{code}: {n} images" for code, n in reasons.items()),
        )
    pairs = find_duplicates(thumbnails(cache, usable["image_id"]))
    return group_images(usable.reset_index(drop=True), pairs)

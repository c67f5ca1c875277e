"""Which prepared images belong together, before any split."""

from __future__ import annotations

import pandas as pd

from covidx.cohort import find_duplicates, group_images, thumbnail
from covidx.errors import InvalidInputError
from covidx.imaging import BagCache
from covidx.pipelines.sources import Cohort

__all__ = ["group_prepared"]


def group_prepared(cohort: Cohort, cache: BagCache) -> pd.DataFrame:
    """The images that could be prepared, grouped by patient, source and near-duplicates.

    Raises
    ------
    InvalidInputError
        ``NOTHING_USABLE``, with how often each reason came up.
    """
    usable = cohort.manifest[cohort.manifest["image_id"].isin(list(cache.index))]
    if usable.empty:
        reasons = pd.Series([code for code, _ in cache.refused.values()]).value_counts()
        raise InvalidInputError(
            "NOTHING_USABLE",
            "None of the labelled images can be classified.",
            path=cohort.store,
            expected="CT volumes that show the lungs, or single slices",
            actual=", ".join(f"{code}: {n} images" for code, n in reasons.items()),
        )
    pixels = cache.pixels
    thumbnails = {}
    for image_id in usable["image_id"]:
        slices = cache.bag(image_id, pixels).pixels
        thumbnails[image_id] = thumbnail(slices[len(slices) // 2])
    return group_images(usable.reset_index(drop=True), find_duplicates(thumbnails))

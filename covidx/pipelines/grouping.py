"""Which prepared images belong together, before any split; and what a model has seen."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.cohort import find_duplicates, group_images, thumbnail
from covidx.errors import InvalidInputError
from covidx.files import replacing
from covidx.imaging import BagCache

__all__ = ["group_prepared", "load_thumbnails", "save_thumbnails", "thumbnails"]

THUMBNAILS = "thumbnails.npz"


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


def thumbnails(cache: BagCache, image_ids: Iterable[str]) -> dict[str, NDArray[np.uint8]]:
    """The thumbnail of each image's middle slice."""
    pixels = cache.pixels
    found = {}
    for image_id in image_ids:
        slices = cache.bag(image_id, pixels).pixels
        found[image_id] = thumbnail(slices[len(slices) // 2])
    return found


def save_thumbnails(run: Path, cache: BagCache, image_ids: Iterable[str]) -> None:
    """Keep in a run what its model has seen, so that a later test can leave it out."""
    with replacing(run / THUMBNAILS) as temporary, temporary.open("wb") as stream:
        arrays: dict[str, NDArray[np.uint8]] = thumbnails(cache, image_ids)
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def load_thumbnails(run: Path) -> dict[str, NDArray[np.uint8]]:
    """What `save_thumbnails` kept.

    Raises
    ------
    InvalidInputError
        ``RUN_INCOMPLETE``.
    """
    path = run / THUMBNAILS
    if not path.is_file():
        raise InvalidInputError(
            "RUN_INCOMPLETE",
            "The run does not say what its model has seen, so that no duplicate could be told.",
            path=path,
            hint="Train it again with this version.",
        )
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}

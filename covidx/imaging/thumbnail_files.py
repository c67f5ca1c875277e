"""Thumbnails of prepared images: what a model has seen, kept with its run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from covidx.cohort import thumbnail
from covidx.errors import InvalidInputError
from covidx.files import replacing
from covidx.imaging.cache import BagCache

__all__ = ["load_thumbnails", "save_thumbnails", "thumbnails"]

THUMBNAILS = "thumbnails.npz"


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

"""Thumbnails of prepared images: those of a model's training, kept with its run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from covidx.cohort import thumbnail
from covidx.errors import InvalidInputError
from covidx.files import replacing
from covidx.imaging.cache import BagCache

THUMBNAILS = "thumbnails.npz"


def thumbnails(cache: BagCache, image_ids: Iterable[str]) -> dict[str, NDArray[np.uint8]]:
    """Make a thumbnail of the middle slice of each of `image_ids` in `cache`."""
    pixels = cache.pixels
    result = {}
    for image_id in image_ids:
        slices = cache.bag(image_id, pixels).pixels
        result[image_id] = thumbnail(slices[len(slices) // 2])
    return result


def save_thumbnails(run: Path, cache: BagCache, image_ids: Iterable[str]) -> None:
    """Keep thumbnails of the images that a model was developed on, so that a test can exclude them.

    Parameters
    ----------
    run : Path
        Folder of the run.
    cache : BagCache
        The prepared images.
    image_ids : iterable of str
        Those that the model was developed on.
    """
    with replacing(run / THUMBNAILS) as temporary, temporary.open("wb") as stream:
        arrays: dict[str, NDArray[np.uint8]] = thumbnails(cache, image_ids)
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def load_thumbnails(run: Path) -> dict[str, NDArray[np.uint8]]:
    """Read what `save_thumbnails` kept in the folder `run`.

    Returns
    -------
    dict of str to ndarray of uint8, shape (64, 64)
        By image_id.

    Raises
    ------
    InvalidInputError
        ``RUN_INCOMPLETE``.
    """
    path = run / THUMBNAILS
    if not path.is_file():
        raise InvalidInputError(
            "RUN_INCOMPLETE",
            "The run holds no thumbnails of its training images: duplicates cannot be found.",
            path=path,
            hint="Train it again with this version.",
        )
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}

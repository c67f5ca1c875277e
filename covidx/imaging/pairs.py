"""Images with their true labels on the working grid, prepared once on disk and memory-mapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.errors import InvalidInputError, InvalidSeriesError
from covidx.files import replacing, sha256_file, sha256_json
from covidx.imaging.cache import write_once
from covidx.imaging.frames import RadiographFraming, VolumeFraming, make_frame
from covidx.volume import Volume

__all__ = ["Groups", "PairCache", "build_pairs"]

Groups = dict[str, list[str]]
"""Label map -> its classes, that of nothing first: lungs -> none, right-lung, left-lung."""
Load = Callable[[Mapping[Any, Any]], Volume]
"""A row of the manifest -> its image."""
Truth = Callable[[str, Volume], Mapping[str, NDArray[Any]]]
"""image_id and its volume in reading order -> each label map on its grid."""


@dataclass(frozen=True, eq=False)
class PairCache:
    """Images and labels on disk.

    Parameters
    ----------
    folder : Path
        That holds the arrays.
    index : dict
        image_id -> of each label map in order, the working slices that show any of its classes.
    refused : dict
        image_id -> code and reason of what could not be prepared.
    """

    folder: Path
    index: dict[str, list[list[int]]]
    refused: dict[str, list[str]]

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """Bytes of the image `image_id`, (slices, rows, columns), memory-mapped."""
        return self._load(image_id)

    def labels(self, image_id: str) -> NDArray[np.uint8]:
        """Class numbers of `image_id`, (label maps, slices, rows, columns), memory-mapped."""
        return self._load(f"{image_id}-labels")

    def _load(self, name: str) -> NDArray[np.uint8]:
        mapped: NDArray[np.uint8] = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return mapped


def build_pairs(
    manifest: pd.DataFrame,
    masks: pd.DataFrame,
    read: tuple[Load, Truth],
    layout: tuple[VolumeFraming | RadiographFraming, int, Groups],
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> PairCache:
    """Prepare every image with its labels once; a cache of the same ones is reused.

    An image that cannot be prepared, or whose mask does not fit, is refused on its own and listed.

    Parameters
    ----------
    manifest, masks : DataFrame
        As `tables.MANIFEST` and `tables.MASKS`.
    read : (callable, callable)
        Read an image, and its true labels.
    layout : (framing, int, Groups)
        Working grid, dimensions of the network, label maps with their classes.
    folder : Path
        Parent of the caches.
    progress : callable, optional
        Called with (done, total).
    """
    framing, dimensions, groups = layout
    rows = manifest.sort_values("image_id", ignore_index=True)
    key = {
        "framing": framing.model_dump(),
        "dimensions": dimensions,
        "groups": groups,
        "by": [sha256_file(Path(__file__).with_name(n)) for n in ("frames.py", "pairs.py")],
        "images": rows[["image_id", "sha256"]].values.tolist(),
        "masks": sorted(masks[["image_id", "kind", "sha256"]].values.tolist()),
    }

    def write(place: Path) -> tuple[dict[str, Any], dict[str, list[str]]]:
        index: dict[str, Any] = {}
        refused: dict[str, list[str]] = {}
        for done, row in enumerate(rows.to_dict("records"), 1):
            image_id = str(row["image_id"])
            try:
                index[image_id] = _write_one(place, row, read, layout)
            except (InvalidInputError, InvalidSeriesError) as error:
                refused[image_id] = [error.code, error.reason]
            if progress is not None:
                progress(done, len(rows))
        return index, refused

    return PairCache(*write_once(folder / f"pairs-{sha256_json(key)[:16]}", write))


def _write_one(
    place: Path,
    row: dict[Any, Any],
    read: tuple[Load, Truth],
    layout: tuple[VolumeFraming | RadiographFraming, int, Groups],
) -> list[list[int]]:
    framing, dimensions, groups = layout
    image_id = str(row["image_id"])
    load, truth = read
    frame = make_frame(load(row), framing, dimensions)
    maps = truth(image_id, frame.volume)
    labels = np.stack([frame.labels(maps[name], len(names)) for name, names in groups.items()])
    for name, array in ((image_id, frame.image(0, len(frame))), (f"{image_id}-labels", labels)):
        with replacing(place / f"{name}.npy") as temporary, temporary.open("wb") as stream:
            np.save(stream, array)
    return [np.flatnonzero(label.any(axis=(1, 2))).tolist() for label in labels]

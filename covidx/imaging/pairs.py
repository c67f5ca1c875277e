"""Images with their true labels on the working grid, laid out once on disk and memory-mapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.errors import InvalidInputError, InvalidSeriesError
from covidx.files import (
    locked,
    make_folder,
    read_json,
    replacing,
    sha256_file,
    sha256_json,
    write_json,
)
from covidx.imaging.frames import RadiographFraming, VolumeFraming, make_frame
from covidx.volume import Volume

__all__ = ["Groups", "PairCache", "build_pairs"]

Groups = dict[str, list[str]]
"""Question -> its classes, that of nothing first: lungs -> none, right-lung, left-lung."""
Load = Callable[[Mapping[Any, Any]], Volume]
"""A row of the manifest -> its image."""
Truth = Callable[[str, Volume], Mapping[str, NDArray[Any]]]
"""image_id and its volume in reading order -> labels of each question on its grid."""


@dataclass(frozen=True, eq=False)
class PairCache:
    """Images and labels on disk.

    Parameters
    ----------
    folder : Path
    index : dict
        image_id -> of each question in order, the working slices that show any of its classes.
    refused : dict
        image_id -> code and reason of what could not be prepared.
    """

    folder: Path
    index: dict[str, list[list[int]]]
    refused: dict[str, list[str]]

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """Bytes of shape (slices, rows, columns), memory-mapped."""
        found: NDArray[np.uint8] = np.load(self.folder / f"{image_id}.npy", mmap_mode="r")
        return found

    def labels(self, image_id: str) -> NDArray[np.uint8]:
        """Class numbers of shape (questions, slices, rows, columns), memory-mapped."""
        found: NDArray[np.uint8] = np.load(self.folder / f"{image_id}-labels.npy", mmap_mode="r")
        return found


def build_pairs(
    manifest: pd.DataFrame,
    masks: pd.DataFrame,
    read: tuple[Load, Truth],
    layout: tuple[VolumeFraming | RadiographFraming, int, Groups],
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> PairCache:
    """Prepare every image with its labels once; a cache of the same ones is reused.

    An image that cannot be prepared, or whose mask does not fit, is refused by itself and listed.

    Parameters
    ----------
    manifest, masks : DataFrame
        As `tables.MANIFEST` and `tables.MASKS`.
    read : (callable, callable)
        Read an image, and its true labels.
    layout : (framing, int, Groups)
        Working grid, dimensions of the network, questions with their classes.
    folder : Path
        Parent of the caches.
    progress : callable, optional
        Called with (done, total).
    """
    how, dimensions, groups = layout
    rows = manifest.sort_values("image_id", ignore_index=True)
    asked = {
        "how": how.model_dump(),
        "dimensions": dimensions,
        "groups": groups,
        "by": [sha256_file(Path(__file__).with_name(n)) for n in ("frames.py", "pairs.py")],
        "images": rows[["image_id", "sha256"]].values.tolist(),
        "masks": sorted(masks[["image_id", "kind", "sha256"]].values.tolist()),
    }
    place = folder / f"pairs-{sha256_json(asked)[:16]}"
    with locked(place):
        if not (place / "index.json").exists():
            make_folder(place)
            index: dict[str, list[list[int]]] = {}
            refused: dict[str, list[str]] = {}
            for done, row in enumerate(rows.to_dict("records"), 1):
                image_id = str(row["image_id"])
                try:
                    index[image_id] = _write_one(place, row, read, layout)
                except (InvalidInputError, InvalidSeriesError) as error:
                    refused[image_id] = [error.code, error.reason]
                if progress is not None:
                    progress(done, len(rows))
            write_json(place / "index.json", {"index": index, "refused": refused})
    found = read_json(place / "index.json")
    return PairCache(place, found["index"], found["refused"])


def _write_one(
    place: Path,
    row: dict[Any, Any],
    read: tuple[Load, Truth],
    layout: tuple[VolumeFraming | RadiographFraming, int, Groups],
) -> list[list[int]]:
    how, dimensions, groups = layout
    image_id = str(row["image_id"])
    load, truth = read
    frame = make_frame(load(row), how, dimensions)
    given = truth(image_id, frame.volume)
    labels = np.stack([frame.labels(given[name], len(names)) for name, names in groups.items()])
    for name, array in ((image_id, frame.image(0, len(frame))), (f"{image_id}-labels", labels)):
        with replacing(place / f"{name}.npy") as temporary, temporary.open("wb") as stream:
            np.save(stream, array)
    return [np.flatnonzero(one.any(axis=(1, 2))).tolist() for one in labels]

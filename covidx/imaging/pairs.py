"""Images with their true labels on the working grid, prepared once on disk and memory-mapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.errors import InvalidInputError, InvalidSeriesError
from covidx.files import replacing, sha256_file, sha256_json
from covidx.imaging.cache import write_once
from covidx.imaging.frames import Frame, RadiographFraming, VolumeFraming, make_frame
from covidx.volume import Volume

Groups = dict[str, list[str]]
"""Label map -> its classes, that of nothing first: lungs -> none, right-lung, left-lung."""


class MaskedImages(Protocol):
    """Images with their true masks."""

    @property
    def manifest(self) -> pd.DataFrame:
        """As `tables.MANIFEST`."""

    @property
    def masks(self) -> pd.DataFrame:
        """As `tables.MASKS`."""

    @property
    def groups(self) -> Groups:
        """Kinds of masks and their classes."""

    @property
    def reading(self) -> Mapping[str, Any]:
        """All that shapes what `load` and `mask_labels` give, besides the files."""

    def load(self, row: Mapping[Any, Any]) -> Volume:
        """The image of a manifest `row`, in any orientation; a CT in HU.

        Raises
        ------
        StoreError, InvalidSeriesError, InvalidInputError
            It is missing, changed, or of another form.
        """

    def mask_labels(self, image_id: str, volume: Volume) -> Mapping[str, NDArray[Any]]:
        """Class numbers of the masks of the image `image_id`, on the grid of `volume`.

        `volume` is in reading order (``canonical()``). Kind of mask -> integers of its shape
        (slices, rows, columns), each the place of a class in `groups`.

        Raises
        ------
        InvalidInputError
            A mask does not fit the image.
        """


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
    images: MaskedImages,
    framing: VolumeFraming | RadiographFraming,
    dimensions: int,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> PairCache:
    """Prepare every image with its labels once; a cache of the same ones is reused.

    An image that cannot be prepared, or whose mask does not fit, is refused on its own and listed.

    Parameters
    ----------
    images : MaskedImages
        Gives the images, their masks, and what identifies a cache of them.
    framing : VolumeFraming or RadiographFraming
        The working grid.
    dimensions : int
        Of the network: 2 or 3.
    folder : Path
        Parent of the caches.
    progress : callable, optional
        Called with (done, total).
    """
    rows = images.manifest.sort_values("image_id", ignore_index=True)
    key = {
        "framing": framing.model_dump(),
        "dimensions": dimensions,
        "groups": images.groups,
        "reading": images.reading,
        "code": [sha256_file(Path(__file__).with_name(n)) for n in ("frames.py", "pairs.py")],
        "images": rows[["image_id", "sha256"]].values.tolist(),
        "masks": sorted(images.masks[["image_id", "kind", "sha256"]].values.tolist()),
    }

    def write(place: Path) -> tuple[dict[str, Any], dict[str, list[str]]]:
        index: dict[str, Any] = {}
        refused: dict[str, list[str]] = {}
        for done, row in enumerate(rows.to_dict("records"), 1):
            image_id = str(row["image_id"])
            try:
                frame = make_frame(images.load(row), framing, dimensions)
                index[image_id] = _write_one(place, image_id, frame, images)
            except (InvalidInputError, InvalidSeriesError) as error:
                refused[image_id] = [error.code, error.reason]
            if progress is not None:
                progress(done, len(rows))
        return index, refused

    return PairCache(*write_once(folder / f"pairs-{sha256_json(key)[:16]}", write))


def _write_one(place: Path, image_id: str, frame: Frame, images: MaskedImages) -> list[list[int]]:
    masks = images.mask_labels(image_id, frame.volume)
    groups = images.groups.items()
    labels = np.stack([frame.labels(masks[kind], len(names)) for kind, names in groups])
    for name, array in ((image_id, frame.image(0, len(frame))), (f"{image_id}-labels", labels)):
        with replacing(place / f"{name}.npy") as temporary, temporary.open("wb") as stream:
            np.save(stream, array)
    return [np.flatnonzero(kind.any(axis=(1, 2))).tolist() for kind in labels]

"""Where the lungs of an image are: one masker for all images, whatever their class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from covidx.constants import MIN_LUNG_ML
from covidx.errors import InvalidInputError
from covidx.files import sha256_file
from covidx.inference.segmenter import Segmenter
from covidx.ingest.nifti import read_nifti
from covidx.segmentation import on_grid, radiograph_flags, segment_lungs, segment_slice_lungs
from covidx.tables import MASKS, read_table
from covidx.volume import Volume

LUNG = "lung"
"""Kind of mask, and question of a segmenter, that says where the lungs are."""
Masker = Callable[[Mapping[str, Any], Volume], NDArray[np.bool_]]
"""(manifest row, canonical volume) -> lungs, on the volume's grid; InvalidInputError if none."""


def make_masker(kind: str, masks: Path | None, segmenter: Path | None) -> tuple[Masker | None, str]:
    """The masker for all images, and what it is.

    Parameters
    ----------
    kind : str
        What the bundle takes: ``volume``, ``slice`` or ``radiograph``.
    masks : Path, optional
        ``masks.parquet``; paths start from its folder.
    segmenter : Path, optional
        A segmentation bundle.

    Returns
    -------
    masker : callable, optional
        None where nothing can find the lungs: for radiographs, without masks and segmenter.
    name : str

    Raises
    ------
    InvalidInputError
        ``TWO_MASKERS``, ``NO_LUNG_MASKS``, ``SEGMENTER_WITHOUT_LUNGS``.
    BundleError, InvalidTableError
        What cannot be read.
    """
    if masks is not None and segmenter is not None:
        raise InvalidInputError(
            "TWO_MASKERS",
            "Masks and a segmenter were both named, and only one can be used.",
            expected="masks or a segmenter",
            actual="both",
            hint="Leave out --masks or --segmenter.",
        )
    if masks is not None:
        return _checked(_from_table(masks), kind), "masks in the table that was named"
    if segmenter is not None:
        find, name = _network(segmenter)
        return _checked(find, kind), name
    if kind == "volume":
        return _checked(_by_threshold, kind), "threshold on HU"
    if kind == "slice":
        return _checked(_by_greys, kind), "what is dark inside of the body, by Otsu's threshold"
    return None, "none"


def _by_threshold(_: Mapping[str, Any], volume: Volume) -> NDArray[np.bool_]:
    return segment_lungs(volume, sides=False) > 0


def _by_greys(row: Mapping[str, Any], volume: Volume) -> NDArray[np.bool_]:
    """Of several slices a bundle for single ones takes those with lung, by HU (`prepare`)."""
    if len(volume.array) > 1:
        return _by_threshold(row, volume)
    return segment_slice_lungs(volume.array[0])[None]


def _from_table(table: Path) -> Masker:
    rows = read_table(table, MASKS)
    of_lungs = rows[rows["kind"] == LUNG].drop_duplicates("image_id").set_index("image_id")
    if of_lungs.empty:
        raise InvalidInputError(
            "NO_LUNG_MASKS",
            "The table holds no masks of lungs.",
            path=table,
            expected=f"rows of kind {LUNG}",
            actual=", ".join(sorted(set(rows["kind"]))) or "no rows",
            hint="Make them with covidx segment.",
        )
    digests, paths = of_lungs["sha256"].to_dict(), of_lungs["path"].to_dict()

    def find(row: Mapping[str, Any], volume: Volume) -> NDArray[np.bool_]:
        name = row["image_id"]
        path = table.parent / paths.get(name, "")
        if name not in paths or not path.is_file():
            raise InvalidInputError("NO_MASK", "There is no mask of this image.")
        if sha256_file(path) != digests[name]:
            raise InvalidInputError("MASK_CHANGED", "The mask is not what its table says.")
        return _on_image(_read(path), volume)

    return find


def _read(path: Path) -> Volume:
    if path.suffix == ".png":
        with Image.open(path, formats=["PNG"]) as picture:
            return Volume(np.array(picture.convert("L"))[None], "OT", "unproven", "none")
    return read_nifti(path)[0]


def _on_image(mask: Volume, volume: Volume) -> NDArray[np.bool_]:
    """On the grid of a canonical volume; of an image that lies nowhere, pixel upon pixel."""
    if volume.geometry == "proven":
        return on_grid(mask, volume, LUNG) > 0
    if mask.array.shape != volume.array.shape:
        raise InvalidInputError(
            "MASK_SHAPE",
            "The mask does not lie on the pixels of its image.",
            expected=volume.array.shape,
            actual=mask.array.shape,
            hint="Make the mask on the image itself, or resample it to the size of the image.",
        )
    return mask.array > 0


def _network(folder: Path) -> tuple[Masker, str]:
    segmenter = Segmenter.load(folder)
    if LUNG not in segmenter.bundle.groups:
        raise InvalidInputError(
            "SEGMENTER_WITHOUT_LUNGS",
            "This segmenter does not segment lungs.",
            path=folder,
            expected=LUNG,
            actual=", ".join(segmenter.bundle.groups),
            hint="Name a segmenter that was trained on lung masks, or give --masks.",
        )
    name = f"segmenter {segmenter.bundle.sha256[:12]}, trained on "
    return lambda _, volume: segmenter.segment(volume)[LUNG] > 0, name + (
        segmenter.bundle.trained_on.dataset
    )


def _checked(find: Masker, kind: str) -> Masker:
    """The same, refusing what does not look like lungs."""

    def checked(row: Mapping[str, Any], volume: Volume) -> NDArray[np.bool_]:
        lungs = find(row, volume)
        doubts = [] if lungs.any() else ["it is empty"]
        if kind == "radiograph" and lungs.any():
            doubts = radiograph_flags(lungs[0])
        if kind == "volume" and np.count_nonzero(lungs) * (volume.voxel_ml or 0) < MIN_LUNG_ML:
            doubts = [f"less than {MIN_LUNG_ML:.0f} ml"]
        if doubts:
            raise InvalidInputError(
                "LUNGS_DOUBTFUL",
                f"This does not look like a mask of lungs: {doubts[0]}.",
                hint="Correct the mask, or leave this image out.",
            )
        return lungs

    return checked

"""True masks of images: the phantom's, or those of a data set whose card says where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from covidx.cards import MaskFiles, MaskSet
from covidx.errors import InvalidInputError
from covidx.files import sha256_file
from covidx.imaging.pairs import Groups
from covidx.ingest import nifti
from covidx.ingest.nifti import read_nifti
from covidx.pipelines.source import Source
from covidx.segmentation import check_values, grid, on_grid
from covidx.tables import MASKS, empty
from covidx.volume import Volume
from covidx.wording import counted

MASK_SUFFIXES = (".nii.gz", ".png")
"""Of volumes, and of radiographs."""
PHANTOM_MASKS = MaskSet(
    files=[
        MaskFiles(
            kind="lung",
            path="masks/{patient}_lung.nii.gz",
            values={1: "right-lung", 2: "left-lung"},
        ),
        MaskFiles(
            kind="opacity",
            path="masks/{patient}_lesion.nii.gz",
            values={1: "ground-glass", 2: "consolidation", 3: "none"},  # 3: effusion
        ),
    ]
)
SUFFIXES = (".gz", ".nii", ".png", ".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class TrueMasks:
    """Where the true masks of a data set lie, and how they are read.

    Parameters
    ----------
    root : Path
        Where their paths start.
    described : MaskSet
        Their kinds, files and values.
    names : mapping
        image_id -> the source file of the image.
    """

    root: Path
    described: MaskSet
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Source) -> tuple[TrueMasks, Path]:
        """The masks of a `source`, and the folder of its images.

        Raises
        ------
        InvalidInputError
            ``MASKS_UNDESCRIBED``: no card says where masks lie.
        """
        if source.store is not None:
            return cls(source.images.parent, PHANTOM_MASKS), source.images
        if source.card is None or source.card.masks is None:
            raise InvalidInputError(
                "MASKS_UNDESCRIBED",
                "No data card describes the masks of these images.",
                path=source.data,
                expected="a data card with a section masks",
                hint="Name it with --card (make: CARD=covid-19-ct-seg, or the path of your own).",
            )
        described = source.card.masks
        return cls(source.images, described), source.images / described.images

    @property
    def groups(self) -> Groups:
        """Kinds of masks and their classes."""
        return {files.kind: files.classes for files in self.described.files}

    @property
    def reading(self) -> dict[str, Any]:
        """All that shapes what is read, besides the files: the card's words, and the code."""
        code = [sha256_file(Path(path)) for path in (__file__, grid.__file__, nifti.__file__)]
        stems = {image_id: self.stem(image_id) for image_id in sorted(self.names)}
        windowed = stems if self.described.windowed else {}
        return {"masks": self.described.model_dump(), "code": code, "windowed": windowed}

    def stem(self, image_id: str) -> str:
        """The name of the source file of the image `image_id`, without suffixes."""
        name = Path(self.names.get(image_id, "")).name
        for suffix in SUFFIXES:
            name = name.removesuffix(suffix)
        return name

    def _window(self, image_id: str) -> tuple[float, float] | None:
        """The window that made greys of an image's HU, where the card knows one."""
        stem = self.stem(image_id)
        windows = self.described.windowed.items()
        return next((window for pattern, window in windows if fnmatch(stem, pattern)), None)

    def in_hu(self, volume: Volume, image_id: str) -> Volume:
        """The `volume` of `image_id`; greys that the card knows the window of, as float32 HU.

        Raises
        ------
        InvalidInputError
            ``GREYS_RANGE``: the card knows a window, but values lie outside of 0 to 255.
        """
        window = self._window(image_id)
        return volume if window is None else _in_hu(volume, *window)

    def corrected(self, manifest: pd.DataFrame) -> pd.DataFrame:
        """The `manifest`, with modality and units of what `in_hu` changes."""
        if not self.described.windowed:
            return manifest
        changed = manifest.copy()
        windowed = [self._window(image_id) is not None for image_id in manifest["image_id"]]
        changed.loc[windowed, ["modality", "units"]] = ["CT", "hu"]
        return changed

    def find(self, manifest: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """The masks of the images that have them all, and a line for each reason to leave one out.

        Parameters
        ----------
        manifest : DataFrame
            As `tables.MANIFEST`.

        Returns
        -------
        masks : DataFrame
            As `tables.MASKS`.
        notes : list of str
        """
        rows: list[dict[str, str]] = []
        missing = empty = 0
        for image_id, patient in zip(manifest["image_id"], manifest["patient_id"], strict=True):
            paths = [(f, self._path(f, image_id, patient)) for f in self.described.files]
            if not all(path.is_file() for _, path in paths):
                missing += 1
            elif any(f.empty == "unlabelled" and not _raw(path).any() for f, path in paths):
                empty += 1
            else:
                rows += [
                    {
                        "image_id": image_id,
                        "kind": files.kind,
                        "path": path.relative_to(self.root).as_posix(),
                        "maker": "truth",
                        "sha256": sha256_file(path),
                    }
                    for files, path in paths
                ]
        notes = [
            f"{counted(count, 'image')} left out: {why}"
            for count, why in ((missing, "without a mask"), (empty, "their masks are empty"))
            if count
        ]
        return pd.DataFrame(rows, columns=list(MASKS.columns)), notes

    def _path(self, files: MaskFiles, image_id: str, patient: str) -> Path:
        stem = self.stem(image_id)
        for old, new in self.described.rename.items():
            stem = stem.replace(old, new)
        path = self.root / files.path.format(stem=stem, patient=patient)
        plain = path.with_name(path.name.removesuffix(".gz"))
        return path if path.is_file() or not plain.is_file() else plain

    def labels(self, masks: pd.DataFrame, volume: Volume) -> dict[str, NDArray[Any]]:
        """True class numbers of each kind of mask.

        Parameters
        ----------
        masks : DataFrame
            Rows of one image, as `tables.MASKS`.
        volume : Volume
            The image, in reading order.

        Returns
        -------
        dict of ndarray, shape (slices, rows, columns)

        Raises
        ------
        InvalidInputError
            ``MASK_SHAPE``, ``MASK_VALUES``, ``MASK_SIDES``, or as `on_grid`.
        """
        paths = masks.set_index("kind")["path"]
        return {
            files.kind: _classes(_values(self.root / paths[files.kind], volume, files.kind), files)
            for files in self.described.files
        }


def _raw(path: Path) -> NDArray[Any]:
    if path.suffix == ".png":
        return np.asarray(Image.open(path, formats=["PNG"]))[None]
    return read_nifti(path)[0].array


def _values(path: Path, volume: Volume, kind: str) -> NDArray[Any]:
    """A mask's values, on the grid of its image."""
    if path.suffix != ".png":
        return on_grid(read_nifti(path)[0], volume, kind)
    values = _raw(path)
    if values.shape != volume.array.shape:
        raise InvalidInputError(
            "MASK_SHAPE",
            f"The mask of the {kind} does not lie on the pixels of its image.",
            expected=volume.array.shape,
            actual=values.shape,
            hint="Make the mask on the image itself, or resample it to the size of the image.",
        )
    return values


def _classes(values: NDArray[Any], files: MaskFiles) -> NDArray[np.uint8]:
    if files.sides_by_place:
        return _by_place(values, files.sides_by_place)
    allowed = (0, *files.values)
    check_values(values, allowed, files.kind, f"0 or {', '.join(map(str, files.values))}")
    numbers = np.zeros(values.shape, np.uint8)
    for value, name in files.values.items():
        numbers[values == value] = files.classes.index(name)
    return numbers


def _by_place(values: NDArray[Any], sides: tuple[int, int]) -> NDArray[np.uint8]:
    """1 right, 2 left lung: columns run to the patient's left, so the right one comes first."""
    check_values(values, (0, *sides), "lung", f"0, {sides[0]} or {sides[1]}")
    middles = [np.nonzero((values == side).any(axis=(0, 1)))[0] for side in sides]
    if not all(len(columns) for columns in middles):
        raise InvalidInputError(
            "MASK_SIDES",
            "The mask shows one lung alone, so its side cannot be determined.",
            expected=f"both {sides[0]} and {sides[1]}",
            hint="Complete the mask, or leave this image out.",
        )
    right, left = sides if middles[0].mean() < middles[1].mean() else sides[::-1]
    return np.where(values == right, 1, np.where(values == left, 2, 0)).astype(np.uint8)


def _in_hu(volume: Volume, low: float, high: float) -> Volume:
    """Greys 0..255 as the HU that a window from `low` to `high` made of them."""
    greys = volume.array
    if greys.min() < 0 or greys.max() > 255:
        raise InvalidInputError(
            "GREYS_RANGE",
            "The card calls this a windowed scan, but its values are not 8-bit greys.",
            expected="0 to 255",
            actual=f"{greys.min():g} to {greys.max():g}",
            hint="Remove this image from windowed in the card if its values are HU.",
        )
    hu = (greys.astype(np.float32) / 255 * (high - low) + low).astype(np.float32)
    return replace(volume, array=hu, modality="CT", units="hu")


def phantom_masks(source: Source, manifest: pd.DataFrame) -> pd.DataFrame:
    """The true masks of the phantom `source`, by the patients of `manifest`, as `tables.MASKS`."""
    if source.masks is None:
        return empty(MASKS)
    rows = []
    for image_id, patient in zip(manifest["image_id"], manifest["patient_id"], strict=True):
        for kind, suffix in product(("lung", "lesion"), MASK_SUFFIXES):
            path = source.masks / f"{patient}_{kind}{suffix}"
            if path.is_file():
                row = {"image_id": image_id, "kind": kind, "path": path.name, "maker": "truth"}
                rows.append({**row, "sha256": sha256_file(path)})
    return pd.DataFrame(rows, columns=list(MASKS.columns))

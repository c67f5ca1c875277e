"""Images with true masks: of the phantom, or of a data set whose card says where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from covidx.cards import MaskFiles, MaskSet, load_card
from covidx.config import Config
from covidx.errors import InvalidInputError
from covidx.files import sha256_file
from covidx.imaging.pairs import Groups
from covidx.ingest import IngestResult, load_image
from covidx.ingest.nifti import read_nifti
from covidx.phantom import generate_cohort
from covidx.pipelines.progress import Bars
from covidx.pipelines.sources import Source, phantom_folder, read_source
from covidx.segmentation import check_values, on_grid
from covidx.tables import MASKS
from covidx.volume import Volume

__all__ = ["MaskedCohort", "PhantomScans", "phantom_scans", "read_masked"]

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


@dataclass(frozen=True, eq=False)
class MaskedCohort:
    """Images with their true masks, ready to be split.

    Parameters
    ----------
    source : Source
    root : Path
        Where the paths of masks start.
    store : Path
    ingested : IngestResult
    manifest, masks : DataFrame
        As `tables.MANIFEST` and `tables.MASKS`.
    described : MaskSet
    names : mapping
        image_id -> name of the source file, where greys have to be put back into HU.
    notes : list of str
    """

    source: Source
    root: Path
    store: Path
    ingested: IngestResult
    manifest: pd.DataFrame
    masks: pd.DataFrame
    described: MaskSet
    names: Mapping[str, str]
    notes: list[str]

    @property
    def groups(self) -> Groups:
        """Questions and their classes."""
        return {one.kind: one.classes for one in self.described.files}

    def only(self, manifest: pd.DataFrame, notes: list[str]) -> MaskedCohort:
        """The images of `manifest` alone; `notes` say what was left out."""
        masks = self.masks[self.masks["image_id"].isin(manifest["image_id"])]
        masks = masks.reset_index(drop=True)
        return replace(self, manifest=manifest, masks=masks, notes=[*self.notes, *notes])

    def load(self, row: Mapping[Any, Any]) -> Volume:
        """An image of the store; greys that the card knows the window of, in HU."""
        volume = load_image(self.store, row)
        name = self.names.get(str(row["image_id"]), "")
        for pattern, (low, high) in self.described.windowed.items():
            if fnmatch(name, pattern):
                return _restored(volume, low, high)
        return volume

    def truth(self, image_id: str, volume: Volume) -> dict[str, NDArray[Any]]:
        """True class numbers of each question.

        Parameters
        ----------
        image_id : str
        volume : Volume
            In reading order.

        Raises
        ------
        InvalidInputError
            ``MASK_VALUES``, ``MASK_SIDES``, or as `on_grid`.
        """
        rows = self.masks[self.masks["image_id"] == image_id].set_index("kind")["path"]
        found: dict[str, NDArray[Any]] = {}
        for one in self.described.files:
            values = _values(self.root / rows[one.kind], volume, one.kind)
            found[one.kind] = _classes(values, one)
        return found


class PhantomScans(Config):
    """Which phantom cohort to make where no data are given."""

    patients: int = Field(ge=20)
    seed: int = Field(ge=0)


def phantom_scans(work: Path, how: PhantomScans, bars: Bars) -> Source:
    """Generate the phantom's cohort with distractors, or find it already there."""
    folder = phantom_folder(work, "distracted", how.patients, how.seed)
    with bars("phantom") as bar:
        generate_cohort(folder, how.patients, how.seed, distractors=True, progress=bar)
    return Source(folder / "dicom", None, load_card(Path("phantom")), masks=folder / "masks")


def read_masked(source: Source, work: Path, bars: Bars) -> MaskedCohort:
    """Ingest a source and find the masks of its images.

    Raises
    ------
    InvalidInputError
        ``MASKS_UNDESCRIBED``: no card says where masks lie; ``MASKS_MISSING``: no image has all.
    """
    described, root = PHANTOM_MASKS, source.data.parent
    if source.masks is None:
        if source.card is None or source.card.masks is None:
            raise InvalidInputError(
                "MASKS_UNDESCRIBED",
                "Nothing says where the masks of these images lie.",
                path=source.data,
                expected="a data card with a section masks",
                hint="Give it with --card (make: CARD=covid-19-ct-seg, or the path of your own).",
            )
        described, root = source.card.masks, source.data
        source = replace(source, data=source.data / described.images)
    store, ingested = read_source(source, work, bars)
    manifest = ingested.manifest
    names = {image_id: _stem(path) for image_id, path in ingested.sources.items()}
    if described.windowed:
        manifest = _in_hu(manifest, names, described)
    masks, notes = _find(manifest, names, described, root)
    whole = manifest[manifest["image_id"].isin(masks["image_id"])].reset_index(drop=True)
    if whole.empty:
        raise InvalidInputError(
            "MASKS_MISSING",
            "No image has all of its masks.",
            path=root,
            expected=", ".join(one.path for one in described.files),
            actual="; ".join(notes),
        )
    return MaskedCohort(source, root, store, ingested, whole, masks, described, names, notes)


def _stem(path: str) -> str:
    """The name of a file without its suffixes."""
    name = Path(path).name
    for suffix in (".gz", ".nii", ".png", ".jpg", ".jpeg"):
        name = name.removesuffix(suffix)
    return name


def _find(
    manifest: pd.DataFrame, names: Mapping[str, str], described: MaskSet, root: Path
) -> tuple[pd.DataFrame, list[str]]:
    """The masks of the images that have them all, and a line for each reason to leave one out."""
    rows: list[dict[str, str]] = []
    missing = empty = 0
    for image_id, patient in zip(manifest["image_id"], manifest["patient_id"], strict=True):
        stem = names[image_id]
        for old, new in described.rename.items():
            stem = stem.replace(old, new)
        paths = [(one, _path(root, one.path, stem, patient)) for one in described.files]
        if not all(path.is_file() for _, path in paths):
            missing += 1
        elif any(one.empty == "unlabelled" and not _any(path) for one, path in paths):
            empty += 1
        else:
            rows += [_row(image_id, one.kind, path, root) for one, path in paths]
    notes = [
        f"{count} images left out: {why}"
        for count, why in ((missing, "without a mask"), (empty, "their masks are empty"))
        if count
    ]
    return pd.DataFrame(rows, columns=list(MASKS.columns)), notes


def _path(root: Path, pattern: str, stem: str, patient: str) -> Path:
    path = root / pattern.format(stem=stem, patient=patient)
    plain = path.with_name(path.name.removesuffix(".gz"))
    return path if path.is_file() or not plain.is_file() else plain


def _row(image_id: str, kind: str, path: Path, root: Path) -> dict[str, str]:
    place = path.relative_to(root).as_posix()
    row = {"image_id": image_id, "kind": kind, "path": place, "maker": "truth"}
    return {**row, "sha256": sha256_file(path)}


def _any(path: Path) -> bool:
    """Whether a mask holds anything."""
    return bool(_raw(path).any())


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
        )
    return values


def _classes(values: NDArray[Any], one: MaskFiles) -> NDArray[np.uint8]:
    if one.sides_by_place:
        return _by_place(values, one.sides_by_place)
    allowed = (0, *one.values)
    check_values(values, allowed, one.kind, f"0 or {', '.join(map(str, one.values))}")
    found = np.zeros(values.shape, np.uint8)
    for value, name in one.values.items():
        found[values == value] = one.classes.index(name)
    return found


def _by_place(values: NDArray[Any], sides: tuple[int, int]) -> NDArray[np.uint8]:
    """1 right, 2 left lung: columns run to the patient's left, so the right one comes first."""
    check_values(values, (0, *sides), "lung", f"0, {sides[0]} or {sides[1]}")
    middles = [np.nonzero((values == side).any(axis=(0, 1)))[0] for side in sides]
    if not all(len(found) for found in middles):
        raise InvalidInputError(
            "MASK_SIDES",
            "The mask of the lungs shows one lung alone, so that nothing tells its side.",
            expected=f"both {sides[0]} and {sides[1]}",
        )
    right, left = sides if middles[0].mean() < middles[1].mean() else sides[::-1]
    return np.where(values == right, 1, np.where(values == left, 2, 0)).astype(np.uint8)


def _in_hu(manifest: pd.DataFrame, names: Mapping[str, str], described: MaskSet) -> pd.DataFrame:
    """Say of images that `MaskedCohort.load` puts back into HU what they will be."""
    known = [
        any(fnmatch(names[image_id], pattern) for pattern in described.windowed)
        for image_id in manifest["image_id"]
    ]
    changed = manifest.copy()
    changed.loc[known, ["modality", "units"]] = ["CT", "hu"]
    return changed


def _restored(volume: Volume, low: float, high: float) -> Volume:
    """Greys 0..255 as the HU that a window made of them."""
    greys = volume.array
    if greys.min() < 0 or greys.max() > 255:
        raise InvalidInputError(
            "GREYS_RANGE",
            "The card calls this a windowed scan, but its values are no greys.",
            expected="0 to 255",
            actual=f"{greys.min():g} to {greys.max():g}",
        )
    hu = (greys.astype(np.float32) / 255 * (high - low) + low).astype(np.float32)
    return replace(volume, array=hu, modality="CT", units="hu")

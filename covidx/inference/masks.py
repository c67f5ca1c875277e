"""Label maps of an image: what is predicted, how much of it there is, and the files of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.constants import MIN_LUNG_ML
from covidx.errors import InvalidInputError
from covidx.files import make_folder, sha256_file, write_json
from covidx.inference.prediction import Payload, Prediction, Predictions
from covidx.ingest.nifti import write_nifti
from covidx.scratch import let_go, planes
from covidx.segmentation import field_flags, lung_flags, radiograph_flags
from covidx.tables import MASKS, read_table, write_table
from covidx.volume import Volume

OPACITY = "opacity"
"""The structure whose probabilities may be written: they feed a Corona score or a map."""


@dataclass(frozen=True, eq=False)
class LabelMaps:
    """The segmentation of one image, on the image's own grid.

    Parameters
    ----------
    labels : dict of ndarray of uint8, shape (slices, rows, columns)
        Structure -> class numbers.
    probabilities : dict of ndarray of float32, shape (slices, rows, columns)
        Structure -> 0 to 1, the probability of any class but the first, which is background. It
        is the network's softmax, and not calibrated.
    """

    labels: dict[str, NDArray[np.uint8]]
    probabilities: dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class SegmentationPayload(Payload):
    """The masks of one image.

    Parameters
    ----------
    masks : dict
        Structure -> name of its file; empty until it is written.
    classes : dict
        Structure -> what its values 1, 2, ... mean.
    probability : str, optional
        Name of the file of opacity probabilities, where they were wanted.
    amounts : dict
        Class -> ml, or % of a radiograph.
    flags : tuple of str
        What a reader has to know of these masks.
    maps : LabelMaps, optional
        In memory, until they are written.
    volume : Volume, optional
        The image, whose grid the maps lie on.
    """

    HIDDEN: ClassVar[tuple[str, ...]] = ("maps", "volume")

    masks: dict[str, str] = field(default_factory=dict)
    classes: dict[str, list[str]] = field(default_factory=dict)
    amounts: dict[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    probability: str | None = None
    maps: LabelMaps | None = None
    volume: Volume | None = None

    def lines(self) -> list[str]:
        """A line a mask with its amounts, then the flags."""
        found = [
            f"{self.masks.get(structure, structure)}: "
            + ", ".join(f"{n} {name} {self.amounts[name]}" for n, name in enumerate(names, 1))
            for structure, names in self.classes.items()
        ]
        if self.probability:
            found.append(f"{self.probability}: opacity probability of each voxel")
        return [*found, *(f"NOTE: {flag}" for flag in self.flags)]


def segmentation_payload(
    maps: LabelMaps, groups: Mapping[str, list[str]], volume: Volume
) -> SegmentationPayload:
    """Measure the masks of an image, and look whether its lungs look like lungs.

    Parameters
    ----------
    maps : LabelMaps
        On the grid of `volume`; ``lung`` is among the structures.
    groups : mapping
        Structure -> names of its values from 0.
    volume : Volume
        A CT, whose classes are measured in ml, or a radiograph: in % of the picture.

    Raises
    ------
    InvalidInputError
        ``NO_LUNGS``: there are none.
    """
    flags = tuple(_lung_flags(maps.labels["lung"], volume))
    classes = {structure: list(names[1:]) for structure, names in groups.items()}
    amounts = _amounts(maps.labels, groups, volume)
    return SegmentationPayload({}, classes, amounts, flags, maps=maps, volume=volume)


def write_masks(
    predictions: Iterable[Prediction], out: Path, maker: str, bundle: Any = None
) -> Predictions:
    """Write label maps as they come, so that one image's lie in memory at a time.

    Writes ``<image_id>_<structure>.nii.gz`` on the image's own grid, ``masks.parquet`` and
    ``segmentation.json``; masks of other images that `out` holds already stay. A map of
    probabilities is no mask, and not in the table.

    Parameters
    ----------
    predictions : iterable of Prediction
        With a `SegmentationPayload`, or a problem.
    out : Path
        A folder, made if need be.
    maker : str
        Of the masks, for the table.
    bundle : SegmentationBundle, optional
        Of the segmenter; None of a method that was not trained.

    Returns
    -------
    Predictions
        The same, with names of files in place of maps.
    """
    make_folder(out)
    written = Predictions([_written(one, out) for one in predictions], bundle)
    _write_table(written, out, maker)
    write_json(out / "segmentation.json", written.to_json())
    return written


def _written(one: Prediction, out: Path) -> Prediction:
    found = one.payload
    if not isinstance(found, SegmentationPayload) or found.maps is None:
        return one
    assert found.volume is not None
    image_id, probability = one.source.image_id, None
    masks = {kind: f"{image_id}_{kind}.nii.gz" for kind in found.maps.labels}
    for kind, name in masks.items():
        _write(found.maps.labels[kind], found.volume, out / name)
    if OPACITY in found.maps.probabilities:
        probability = f"{image_id}_{OPACITY}-probability.nii.gz"
        _write(found.maps.probabilities[OPACITY], found.volume, out / probability)
    payload = replace(found, masks=masks, probability=probability, maps=None, volume=None)
    return replace(one, payload=payload)


def _write(values: NDArray[Any], volume: Volume, path: Path) -> None:
    """As NIfTI on the grid of `volume`."""
    mask = Volume(values, "OT", "unproven", volume.geometry, volume.affine, volume.resampled)
    write_nifti(mask, path)
    let_go(values)


def _amounts(
    labels: Mapping[str, NDArray[np.uint8]], groups: Mapping[str, list[str]], volume: Volume
) -> dict[str, str]:
    found = {}
    for structure, values in labels.items():
        names = groups[structure]
        each = [np.bincount(plane.ravel(), minlength=len(names)) for plane in planes(values)]
        for name, count in zip(names[1:], np.sum(each, axis=0)[1:], strict=True):
            if volume.modality == "CT" and volume.voxel_ml is not None:
                found[name] = f"{count * volume.voxel_ml:.1f} ml"
            else:
                found[name] = f"{100 * count / values.size:.1f} % of the picture"
    return found


def _lung_flags(lungs: NDArray[np.uint8], volume: Volume) -> list[str]:
    """Flags for lungs that look unlike lungs."""
    pixels = sum(np.count_nonzero(plane) for plane in planes(lungs))
    if not pixels:
        raise InvalidInputError(
            "NO_LUNGS",
            "There are no lungs in view.",
            hint="Use an image of the chest, of the modality that the bundle was trained on.",
        )
    if volume.modality != "CT" or volume.voxel_ml is None:
        return radiograph_flags(lungs[0] > 0)
    mask = Volume(lungs, "OT", "unproven", volume.geometry, volume.affine)
    flags = lung_flags(mask.canonical().array)
    if volume.units == "hu" and volume.geometry == "proven":
        flags += field_flags(volume)
    ml = pixels * volume.voxel_ml
    if ml < MIN_LUNG_ML:
        flags.append(
            f"only {ml:.0f} ml of lung: a child, a scan that misses most of the lungs, or no lungs"
        )
    return flags


def _write_table(predictions: Predictions, out: Path, maker: str) -> None:
    """Add to the table of masks, or put in place of the rows of the same files."""
    rows = [
        {"image_id": one.source.image_id, "kind": kind, "path": name, "maker": maker,
         "sha256": sha256_file(out / name)}
        for one in predictions
        if isinstance(one.payload, SegmentationPayload)
        for kind, name in one.payload.masks.items()
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=list(MASKS.columns))
    path = out / "masks.parquet"
    if path.is_file():
        before = read_table(path, MASKS)
        table = pd.concat([before[~before["path"].isin(table["path"])], table], ignore_index=True)
    write_table(table, path, MASKS)

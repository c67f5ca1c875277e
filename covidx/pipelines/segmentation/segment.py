"""Masks of images: by a bundle, or of the lungs on CT by threshold; NIfTI and a table of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx import __version__
from covidx.cards import DataCard
from covidx.constants import MIN_LUNG_ML, RESEARCH_NOTICE
from covidx.errors import CovidxError, InvalidInputError
from covidx.files import make_folder, sha256_file, write_json
from covidx.imaging.pairs import Groups
from covidx.inference.image import outside_domain
from covidx.inference.segmenter import Answered, Segmenter
from covidx.ingest import Identities, ReadImage, read_images
from covidx.ingest.nifti import write_nifti
from covidx.pipelines.progress import Bar
from covidx.scratch import let_go, planes
from covidx.segmentation import lung_flags, radiograph_flags, segment_lungs
from covidx.tables import MASKS, read_table, write_table
from covidx.volume import Volume

__all__ = ["Answer", "Method", "images_of", "segment_paths"]

CLASSICAL: Groups = {"lung": ["none", "right-lung", "left-lung"]}
LIKELY = "opacity"
"""The question whose probabilities may be written: its answer feeds a Corona score or a map."""


@dataclass(frozen=True)
class Method:
    """What finds masks.

    Parameters
    ----------
    segmenter : Segmenter, optional
        Without one, lungs on CT are found by threshold.
    probabilities : bool
        Whether to say how likely each voxel is an opacity, too.

    Raises
    ------
    InvalidInputError
        ``PROBABILITIES_ABSENT``: it knows no opacities.
    """

    segmenter: Segmenter | None = None
    probabilities: bool = False

    def __post_init__(self) -> None:
        if self.probabilities and LIKELY not in self.groups:
            raise InvalidInputError(
                "PROBABILITIES_ABSENT",
                "Nothing here says how likely an opacity is.",
                expected="--bundle of a network that was trained on opacities",
                actual=self.name,
            )

    @property
    def groups(self) -> Groups:
        """Kinds of masks, and what their values mean."""
        return CLASSICAL if self.segmenter is None else self.segmenter.bundle.groups

    @property
    def name(self) -> str:
        """The maker of the masks."""
        if self.segmenter is None:
            return f"covidx {__version__} segment_lungs"
        return f"bundle {self.segmenter.bundle.sha256}"

    def answer(self, volume: Volume) -> Answered:
        """Masks of an image, on its own grid."""
        if self.segmenter is None:
            return Answered({"lung": segment_lungs(volume)}, {})
        return self.segmenter.answer(volume, [LIKELY] if self.probabilities else [])

    def doubts(self, fields: Mapping[str, Any]) -> list[str]:
        """What about an image is unlike what the bundle was trained on."""
        return [] if self.segmenter is None else outside_domain(self.segmenter.bundle, fields)


@dataclass(frozen=True)
class Answer:
    """What became of one image.

    Parameters
    ----------
    path : str
        What was asked about.
    image_id : str or None
        None where no image could be read.
    masks : dict
        Kind of mask -> its file's name.
    classes : dict
        Kind of mask -> what its values 1, 2, ... mean.
    likely : str or None
        The file of probabilities, where they were asked for and the bundle knows opacities.
    amounts : dict
        Class -> ml, or % of a radiograph.
    flags : tuple of str
        What a reader has to know of these masks.
    problem : str or None
        Why there is no mask, beginning with a code.
    """

    path: str
    image_id: str | None
    masks: dict[str, str]
    classes: dict[str, list[str]]
    likely: str | None
    amounts: dict[str, str]
    flags: tuple[str, ...]
    problem: str | None

    def to_json(self) -> dict[str, Any]:
        """As plain values, with the research-only notice."""
        return {**vars(self), "flags": list(self.flags), "notice": RESEARCH_NOTICE}


def segment_paths(
    paths: Sequence[Path],
    out: Path,
    method: Method,
    *,
    identities: Identities,
    card: DataCard | None,
    bar: Bar,
) -> list[Answer]:
    """Segment every image that files or folders hold; what cannot be is answered too.

    Writes ``<image_id>_<kind>.nii.gz`` on the image's own grid, ``masks.parquet`` and
    ``segmentation.json``; masks of other images that `out` holds already stay. A map of
    probabilities is no mask, and not in the table.

    Parameters
    ----------
    paths : sequence of Path
        DICOM folders or files, NIfTI, PNG or JPEG.
    out : Path
    method : Method
    identities : Identities
    card : DataCard, optional
    bar : callable
        Called with (paths done, paths in all).
    """
    make_folder(out)
    answers: list[Answer] = []
    for done, path in enumerate(paths, 1):
        answers += _of_path(path, out, method, identities, card)
        bar(done, len(paths))
    _write_table(answers, out, method.name)
    write_json(out / "segmentation.json", [one.to_json() for one in answers])
    return answers


def _of_path(
    path: Path,
    out: Path,
    method: Method,
    identities: Identities,
    card: DataCard | None,
) -> Iterator[Answer]:
    for image in images_of(path, identities, card):
        if isinstance(image, str):
            yield _without(str(path), None, image)
        else:
            yield _of_image(str(path), image, out, method)


def images_of(
    path: Path, identities: Identities, card: DataCard | None
) -> Iterator[ReadImage | str]:
    """The images that a path holds, and a line that begins with a code for what is none."""
    try:
        reader = read_images(path, identities=identities, card=card)
        read = 0
        for image in reader:
            read += 1
            yield image
    except CovidxError as error:
        yield f"{error.code}: {error.reason}"
        return
    left = reader.quarantine
    if read:  # what was set aside (a localizer, another kernel) is no failure then
        left = left[left["kind"] == "quarantined"]
    for code, rows in left.groupby("code", sort=True):
        yield f"{code} ({len(rows)} files): {rows['reason'].iloc[0]}"


def _without(asked: str, image_id: str | None, problem: str) -> Answer:
    return Answer(asked, image_id, {}, {}, None, {}, (), problem)


def _of_image(asked: str, image: ReadImage, out: Path, method: Method) -> Answer:
    volume, image_id = image.volume, str(image.fields["image_id"])
    try:
        found = method.answer(volume)
        flags = [*method.doubts(image.fields), *_look_at(found.labels["lung"], volume)]
    except CovidxError as error:
        return _without(asked, image_id, error.told)
    masks = {kind: f"{image_id}_{kind}.nii.gz" for kind in found.labels}
    likely = f"{image_id}_{LIKELY}-probability.nii.gz" if found.likely else None
    for kind, name in masks.items():
        _write(found.labels[kind], volume, out / name)
    if likely is not None:
        _write(found.likely[LIKELY], volume, out / likely)
    classes = {kind: names[1:] for kind, names in method.groups.items()}
    amounts = _amounts(found.labels, method.groups, volume)
    return Answer(asked, image_id, masks, classes, likely, amounts, tuple(flags), None)


def _write(values: NDArray[Any], volume: Volume, path: Path) -> None:
    """As NIfTI on the grid of `volume`."""
    mask = Volume(values, "OT", "unproven", volume.geometry, volume.affine, volume.resampled)
    write_nifti(mask, path)
    let_go(values)


def _amounts(found: dict[str, NDArray[np.uint8]], groups: Groups, volume: Volume) -> dict[str, str]:
    said = {}
    for kind, labels in found.items():
        each = [np.bincount(plane.ravel(), minlength=len(groups[kind])) for plane in planes(labels)]
        counts = np.sum(each, axis=0)
        for name, count in zip(groups[kind][1:], counts[1:], strict=True):
            if volume.modality == "CT" and volume.voxel_ml is not None:
                said[name] = f"{count * volume.voxel_ml:.1f} ml"
            else:
                said[name] = f"{100 * count / labels.size:.1f} % of the picture"
    return said


def _look_at(lungs: NDArray[np.uint8], volume: Volume) -> list[str]:
    """Flags for lungs that look unlike lungs.

    Raises
    ------
    InvalidInputError
        ``NO_LUNGS``: there is none.
    """
    pixels = sum(np.count_nonzero(plane) for plane in planes(lungs))
    if not pixels:
        raise InvalidInputError("NO_LUNGS", "There are no lungs in view.")
    if volume.modality != "CT" or volume.voxel_ml is None:
        return radiograph_flags(lungs[0] > 0)
    mask = Volume(lungs, "OT", "unproven", volume.geometry, volume.affine)
    flags = lung_flags(mask.canonical().array)
    ml = pixels * volume.voxel_ml
    if ml < MIN_LUNG_ML:
        flags.append(
            f"only {ml:.0f} ml of lung: a child, a scan that misses most of the lungs, or no lungs"
        )
    return flags


def _write_table(answers: Sequence[Answer], out: Path, maker: str) -> None:
    """Add to the table of masks, or put in place of what it said of the same images."""
    rows = [
        {"image_id": one.image_id, "kind": kind, "path": name, "maker": maker,
         "sha256": sha256_file(out / name)}
        for one in answers
        for kind, name in one.masks.items()
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=list(MASKS.columns))
    path = out / "masks.parquet"
    if path.is_file():
        before = read_table(path, MASKS)
        table = pd.concat([before[~before["path"].isin(table["path"])], table], ignore_index=True)
    write_table(table, path, MASKS)

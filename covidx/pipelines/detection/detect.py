"""Boxes of opacities on new CT, by a bundle: a table of boxes, and what became of each image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from covidx.cards import DataCard
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import CovidxError
from covidx.evaluate.boxes import BOX
from covidx.files import make_folder, replacing, write_json
from covidx.inference.detector import EXTENT, Detector, placed
from covidx.inference.image import outside_domain
from covidx.ingest import Identities, ReadImage
from covidx.pipelines.progress import Bar
from covidx.pipelines.segmentation.segment import images_of

__all__ = ["BoxAnswer", "detect_paths"]

COLUMNS = ["image_id", "find", "find_score", "slice", *BOX, "score", *EXTENT]
CONVENTION = {
    "slice": "0 is the lowest, in reading order: slices from feet to head",
    "left, right": "pixels from the edge of the first column, the patient's right",
    "top, bottom": "pixels from the edge of the first row, the patient's front",
    "x, y, z": "mm in DICOM's patient coordinates (LPS): x to the left, y to the back, z to head",
}
"""Written beside the boxes, so that nobody has to guess."""


@dataclass(frozen=True)
class BoxAnswer:
    """What became of one image.

    Parameters
    ----------
    path : str
        What was asked about.
    image_id : str or None
        None where no image could be read.
    finds : list of dict
        find, find_score, slices (first and last), and the mm that its boxes span.
    flags : tuple of str
        What a reader has to know.
    problem : str or None
        Why there are no boxes, beginning with a code.
    """

    path: str
    image_id: str | None
    finds: list[dict[str, Any]]
    flags: tuple[str, ...]
    problem: str | None


def detect_paths(
    paths: Sequence[Path],
    out: Path,
    detector: Detector,
    *,
    identities: Identities,
    card: DataCard | None,
    bar: Bar,
) -> list[BoxAnswer]:
    """Box the opacities of every CT that files or folders hold; what cannot be is answered too.

    Finds that reach the bundle's threshold go into ``boxes.csv`` (a row a box of a slice) and
    ``detection.json`` (an entry an image).

    Parameters
    ----------
    paths : sequence of Path
        DICOM folders or files, or NIfTI.
    out : Path
    detector : Detector
    identities : Identities
    card : DataCard, optional
    bar : callable
        Called with (paths done, paths in all).
    """
    make_folder(out)
    answers: list[BoxAnswer] = []
    tables = [pd.DataFrame(columns=COLUMNS)]
    for done, path in enumerate(paths, 1):
        for answer, table in _of_path(path, detector, identities, card):
            answers.append(answer)
            tables += [table] if len(table) else []
        bar(done, len(paths))
    boxes = pd.concat(tables[1:] or tables, ignore_index=True)
    with replacing(out / "boxes.csv") as temporary:
        boxes.to_csv(temporary, index=False, float_format="%.6g")
    chosen = detector.bundle.threshold.model_dump()
    said = {"notice": RESEARCH_NOTICE, "bundle": detector.bundle.sha256, "threshold": chosen}
    images = [vars(one) for one in answers]
    write_json(out / "detection.json", {**said, "convention": CONVENTION, "images": images})
    return answers


def _of_path(
    path: Path, detector: Detector, identities: Identities, card: DataCard | None
) -> Iterator[tuple[BoxAnswer, pd.DataFrame]]:
    for image in images_of(path, identities, card):
        if isinstance(image, str):
            yield BoxAnswer(str(path), None, [], (), image), pd.DataFrame()
        else:
            yield _of_image(str(path), image, detector)


def _of_image(asked: str, image: ReadImage, detector: Detector) -> tuple[BoxAnswer, pd.DataFrame]:
    image_id = str(image.fields["image_id"])
    try:
        found = detector.detect(image.volume)
    except CovidxError as error:
        return BoxAnswer(asked, image_id, [], (), error.told), pd.DataFrame()
    kept = found.boxes[found.boxes["find_score"] >= detector.bundle.threshold.value]
    table = placed(kept, found.frame).assign(image_id=image_id)[COLUMNS]
    finds = [_summary(int(str(number)), part) for number, part in table.groupby("find")]
    finds.sort(key=lambda one: -one["find_score"])
    flags = tuple(outside_domain(detector.bundle, image.fields))
    return BoxAnswer(asked, image_id, finds, flags, None), table


def _summary(number: int, part: pd.DataFrame) -> dict[str, Any]:
    """One find: its slices, and the mm that hold all of its boxes."""
    span = {
        name: round(float(part[name].min() if name.endswith("min") else part[name].max()), 2)
        for name in EXTENT
    }
    slices = [int(part["slice"].min()), int(part["slice"].max())]
    score = round(float(part["find_score"].iloc[0]), 4)
    return {"find": number, "find_score": score, "slices": slices, **span}

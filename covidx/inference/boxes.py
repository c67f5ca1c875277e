"""Boxes of opacities: in pixels of the image and mm in the patient, and the files of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from covidx.constants import RESEARCH_NOTICE
from covidx.evaluate.boxes import BOX
from covidx.files import make_folder, replacing, write_json
from covidx.imaging.frames import Frame
from covidx.inference.detection_bundle import DetectionBundle
from covidx.inference.prediction import PREDICTION_SCHEMA, Payload, Prediction, Predictions

EXTENT = ("x_min", "x_max", "y_min", "y_max", "z_min", "z_max")
"""Columns of a box's place: mm in DICOM's patient coordinates (LPS)."""
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
COLUMNS = ["image_id", "detection", "score", "slice", *BOX, "box_score", *EXTENT]
CONVENTION = {
    "slice": "0 is the lowest, in reading order: slices caudal to cranial",
    "left, right": "pixels from the edge of the first column, the patient's right",
    "top, bottom": "pixels from the edge of the first row, the patient's front",
    "x, y, z": "mm in DICOM's patient coordinates (LPS): x to the left, y to the back, z to head",
}
"""Written beside the boxes, so that nobody has to guess."""


@dataclass(frozen=True, eq=False)
class DetectionPayload(Payload):
    """The detections of one image.

    Parameters
    ----------
    detections : list of dict
        detection, score, slices (first and last), and the mm that its boxes span; the highest
        score first.
    boxes : DataFrame, optional
        A row a box of a slice, as ``boxes.csv`` has it.
    """

    HIDDEN: ClassVar[tuple[str, ...]] = ("boxes",)

    detections: list[dict[str, Any]] = field(default_factory=list)
    boxes: pd.DataFrame | None = None

    def lines(self) -> list[str]:
        """How many there are, and a line each."""
        count = len(self.detections)
        found = [f"{count} detection{'s' if count != 1 else ''}, the highest score first"]
        for one in self.detections:
            first, last = one["slices"]
            middle = [(one[f"{axis}_min"] + one[f"{axis}_max"]) / 2 for axis in "xyz"]
            at = ", ".join(f"{mm:.0f}" for mm in middle)
            where = f"slices {first} to {last}, middle at {at} mm (LPS)"
            found.append(f"{one['score']:.2f}  {where}")
        return found


def detection_payload(boxes: pd.DataFrame, frame: Frame, image_id: str) -> DetectionPayload:
    """Place the boxes of an image, and sum up each detection.

    Parameters
    ----------
    boxes : DataFrame
        slice, left, top, right, bottom (working pixels), box_score, detection, score.
    frame : Frame
        Their working grid.
    image_id : str
        Written in each row of the payload's table.
    """
    table = placed(boxes, frame).assign(image_id=image_id)[COLUMNS]
    found = [_summary(int(str(number)), part) for number, part in table.groupby("detection")]
    return DetectionPayload(sorted(found, key=lambda one: -one["score"]), table)


def _summary(number: int, part: pd.DataFrame) -> dict[str, Any]:
    """One detection: its slices, and the mm that hold all of its boxes."""
    span = {
        name: round(float(part[name].min() if name.endswith("min") else part[name].max()), 2)
        for name in EXTENT
    }
    slices = [int(part["slice"].min()), int(part["slice"].max())]
    score = round(float(part["score"].iloc[0]), 4)
    return {"detection": number, "score": score, "slices": slices, **span}


def write_boxes(
    predictions: Iterable[Prediction], out: Path, bundle: DetectionBundle
) -> Predictions:
    """Write ``boxes.csv`` (a row a box of a slice) and ``detection.json`` (an entry an image).

    Parameters
    ----------
    predictions : iterable of Prediction
        With a `DetectionPayload`, or a problem.
    out : Path
        A folder, made if need be.
    bundle : DetectionBundle
        Of the detector: its digest and threshold are written beside the boxes.
    """
    make_folder(out)
    written, tables = [], [pd.DataFrame(columns=COLUMNS)]
    for one in predictions:
        if isinstance(one.payload, DetectionPayload) and one.payload.boxes is not None:
            tables += [one.payload.boxes] if len(one.payload.boxes) else []
            one = replace(one, payload=replace(one.payload, boxes=None))
        written.append(one)
    boxes = pd.concat(tables[1:] or tables, ignore_index=True)
    with replacing(out / "boxes.csv") as temporary:
        boxes.to_csv(temporary, index=False, float_format="%.6g")
    found = Predictions(written, bundle)
    head = {"schema": PREDICTION_SCHEMA, "notice": RESEARCH_NOTICE, "bundle": bundle.sha256}
    chosen = {"threshold": bundle.threshold.model_dump(), "convention": CONVENTION}
    write_json(out / "detection.json", {**head, **chosen, "images": found.to_json()})
    return found


def placed(boxes: pd.DataFrame, frame: Frame) -> pd.DataFrame:
    """Boxes of the working grid in pixels of the image, and in mm.

    Parameters
    ----------
    boxes : DataFrame
        slice, left, top, right, bottom in working pixels.
    frame : Frame
        Their working grid; the affine of its volume (voxel to RAS mm) must be known.

    Returns
    -------
    DataFrame
        left ... bottom in pixels of the image in reading order (0 is the left or upper edge of the
        first pixel), and ``x_min`` ... ``z_max``: the least upright box in LPS mm that holds the
        slice's part of the box, its thickness included.
    """
    volume = frame.volume
    assert volume.affine is not None
    rows, columns = volume.array.shape[1:]
    across, down = columns / frame.columns, rows / frame.rows
    found = boxes.assign(
        left=boxes["left"] * across,
        right=boxes["right"] * across,
        top=boxes["top"] * down,
        bottom=boxes["bottom"] * down,
    )
    to_lps = RAS_TO_LPS @ volume.affine
    ends = [
        (found["left"] - 0.5, found["right"] - 0.5),
        (found["top"] - 0.5, found["bottom"] - 0.5),
        (found["slice"] - 0.5, found["slice"] + 0.5),
    ]  # pixel middles are whole numbers
    corners = np.array(
        [
            [column, row, place, np.ones(len(found))]
            for column in ends[0]
            for row in ends[1]
            for place in ends[2]
        ],
        dtype=float,
    )  # (8, 4, boxes)
    mm: Any = np.einsum("ij,cjb->cib", to_lps, corners)[:, :3]
    for axis in range(3):
        low, high = EXTENT[2 * axis : 2 * axis + 2]
        found[low], found[high] = mm[:, axis].min(axis=0), mm[:, axis].max(axis=0)
    return found

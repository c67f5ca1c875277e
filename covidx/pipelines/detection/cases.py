"""A page a test scan of a detector: its boxes beside the true opacities."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from covidx.evaluate.boxes import BOX
from covidx.imaging.frames import Frame, make_frame
from covidx.inference.detection_bundle import DetectionBundle
from covidx.inference.predictor import outside_volume
from covidx.pipelines.case import known_image, write_plain_case
from covidx.pipelines.cohort import Cohort
from covidx.report import CaseRow
from covidx.report.viewer import Images, MaskLayer, Section

MOST = 12
"""Detections that a page lists."""


def write_case(
    bundle: DetectionBundle,
    cohort: Cohort,
    row: dict[str, Any],
    boxes: pd.DataFrame,
    counts: Mapping[Hashable, float],
    folder: Path,
    *,
    level: str,
    run: str,
    images: Images,
) -> CaseRow:
    """Write the page of a test scan.

    Parameters
    ----------
    bundle : DetectionBundle
        Of the detector.
    cohort : Cohort
        Loads the scan and its true masks.
    row : dict
        Of the manifest.
    boxes : DataFrame
        Predicted boxes of the scan, on the working grid: slice, `BOX`, detection, score.
    counts : mapping
        As a row of `evaluate.detection.counts_at`.
    folder : Path
        Of this case alone.
    level : {"patient", "image"}
        What a case is: patients may have several images.
    run : str
        Which run it is of.
    images : {"all", "thumbnails", "none"}
        What the page shows of the scan.

    Returns
    -------
    CaseRow
        Its agreement is the share of lesions that were detected.
    """
    stored = cohort.load(row)
    upright, threshold = stored.canonical(), bundle.threshold.value
    frame = make_frame(stored, bundle.recipe.framing, bundle.recipe.dimensions)
    shown = boxes[boxes["score"] >= threshold]
    truth = np.asarray(cohort.mask_labels(str(row["image_id"]), upright)["opacity"]) > 0
    known = replace(
        known_image(cohort.store, row, level, stored, simulated=cohort.simulated),
        warnings=outside_volume(bundle, row, stored),
        masks=[
            MaskLayer("true opacities", truth),
            MaskLayer("predicted boxes", boxes_on_grid(frame, shown), truth=False),
        ],
        sections=[_section(shown, counts, threshold)],
    )
    written = write_plain_case(known, upright, folder, run=run, images=images)
    found = counts["detected"] / counts["lesions"] if counts["lesions"] else None
    return replace(written, agreement=found)


def boxes_on_grid(frame: Frame, boxes: pd.DataFrame) -> NDArray[np.bool_]:
    """Boxes of the working grid, filled, on the grid of the image.

    Parameters
    ----------
    frame : Frame
        The working grid of the image.
    boxes : DataFrame
        slice, and `BOX` in working pixels.

    Returns
    -------
    ndarray of bool, shape (slices, rows, columns)
        Of the image in reading order.
    """
    planes = torch.zeros(1, len(frame), *frame.image(0, 1).shape[1:])
    for number, left, top, right, bottom in boxes[["slice", *BOX]].itertuples(index=False):
        rows, columns = slice(round(top), round(bottom)), slice(round(left), round(right))
        planes[0, int(number), rows, columns] = 1
    shape = frame.volume.array.shape
    filled = [frame.to_volume(planes, 0, index)[0].numpy() > 0.5 for index in range(shape[0])]
    return np.stack(filled)


def _section(shown: pd.DataFrame, counts: Mapping[Hashable, float], threshold: float) -> Section:
    facts = [
        ("Lesions", f"{counts['detected']:.0f} of {counts['lesions']:.0f} detected"),
        ("False positives", f"{counts['false']:.0f}"),
    ]
    each = shown.groupby("detection").agg({"score": "max", "slice": ["min", "max"]})
    each = each.sort_values(("score", "max"), ascending=False)
    for place, (score, first, last) in enumerate(each.head(MOST).itertuples(index=False), 1):
        facts.append((f"Box {place}", f"{score:.3f}, working slices {first + 1} to {last + 1}"))
    more = [f"{len(each) - MOST} more boxes are drawn."] if len(each) > MOST else []
    note = f"Threshold {threshold:.3f}. A lesion counts as detected as docs/detection.md says."
    return Section("Boxes", facts, [note, *more])

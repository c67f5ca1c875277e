"""Boxes that a detector predicts in scans, beside their true opacities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.evaluate.boxes import BOX, Detections
from covidx.imaging.pairs import PairCache
from covidx.inference.detector import DetectedBoxes, Detector
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.progress import Bar
from covidx.segmentation.instances import lesion_boxes
from covidx.volume import Volume

PREDICTED = ["image_id", "slice", *BOX, "box_score", "detection", "score"]
TRUTH = ["image_id", "slice", *BOX, "lesion"]
Scan = tuple[str, str, Volume, NDArray[Any]]
"""image_id, patient_id, image, and its opacities on the volume's grid in reading order."""


def opaque_of(cache: PairCache, cohort: Cohort, image_id: str) -> NDArray[np.bool_]:
    """The true opacities of an image on the working grid.

    Parameters
    ----------
    cache : PairCache
        Prepared images with their label maps.
    cohort : Cohort
        Must have masks of kind opacity; its groups give the order of the label maps.
    image_id : str
        Of the manifest.

    Returns
    -------
    ndarray of bool, shape (slices, rows, columns)
    """
    place = list(cohort.groups).index("opacity")
    opaque: NDArray[np.bool_] = cache.labels(image_id)[place] > 0
    return opaque


def training_edges(
    cache: PairCache, cohort: Cohort, train: pd.DataFrame, smallest: int
) -> NDArray[np.float64]:
    """Width and height of each true box of images, in pixels of the working grid.

    Parameters
    ----------
    cache, cohort
        As in `opaque_of`.
    train : DataFrame
        Manifest rows of the training images.
    smallest : int
        Pixels below which a piece of a slice is no box.

    Returns
    -------
    ndarray of float64, shape (boxes, 2)
    """
    edges = [np.zeros((0, 2))]
    for image_id in sorted(train["image_id"]):
        boxes = lesion_boxes(opaque_of(cache, cohort, image_id), smallest)[0][list(BOX)].to_numpy()
        edges.append(boxes[:, 2:] - boxes[:, :2])
    return np.concatenate(edges).astype(np.float64)


def detect_rows(
    detector: Detector, cohort: Cohort, rows: pd.DataFrame, bar: Bar
) -> tuple[Detections, Detections | None]:
    """`compare_scans` on images of a manifest.

    Parameters
    ----------
    detector : Detector
        Whose boxes are compared.
    cohort : Cohort
        Loads the images and their true masks.
    rows : DataFrame
        Manifest rows; they are read in the order of image_id.
    bar : callable
        Called with (done, total) after each image.
    """
    ordered = rows.sort_values("image_id").to_dict("records")

    def scans() -> Iterable[Scan]:
        for done, row in enumerate(ordered, 1):
            volume, image_id = cohort.load(row), str(row["image_id"])
            truth = cohort.mask_labels(image_id, volume.canonical())["opacity"]
            yield image_id, str(row["patient_id"]), volume, truth
            bar(done, len(ordered))

    return compare_scans(detector, scans())


def compare_scans(
    detector: Detector, scans: Iterable[Scan]
) -> tuple[Detections, Detections | None]:
    """Boxes of each scan beside the true ones, on the working grid.

    Parameters
    ----------
    detector : Detector
        Whose boxes are compared; its recipe says how small a true box may be.
    scans : iterable of (str, str, Volume, ndarray)
        image_id, patient_id, image, and its true opacities (above 0) on the image's grid in reading
        order, shape (slices, rows, columns).

    Returns
    -------
    boxes : Detections
    masks : Detections, optional
        The same with the IoU of masks, where the network gives masks.
    """
    smallest = detector.bundle.recipe.smallest
    known, predicted, truth = [], [pd.DataFrame(columns=PREDICTED)], [pd.DataFrame(columns=TRUTH)]
    overlaps: dict[tuple[str, int], NDArray[np.float64]] = {}
    masked = False
    for image_id, patient_id, volume, labels in scans:
        detected = detector.detect(volume)
        opaque = detected.frame.labels((labels > 0).astype(np.uint8), 2) > 0
        true, masks = lesion_boxes(opaque, smallest)
        known.append({"image_id": image_id, "patient_id": patient_id})
        predicted.append(detected.boxes.assign(image_id=image_id)[PREDICTED])
        truth.append(true.assign(image_id=image_id)[TRUTH])
        masked = detected.masks is not None
        overlaps |= {(image_id, n): one for n, one in _overlaps(detected, true, masks)}
    all_predicted, all_true = (
        pd.concat([one for one in tables if len(one)] or tables[:1], ignore_index=True)
        for tables in (predicted, truth)
    )
    boxes = Detections(pd.DataFrame(known), all_predicted, all_true)
    return boxes, replace(boxes, overlaps=overlaps) if masked else None


def _overlaps(
    detected: DetectedBoxes, true: pd.DataFrame, masks: NDArray[np.bool_]
) -> Iterable[tuple[int, NDArray[np.float64]]]:
    """IoU of predicted and true masks of each slice with predicted ones."""
    if detected.masks is None:
        return
    places = detected.boxes["slice"].to_numpy()
    for number in np.unique(places):
        ones = detected.masks[places == number].reshape(np.count_nonzero(places == number), -1)
        others = masks[true["slice"].to_numpy() == number].reshape(-1, ones.shape[1])
        both = ones.astype(np.float32) @ others.T.astype(np.float32)
        either = ones.sum(axis=1)[:, None] + others.sum(axis=1)[None] - both
        yield int(number), np.asarray(both / np.maximum(either, 1), np.float64)

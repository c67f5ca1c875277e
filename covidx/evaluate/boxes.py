"""Boxes: overlap, which predicted ones are right, and those of scans beside the true ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.evaluate.clusters import Clusters

BOX = ("left", "top", "right", "bottom")
"""Columns of a box: pixels, measured at their edges."""
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def iou(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over union of each of `boxes` with each of `others`.

    Parameters
    ----------
    boxes, others : array, shape (n, 4) and (m, 4)
        Left, top, right, bottom.

    Returns
    -------
    array, shape (n, m)

    Examples
    --------
    >>> iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6]]))
    array([[0.33333333, 0.        ]])
    """
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=2)
    sizes = [np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (boxes, others)]
    ratio: FloatArray = both / np.maximum(sizes[0][:, None] + sizes[1][None] - both, 1e-12)
    return ratio


def match(overlap: FloatArray, least: float) -> NDArray[np.bool_]:
    """Which predicted boxes of one slice are right, as COCO has it.

    Each predicted box takes the true one that it overlaps most of those not yet taken.

    Parameters
    ----------
    overlap : ndarray, shape (predicted, true)
        IoU; the predicted boxes in falling order of their scores.
    least : float
        IoU from which a box is right.
    """
    right = np.zeros(len(overlap), dtype=np.bool_)
    if not overlap.shape[1]:
        return right
    free = overlap.copy()
    for row in range(len(free)):
        best = int(free[row].argmax())
        if free[row, best] >= least:
            right[row] = True
            free[:, best] = -1.0
    return right


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes that were predicted in scans, beside the true ones.

    Parameters
    ----------
    scans : DataFrame
        image_id, patient_id: each scan, those without lesions too.
    predicted : DataFrame
        image_id, slice, left, top, right, bottom, box_score, detection, score (the detection's).
    truth : DataFrame
        image_id, slice, left, top, right, bottom, lesion.
    overlaps : mapping, optional
        (image_id, slice) -> IoU of the masks of its rows of `predicted` and of `truth`, in their
        order; without it, of the boxes.
    """

    scans: pd.DataFrame
    predicted: pd.DataFrame
    truth: pd.DataFrame
    overlaps: Mapping[tuple[str, int], FloatArray] | None = None

    @property
    def clusters(self) -> Clusters:
        """Patients, of the scans in their order."""
        return Clusters.of(self.scans["patient_id"].to_numpy())

    def groups(self, table: pd.DataFrame) -> IntArray:
        """The patient's number of each row of `table`."""
        of = dict(zip(self.scans["image_id"], self.clusters.codes.tolist(), strict=True))
        return table["image_id"].map(of).to_numpy(np.int64)

    def slices(self) -> Iterator[tuple[IntArray, FloatArray, IntArray]]:
        """Of each slice with predicted boxes: their rows by falling score, IoU, true rows."""
        there = _by_slice(self.truth)
        for key, rows in _by_slice(self.predicted).items():
            true = there.get(key, np.zeros(0, np.int64))
            if self.overlaps is None:
                boxes = self.predicted.iloc[rows][list(BOX)], self.truth.iloc[true][list(BOX)]
                overlap = iou(*(table.to_numpy(float) for table in boxes))
            else:
                overlap = self.overlaps[key]
            order = np.argsort(-self.predicted["box_score"].to_numpy()[rows], kind="stable")
            yield rows[order], overlap[order], true


def _by_slice(table: pd.DataFrame) -> dict[tuple[str, int], IntArray]:
    """(image_id, slice) -> its row numbers."""
    indices: Any = table.groupby(["image_id", "slice"]).indices
    return {(str(image_id), int(place)): rows for (image_id, place), rows in indices.items()}

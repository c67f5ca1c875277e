"""Boxes: overlap, which found ones are right, and what was found in scans beside what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from covidx.evaluate.bootstrap import Clusters

BOX = ("left", "top", "right", "bottom")
"""Columns of a box: pixels, measured at their edges."""
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def iou(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over union of each box (rows) with each other one (columns).

    Examples
    --------
    >>> iou(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2], [5, 5, 6, 6]]))
    array([[0.33333333, 0.        ]])
    """
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=2)
    sizes = [np.prod(one[:, 2:] - one[:, :2], axis=1) for one in (boxes, others)]
    found: FloatArray = both / np.maximum(sizes[0][:, None] + sizes[1][None] - both, 1e-12)
    return found


def match(overlap: FloatArray, least: float) -> NDArray[np.bool_]:
    """Which found boxes of one slice are right, as COCO has it.

    Each found box takes the true one that it overlaps most of those not yet taken.

    Parameters
    ----------
    overlap : ndarray, shape (found, true)
        IoU; the found in falling order of their scores.
    least : float
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
    """What was found in scans, beside what is there.

    Parameters
    ----------
    scans : DataFrame
        image_id, patient_id: each scan, those without lesions too.
    found : DataFrame
        image_id, slice, left, top, right, bottom, score, find, find_score.
    truth : DataFrame
        image_id, slice, left, top, right, bottom, lesion.
    overlaps : mapping, optional
        (image_id, slice) -> IoU of the masks of its rows of `found` and of `truth`, in their order;
        without it, of the boxes.
    """

    scans: pd.DataFrame
    found: pd.DataFrame
    truth: pd.DataFrame
    overlaps: Mapping[tuple[str, int], FloatArray] | None = None

    @property
    def clusters(self) -> Clusters:
        """Patients, of the scans in their order."""
        return Clusters.of(self.scans["patient_id"].to_numpy())

    def groups(self, table: pd.DataFrame) -> IntArray:
        """The patient's number of each row."""
        of = dict(zip(self.scans["image_id"], self.clusters.codes.tolist(), strict=True))
        return table["image_id"].map(of).to_numpy(np.int64)

    def slices(self) -> Iterator[tuple[IntArray, FloatArray, IntArray]]:
        """Of each slice with a found box: their row numbers by falling score, IoU, true rows."""
        there = _by_slice(self.truth)
        for key, rows in _by_slice(self.found).items():
            true = there.get(key, np.zeros(0, np.int64))
            if self.overlaps is None:
                boxes = self.found.iloc[rows][list(BOX)], self.truth.iloc[true][list(BOX)]
                overlap = iou(*(one.to_numpy(float) for one in boxes))
            else:
                overlap = self.overlaps[key]
            order = np.argsort(-self.found["score"].to_numpy()[rows], kind="stable")
            yield rows[order], overlap[order], true


def _by_slice(table: pd.DataFrame) -> dict[tuple[str, int], IntArray]:
    """(image_id, slice) -> its row numbers."""
    indices: Any = table.groupby(["image_id", "slice"]).indices
    return {(str(image_id), int(place)): rows for (image_id, place), rows in indices.items()}

"""Opacities as instances: pieces of a mask, their boxes in each slice, boxes joined over slices."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from covidx.evaluate.boxes import BOX, iou
from covidx.segmentation.planes import Mask

LINK_IOU = 0.3
"""Least IoU of two boxes in neighbouring slices that are one detection. Modelling choice."""


class Pieces(NamedTuple):
    """The pieces of one slice.

    Attributes
    ----------
    boxes : ndarray of float, shape (n, 4)
        left, top, right, bottom in pixels, edges of pixels: one pixel at the corner is 0, 0, 1, 1.
    masks : ndarray of bool, shape (n, rows, columns)
        One piece each, in the order of `boxes`.
    """

    boxes: NDArray[np.float64]
    masks: NDArray[np.bool_]


def pieces_of(mask: Mask, smallest: int) -> Pieces:
    """Connected pieces (8 neighbours) of a slice.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
        One slice.
    smallest : int
        Pixels below which a piece is no instance.

    Examples
    --------
    >>> pieces_of(np.array([[True, True, False, True]]), 2).boxes
    array([[0., 0., 2., 1.]])
    """
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3), dtype=np.bool_))
    sizes = np.bincount(labels.ravel())
    kept = [number for number in range(1, len(sizes)) if sizes[number] >= smallest]
    places = ndimage.find_objects(labels)
    boxes = [
        (columns.start, rows.start, columns.stop, rows.stop)
        for rows, columns in (places[number - 1] for number in kept)
    ]
    masks = [labels == number for number in kept]
    return Pieces(
        np.array(boxes, np.float64).reshape(-1, 4),
        np.array(masks, np.bool_).reshape(-1, *mask.shape),
    )


def lesion_boxes(mask: Mask, smallest: int) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """True boxes of each slice, and to which lesion of the scan each belongs.

    A lesion is a piece of 26 neighbours, as in `covidx.segmentation.metrics`. One that has no piece
    of `smallest` pixels in any slice is none.

    Parameters
    ----------
    mask : ndarray of bool, shape (slices, rows, columns)
        One scan.
    smallest : int
        Pixels below which a piece of a slice is no instance.

    Returns
    -------
    table : DataFrame
        slice, left, top, right, bottom, lesion; a row a piece.
    masks : ndarray of bool, shape (pieces, rows, columns)
        In the order of the rows.
    """
    lesions, _ = ndimage.label(mask, structure=np.ones((3, 3, 3), dtype=np.bool_))
    rows: list[dict[str, Any]] = []
    masks = [np.zeros((0, *mask.shape[1:]), np.bool_)]
    for number in np.flatnonzero(mask.any(axis=(1, 2))):
        pieces = pieces_of(mask[number], smallest)
        masks.append(pieces.masks)
        for box, piece in zip(pieces.boxes, pieces.masks, strict=True):
            lesion = int(lesions[number][piece][0])
            rows.append(
                {"slice": int(number), **dict(zip(BOX, box, strict=True)), "lesion": lesion}
            )
    return pd.DataFrame(rows, columns=["slice", *BOX, "lesion"]), np.concatenate(masks)


def link_boxes(table: pd.DataFrame, least: float = LINK_IOU) -> pd.DataFrame:
    """Join boxes of neighbouring slices that overlap into detections of the scan.

    From feet to head, each box (highest score first) continues the detection whose box in the
    previous slice overlaps it most, if by `least`; each detection takes one box a slice. No
    threshold on the score is used, so that detections are the same at each.

    Parameters
    ----------
    table : DataFrame
        slice, left, top, right, bottom (pixels), box_score (0 to 1).
    least : float
        Least IoU of two boxes that are joined, 0 to 1.

    Returns
    -------
    DataFrame
        The same rows, sorted, with ``detection``, its number (0, 1, ...), and ``score``, the
        highest of its boxes.
    """
    table = table.sort_values(["slice", "box_score"], ascending=[True, False], ignore_index=True)
    detections = np.full(len(table), -1)
    boxes, slices = table[list(BOX)].to_numpy(float), table["slice"].to_numpy()
    count = 0
    for number in np.unique(slices):
        here, before = np.flatnonzero(slices == number), np.flatnonzero(slices == number - 1)
        overlap = iou(boxes[here], boxes[before])
        for row, box in enumerate(here):
            best = int(overlap[row].argmax()) if len(before) else 0
            if len(before) and overlap[row, best] >= least:
                detections[box] = detections[before[best]]
                overlap[:, best] = -1
            else:
                detections[box] = count
                count += 1
    linked = table.assign(detection=detections)
    return linked.assign(score=linked.groupby("detection")["box_score"].transform("max"))

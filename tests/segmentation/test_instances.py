"""Pieces of a mask, their boxes, and boxes of neighbouring slices as one find."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from covidx.evaluate.boxes import BOX
from covidx.segmentation.instances import lesion_boxes, link_boxes, pieces_of


def test_pieces_touch_by_corners_and_small_ones_are_none() -> None:
    mask = np.zeros((6, 8), bool)
    mask[1, 1] = mask[2, 2] = mask[3, 2] = True  # one piece by a corner
    mask[0, 6] = True  # a pixel alone
    mask[4:6, 5:8] = True
    result = pieces_of(mask, 2)
    assert result.boxes.tolist() == [[1, 1, 3, 4], [5, 4, 8, 6]]
    assert result.masks.sum(axis=(1, 2)).tolist() == [3, 6]
    assert result.masks.shape == (2, 6, 8)
    assert pieces_of(np.zeros((6, 8), bool), 1).boxes.shape == (0, 4)


def test_pieces_of_a_slice_know_their_lesion() -> None:
    mask = np.zeros((4, 8, 8), bool)
    mask[0, 0:3, 0:3] = True
    mask[0, 0:3, 5:8] = True
    mask[1, 0:3, 0:8] = True  # joins both
    mask[3, 5:8, 5:8] = True  # apart by a slice
    table, masks = lesion_boxes(mask, 4)
    assert table["slice"].tolist() == [0, 0, 1, 3]
    assert table["lesion"].tolist() == [1, 1, 1, 2]
    assert table[list(BOX)].iloc[2].tolist() == [0, 0, 8, 3]
    assert masks.sum(axis=(1, 2)).tolist() == [9, 9, 24, 9]
    empty, none = lesion_boxes(np.zeros((2, 4, 4), bool), 1)
    assert len(empty) == 0 and none.shape == (0, 4, 4)


def boxes(*rows: tuple[int, float, float]) -> pd.DataFrame:
    """slice, first column of a box 10 wide, score."""
    table = [(place, left, 0.0, left + 10, 10.0, score) for place, left, score in rows]
    return pd.DataFrame(table, columns=["slice", *BOX, "box_score"])


@pytest.mark.parametrize(
    ("assigned", "numbers"),
    [
        (((0, 0, 0.2), (1, 1, 0.9), (2, 2, 0.4)), [0, 0, 0]),  # a chain
        (((0, 0, 0.2), (2, 0, 0.9)), [0, 1]),  # a slice between
        (((0, 0, 0.2), (1, 8, 0.9)), [0, 1]),  # IoU 2/18
        (((0, 0, 0.5), (1, 0, 0.9), (1, 1, 0.3)), [0, 0, 1]),  # a detection takes one box a slice
    ],
)
def test_boxes_of_neighbouring_slices_are_joined(
    assigned: tuple[tuple[int, float, float], ...], numbers: list[int]
) -> None:
    linked = link_boxes(boxes(*assigned))
    assert linked["detection"].tolist() == numbers
    best = linked.groupby("detection")["box_score"].max()
    assert linked["score"].tolist() == [best[one] for one in numbers]


def test_nothing_is_joined_to_nothing() -> None:
    assert list(link_boxes(boxes()).columns) == ["slice", *BOX, "box_score", "detection", "score"]

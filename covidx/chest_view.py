"""What a chest looks like from the front, by the radiographs of a training; pictures unlike it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from covidx.config import Config

CHEST_SIDE = 16
"""Pixels a side at which pictures are compared with a chest: lungs, mediastinum and shoulders show,
ribs and disease do not."""
FEWEST_CHESTS = 20
"""Training radiographs that make a mean: of fewer it would show a patient. Modelling choice."""
MOST_LIKENESS = 0.4
"""Correlation that is always enough: of 56 pictures without a chest from the front one reached 0.37
(docs/benchmarks.md). Modelling choice."""


class ChestView(Config):
    """What the training radiographs look like together, coarsely: a chest from the front.

    A picture without a chest (a leg, a head, a page of text) is hardly like it. The mean of many
    patients at 16 x 16 pixels shows none of them.
    """

    ranks: list[int] = Field(description="0 to 255, row by row: the mean of the images' grey ranks")
    lowest: float = Field(description="correlation that a radiograph must reach")
    images: int = Field(description="training radiographs behind the mean")
    calibrated_on: int = Field(description="radiographs behind the limit")

    def likeness(self, thumbnail: NDArray[np.uint8]) -> float:
        """Correlation of a picture's grey ranks with the mean of the training radiographs.

        Parameters
        ----------
        thumbnail : ndarray of uint8, shape (64, 64)
            As `cohort.thumbnail`, air dark.
        """
        return _correlation(chest_ranks(thumbnail), np.array(self.ranks, dtype=np.float64))


def chest_ranks(thumbnail: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The order of the greys of a picture at 16 x 16 pixels, which no window or gamma changes.

    Parameters
    ----------
    thumbnail : ndarray of uint8, shape (64, 64)
        As `cohort.thumbnail`.

    Returns
    -------
    ndarray of float64, shape (256,)
        0 (darkest) to 1, ties at their mean.
    """
    rows, columns = (side // CHEST_SIDE for side in thumbnail.shape)
    blocks = thumbnail.astype(np.float64).reshape(CHEST_SIDE, rows, CHEST_SIDE, columns)
    greys = blocks.mean(axis=(1, 3)).ravel()
    ordered = np.sort(greys)
    ends = np.searchsorted(ordered, greys), np.searchsorted(ordered, greys, side="right")
    ranks: NDArray[np.float64] = (ends[0] + ends[1] - 1) / 2 / (len(greys) - 1)
    return ranks


def chest_view(
    train: Sequence[NDArray[np.uint8]], validation: Sequence[NDArray[np.uint8]]
) -> ChestView | None:
    """What training radiographs look like together, and how unlike it a chest may be.

    The limit is the quantile 0.01 of the validation radiographs, and at most `MOST_LIKENESS`, so
    that few, or very even, validation images do not refuse chests that are merely others.

    Parameters
    ----------
    train, validation : sequence of ndarray of uint8, shape (64, 64)
        Thumbnails of the radiographs, as `cohort.thumbnail`. Without validation radiographs, each
        training one is compared with the mean of the others.

    Returns
    -------
    ChestView, optional
        None with fewer than `FEWEST_CHESTS` training images.
    """
    if len(train) < FEWEST_CHESTS:
        return None
    ranks_of, n = [chest_ranks(one) for one in train], len(train)
    mean = np.mean(ranks_of, axis=0)
    known = [_correlation(chest_ranks(one), mean) for one in validation]
    if not known:
        known = [_correlation(one, (n * mean - one) / (n - 1)) for one in ranks_of]
    lowest = min(float(np.quantile(known, 0.01)), MOST_LIKENESS)
    ranks = np.rint(255 * mean).astype(int).tolist()
    return ChestView(
        ranks=ranks, lowest=round(lowest, 4), images=len(train), calibrated_on=len(known)
    )


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Pearson's; 0 for a picture of one grey."""
    a, b = one - one.mean(), other - other.mean()
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 0 else 0.0

"""How a map lies to what is known of its slice: does it point to a lesion, and how near?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.explain.heatmap import Heatmap
from covidx.explain.placing import paste
from covidx.imaging import Bag

MARGIN_MM = 15.0
"""mm from a lesion within which a peak counts as near it. Modelling choice."""
TOP_SHARES = (0.01, 0.05, 0.1)
"""Hottest shares of the model's input that are compared with the lesions."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Pointing:
    """Where the peak of a map, and the map as a whole, lie.

    Parameters
    ----------
    inside : bool
        Whether the peak lies in a lesion.
    distance_mm : float, optional
        From the peak to the nearest lesion of the image, 0 inside; None without a place in mm.
    chance : float
        Share of the lungs of this slice that is lesion: how often a random point would be inside.
        Where no lungs are given, of the model's input.
    in_lesions, lesion_area : float
        Share of the map, and of the model's input, that is lesion.
    in_lungs : float, optional
        Share of the map in the true lungs; None where none are given.
    iou : tuple of float
        Intersection over union of the lesions with the hottest `TOP_SHARES` of the input.
    """

    inside: bool
    distance_mm: float | None
    chance: float
    in_lesions: float
    lesion_area: float
    iou: tuple[float, ...]
    in_lungs: float | None = None

    @property
    def near(self) -> bool:
        """Whether the peak lies within `MARGIN_MM` of a lesion."""
        return self.inside or (self.distance_mm is not None and self.distance_mm <= MARGIN_MM)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def pointing(heatmap: Heatmap, bag: Bag, lesions: Mask, lungs: Mask | None = None) -> Pointing:
    """Compare a map with the true lesions.

    Parameters
    ----------
    heatmap : Heatmap
        With evidence: somewhere above 0.
    bag : Bag
        That the map is of; its affine gives mm.
    lesions : ndarray of bool, shape (slices, rows, columns)
        Of the canonical image, at least one voxel.
    lungs : ndarray of bool, of the same shape, optional
        True lungs, ill lung included.
    """
    index = int(bag.slices[heatmap.place])
    heat = paste(heatmap.heat, bag, (lesions.shape[1], lesions.shape[2]))
    used = ~np.isnan(heat)
    row, column = np.unravel_index(int(np.nanargmax(heat)), heat.shape)
    ill = lesions[index]
    within = used if lungs is None else lungs[index]
    values, truth = heat[used], ill[used]
    return Pointing(
        inside=bool(ill[row, column]),
        distance_mm=_distance(bag, lesions, (index, int(row), int(column))),
        chance=float(ill[within].mean()) if within.any() else 0.0,
        in_lesions=float(values[truth].sum() / values.sum()),
        lesion_area=float(truth.mean()),
        iou=tuple(_iou(values, truth, share) for share in TOP_SHARES),
        in_lungs=None if lungs is None else float(values[within[used]].sum() / values.sum()),
    )


def _distance(bag: Bag, lesions: Mask, peak: tuple[int, int, int]) -> float | None:
    """From the voxel `peak`, (slice, row, column), to the nearest voxel of a lesion."""
    if bag.affine is None:
        return None
    if lesions[peak]:
        return 0.0
    steps = (np.argwhere(lesions) - np.array(peak))[:, ::-1]  # (column, row, slice)
    return float(np.linalg.norm(steps @ bag.affine[:3, :3].T, axis=1).min())


def _iou(values: NDArray[np.float32], truth: Mask, share: float) -> float:
    count = max(1, round(share * len(values)))
    hot = np.zeros(len(values), np.bool_)
    hot[np.argsort(-values, kind="stable")[:count]] = True
    return float((hot & truth).sum() / (hot | truth).sum())

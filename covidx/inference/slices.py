"""The slices behind the score of an image: which decided, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from covidx.inference.prediction import Payload

if TYPE_CHECKING:
    from covidx.imaging.bags import Bag
    from covidx.ingest.records import ReadImage


@dataclass(frozen=True)
class SliceScore:
    """One slice that the network saw.

    Parameters
    ----------
    slice : int
        From 1, caudal to cranial.
    instance : int, optional
        InstanceNumber of its DICOM file, or number of its frame.
    position_mm : tuple of float, optional
        Its middle: x, y, z in DICOM's patient coordinates (LPS).
    score : float
        Probability of the positive class by this slice alone.
    weight : float
        Its share in the decision; 0: it did not decide.
    """

    slice: int
    instance: int | None
    position_mm: tuple[float, float, float] | None
    score: float
    weight: float

    def __str__(self) -> str:
        parts = [f"slice {self.slice}"]
        if self.instance is not None:
            parts.append(f"instance {self.instance}")
        if self.position_mm is not None:
            parts.append(f"z {self.position_mm[2]:.1f} mm")
        return f"{', '.join(parts)}: {self.score:.3f}"


@dataclass(frozen=True)
class ImagePayload(Payload):
    """The slices behind a score.

    Parameters
    ----------
    n_slices : int
        Of the whole image.
    slices : tuple of SliceScore
        Those that the network saw, caudal to cranial.
    members : tuple of float
        The score by each network of an ensemble alone: how far they disagree.
    """

    n_slices: int = 0
    slices: tuple[SliceScore, ...] = ()
    members: tuple[float, ...] = ()

    @property
    def deciding(self) -> list[SliceScore]:
        """The slices that decided, the highest score first."""
        return sorted((one for one in self.slices if one.weight > 0), key=lambda one: -one.score)

    def columns(self) -> dict[str, Any]:
        """Range of the networks' scores, number of slices, and those that decided as text."""
        several = self.members if len(self.members) > 1 else ()
        return {
            "lowest_network": min(several, default=None),
            "highest_network": max(several, default=None),
            "n_slices": self.n_slices or None,
            "deciding_slices": "; ".join(map(str, self.deciding)),
        }

    def lines(self) -> list[str]:
        """What each network of an ensemble gives, and the deciding slices of a volume."""
        lines = []
        if len(self.members) > 1:
            alone = ", ".join(f"{one:.3f}" for one in self.members)
            lines.append(f"its {len(self.members)} networks alone: {alone}")
        if self.n_slices < 2:
            return lines
        return [
            *lines,
            f"deciding slices of {self.n_slices}, caudal to cranial:",
            *(f"  {one}" for one in self.deciding),
        ]


def slice_payload(
    image: ReadImage,
    bag: Bag,
    scores: NDArray[np.float64],
    weights: NDArray[np.float64],
    members: NDArray[np.float64],
) -> ImagePayload:
    """Name the slices of a bag by number, instance and position.

    Parameters
    ----------
    image : ReadImage
        Gives the number of slices, and the InstanceNumber of each.
    bag : Bag
        Prepared from it.
    scores, weights : ndarray of float64, shape (n,)
        Of each slice: probability of the positive class, and share in the decision.
    members : ndarray of float64, shape (networks,)
        Probability of the positive class by each network alone.
    """
    instances = instances_of(
        image.instance_numbers, image.volume.affine, bag.slices.tolist(), bag.affine
    )
    positions = bag.positions_mm
    slices = tuple(
        SliceScore(
            int(number) + 1,
            instances[n],
            None if positions is None else _rounded(positions[n]),
            float(scores[n]),
            float(weights[n]),
        )
        for n, number in enumerate(bag.slices)
    )
    return ImagePayload(len(image.volume.canonical().array), slices, tuple(members.tolist()))


def _rounded(position: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (round(float(mm), 2) for mm in position)
    return x, y, z


def instances_of(
    numbers: Sequence[int | None],
    read: NDArray[np.float64] | None,
    slices: Sequence[int],
    affine: NDArray[np.float64] | None,
) -> list[int | None]:
    """The instance number of each of some slices, where slices of both grids are the same.

    Parameters
    ----------
    numbers : sequence of int or None
        InstanceNumber of each slice as it was read; empty where slices are no instances.
    read : ndarray, shape (4, 4), optional
        Affine of the volume as it was read; None where nothing proves where it lies.
    slices : sequence of int
        On a grid of the same voxels, such as that of the canonical volume.
    affine : ndarray, shape (4, 4), optional
        Of that grid.
    """
    nothing: list[int | None] = [None] * len(slices)
    if not numbers:
        return nothing
    if affine is None or read is None:
        return [numbers[n] for n in slices]
    # Canonical (column, row, slice) indices to those of the volume as it was read.
    turned = np.linalg.inv(read) @ affine
    if not np.isclose(abs(turned[2, 2]), 1.0):  # sagittal or coronal slices
        return nothing
    return [numbers[round(float(turned[2, 2] * n + turned[2, 3]))] for n in slices]

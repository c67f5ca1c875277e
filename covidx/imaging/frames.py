"""The grid on which a network segments: resampling an image and its labels to it, and back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from covidx.config import Config
from covidx.constants import ROUNDING
from covidx.errors import InvalidInputError
from covidx.imaging.bags import check_single, window
from covidx.volume import Volume, check_ct

STRETCH = (1.0, 99.0)
"""Percentiles of a radiograph's greys that become black and white: windows differ by maker."""
MAX_FRAME_PIXELS = 4_000_000
"""Pixels of a slice on the working grid above which it is refused: 4 m at 2 mm is no patient."""


class VolumeFraming(Config):
    """The working grid of a CT; written into the network's bundle."""

    input: Literal["volume"]
    pixel_mm: float = Field(2.0, gt=0, description="in the plane")
    slab_mm: float = Field(
        5.0,
        gt=0,
        description="2D: thin slices are averaged over this height; 3D: between slices",
    )
    level: float = Field(-350.0, description="HU")
    width: float = Field(1300.0, gt=0, description="HU")


class RadiographFraming(Config):
    """The working grid of a radiograph; written into the network's bundle."""

    input: Literal["radiograph"]
    size: int = Field(256, ge=32, description="pixels of the longer side")


Framing = Annotated[VolumeFraming | RadiographFraming, Field(discriminator="input")]


class Frame:
    """One image on the working grid of a network.

    Parameters
    ----------
    volume : Volume
        In reading order (``canonical()``).
    rows, columns : int
        Of the working grid.
    stack : ndarray of float, shape (working slices,)
        Where each working slice lies, in slices of `volume`.
    framing : Framing
        The working grid's recipe.
    """

    def __init__(
        self, volume: Volume, grid: tuple[int, int], stack: NDArray[np.float64], framing: Any
    ) -> None:
        self.volume, self.stack, self.framing = volume, stack, framing
        self.rows, self.columns = grid
        self._greys: tuple[float, float] | None = None
        if framing.input == "radiograph":
            low, high = np.percentile(volume.array, STRETCH)
            self._greys = (float(low), max(float(high), float(low) + 1e-6))

    def __len__(self) -> int:
        return len(self.stack)

    def image(self, first: int, end: int) -> NDArray[np.uint8]:
        """Working slices `first` to `end`, (n, rows, columns), as bytes."""
        slices = np.stack([self._slab(place) for place in self.stack[first:end]])
        sized = _resized(slices[:, None], (self.rows, self.columns))[:, 0]
        return np.rint(sized * 255).clip(0, 255).astype(np.uint8)

    def labels(self, labels: NDArray[Any], classes: int) -> NDArray[np.uint8]:
        """Resample labels to the working grid: each pixel takes the class of its largest part.

        Parameters
        ----------
        labels : ndarray of int, shape (slices, rows, columns)
            On the grid of `volume`.
        classes : int
            How many classes there are; labels are below it.

        Returns
        -------
        ndarray of uint8, shape (working slices, rows, columns)
        """
        result = np.empty((len(self), self.rows, self.columns), np.uint8)
        for number, place in enumerate(self.stack):
            near = labels[round(float(place))]
            shares = np.stack([near == label for label in range(classes)]).astype(np.float32)
            result[number] = _resized(shares[None], (self.rows, self.columns))[0].argmax(axis=0)
        return result

    def to_volume(self, probabilities: Tensor, first: int, index: int) -> Tensor:
        """Interpolate class probabilities at one slice of `volume`.

        Parameters
        ----------
        probabilities : Tensor, shape (classes, n, rows, columns)
            Of working slices `first` to ``first + n``.
        first : int
            The first of these working slices.
        index : int
            The slice of `volume`; it lies between them, or beyond an end of the whole stack.

        Returns
        -------
        Tensor
            (classes, rows, columns) of `volume`.
        """
        place = float(np.interp(index, self.stack, np.arange(len(self)))) - first
        low = min(max(int(place), 0), probabilities.shape[1] - 1)
        high, weight = min(low + 1, probabilities.shape[1] - 1), place - low
        mixed = probabilities[:, low]
        if weight:
            mixed = torch.lerp(mixed, probabilities[:, high], weight)
        return functional.interpolate(
            mixed[None], self.volume.array.shape[1:], mode="bilinear", align_corners=False
        )[0]

    def _slab(self, place: float) -> NDArray[np.float32]:
        """Greys 0..1 of the slices about a place."""
        array = self.volume.array
        if self._greys is not None:
            low, high = self._greys
            stretched: NDArray[np.float32] = (array[0].astype(np.float32) - low) / (high - low)
            return stretched.clip(0, 1)
        assert self.volume.spacing_mm is not None
        reach = self.framing.slab_mm / 2 / self.volume.spacing_mm[0]
        first = max(0, int(np.ceil(place - reach - ROUNDING)))
        end = min(len(array), int(place + reach + ROUNDING) + 1)
        if end <= first:  # thick slices: the nearest one
            first = min(len(array) - 1, round(place))
            end = first + 1
        mean: NDArray[np.float32] = array[first:end].mean(axis=0, dtype=np.float32)
        return window(mean, self.framing.level, self.framing.width)


def make_frame(
    volume: Volume, framing: VolumeFraming | RadiographFraming, dimensions: int
) -> Frame:
    """Prepare the working grid of an image.

    Parameters
    ----------
    volume : Volume
        In any orientation.
    framing : Framing
        The working grid's recipe.
    dimensions : int
        Of the network: in 2D each slice of the volume has its own working slice.

    Raises
    ------
    InvalidInputError
        ``NOT_RADIOGRAPH``, ``FRAME_TOO_LARGE``, or as `check_ct`.
    """
    if isinstance(framing, RadiographFraming):
        check_single(volume, "radiograph")
        _, rows, columns = volume.array.shape
        scale = framing.size / max(rows, columns)
        grid = (max(1, round(rows * scale)), max(1, round(columns * scale)))
        return Frame(volume, grid, np.zeros(1), framing)
    check_ct(volume)
    volume = volume.canonical()
    spacing = volume.spacing_mm
    assert spacing is not None
    slices, rows, columns = volume.array.shape
    grid = (
        max(1, round(rows * spacing[1] / framing.pixel_mm)),
        max(1, round(columns * spacing[2] / framing.pixel_mm)),
    )
    if grid[0] * grid[1] > MAX_FRAME_PIXELS:
        raise InvalidInputError(
            "FRAME_TOO_LARGE",
            "The slices are larger than any patient.",
            expected=f"at most {MAX_FRAME_PIXELS} pixels of {framing.pixel_mm:g} mm",
            actual=f"{grid[0]} x {grid[1]}",
            hint="Correct the pixel spacing, or leave this image out.",
        )
    if dimensions == 2:
        return Frame(volume, grid, np.arange(slices, dtype=np.float64), framing)
    count = max(2, round((slices - 1) * spacing[0] / framing.slab_mm) + 1)
    return Frame(volume, grid, np.linspace(0, slices - 1, count), framing)


def _resized(images: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """(n, channels, rows, columns) to another size, antialiased."""
    tensor = torch.from_numpy(np.ascontiguousarray(images))
    sized = functional.interpolate(
        tensor, size, mode="bilinear", align_corners=False, antialias=True
    )
    return np.asarray(sized)

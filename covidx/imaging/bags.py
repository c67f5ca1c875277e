"""Volume -> bag of slices: the input of every image classifier, in training and in use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch.nn import functional

from covidx.config import Config
from covidx.constants import DISPLAY_MAX, LUNG_WINDOW, ROUNDING
from covidx.errors import InvalidInputError
from covidx.segmentation import segment_lungs
from covidx.volume import Volume
from covidx.wording import counted

Box = tuple[int, int, int, int]

RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])
PICTURE = "OT"
"""Modality of a picture that no table describes: it may be of anything."""
SINGLE = {
    "slice": ("NOT_CT", "This is not a CT.", ("CT", PICTURE)),
    "radiograph": ("NOT_RADIOGRAPH", "This is not a radiograph.", ("CR", "DX", PICTURE)),
}
"""Kind of a single image -> code and message where it is another one, and its modalities."""


class Preprocessing(Config):
    """How an image becomes a bag of slices; written into every bundle."""

    input: Literal["volume", "slice", "radiograph"] = "volume"
    slices: int = Field(16, ge=1, description="slices taken from a volume")
    rows: int = Field(80, ge=32)
    columns: int = Field(112, ge=32)
    slab_mm: float = Field(5.0, gt=0, description="thin slices are averaged over this height")
    margin_mm: float = Field(6.0, ge=0, description="kept around the lungs")
    level: float = Field(LUNG_WINDOW[0], description="HU")
    width: float = Field(LUNG_WINDOW[1], gt=0, description="HU")
    lungs_only: bool = Field(False, description="black outside the lungs; volumes alone")

    @model_validator(mode="after")
    def _lungs_of_volumes(self) -> Self:
        if self.lungs_only and self.input != "volume":
            raise ValueError(
                f"lungs_only is for volumes: lungs are not segmented in a {self.input}"
            )
        return self


@dataclass(frozen=True, eq=False)
class Bag:
    """The slices of one image that a classifier scores.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (n, rows, columns)
        Windowed slices from feet to head; the first column is the patient's right.
    slices : ndarray of int64, shape (n,)
        Their indices in the canonical volume.
    box : tuple of int
        First and end row, first and end column of the crop, in the canonical volume.
    affine : ndarray of float64, shape (4, 4), optional
        Of the canonical volume: (column, row, slice) to mm in RAS+; None where nothing proves
        where the image lies, and of a bag from a cache.
    lungs : ndarray of uint8, shape (n, rows, columns), optional
        Share of each pixel that is lung (`segment_lungs`), 0 to 255; None of a single slice, a
        picture or a radiograph, whose lungs are not segmented, and of a bag from a cache.
    """

    pixels: NDArray[np.uint8]
    slices: NDArray[np.int64]
    box: Box
    affine: NDArray[np.float64] | None = None
    lungs: NDArray[np.uint8] | None = None

    @property
    def positions_mm(self) -> NDArray[np.float64] | None:
        """Middle of each slice's crop, shape (n, 3): mm in DICOM's patient coordinates (LPS).

        None where nothing proves where the image lies.
        """
        if self.affine is None:
            return None
        top, bottom, left, right = self.box
        middle = np.full((len(self.slices), 4), 1.0)
        middle[:, 0], middle[:, 1] = (left + right - 1) / 2, (top + bottom - 1) / 2
        middle[:, 2] = self.slices
        positions: NDArray[np.float64] = (middle @ self.affine.T)[:, :3] * RAS_TO_LPS
        return positions


def window(values: NDArray[np.generic], level: float, width: float) -> NDArray[np.float32]:
    """HU to 0..1 through a window (PS3.3 C.11.2.1.2, linear exact).

    Parameters
    ----------
    values : ndarray
        HU, of any shape.
    level, width : float
        The middle of the window and its width, in HU.

    Returns
    -------
    ndarray of float32
        0 to 1, of the shape of `values`.

    Examples
    --------
    >>> window(np.array([-1350.0, -600.0, 150.0]), -600.0, 1500.0)
    array([0. , 0.5, 1. ], dtype=float32)
    """
    scaled = (values.astype(np.float32) - (level - width / 2)) / width
    greys: NDArray[np.float32] = np.clip(scaled, 0.0, 1.0)
    return greys


def prepare(volume: Volume, preprocessing: Preprocessing) -> Bag:
    """Make the bag of slices of one image.

    A volume is turned to radiological orientation, cropped to the box of its lungs, and cut into
    `preprocessing.slices` slabs spread evenly over them (`segment_lungs`; one lung is enough). A
    single slice, picture or radiograph is taken as a whole.

    Parameters
    ----------
    volume : Volume
        In any orientation.
    preprocessing : Preprocessing
        Of the bundle, or of the configuration.

    Raises
    ------
    InvalidInputError
        ``NOT_RADIOGRAPH``, ``NOT_CT``, ``HU_UNPROVEN``, ``GEOMETRY_UNPROVEN``, ``SINGLE_SLICE``
        or ``NO_LUNGS``.
    """
    volume, lungs = volume.canonical(), None
    if preprocessing.input == "radiograph" or (
        len(volume.array) == 1 and preprocessing.input == "slice"
    ):
        check_single(volume, preprocessing.input)
        _, rows, columns = volume.array.shape
        box, chosen = (0, rows, 0, columns), np.zeros(1, dtype=np.int64)
    else:
        lungs = segment_lungs(volume, sides=False) > 0
        box = _lung_box(lungs, volume, preprocessing.margin_mm)
        chosen = _spread(lungs, preprocessing.slices)
    slabs = _cut(volume.array, volume, chosen, box, preprocessing)
    greys = _resize(_grey(slabs, volume, preprocessing), preprocessing)
    affine = volume.affine if volume.geometry == "proven" else None
    bag = Bag(_to_bytes(greys), chosen, box, affine)
    if lungs is None:
        return bag
    share = prepare_mask(lungs, volume, bag, preprocessing)
    pixels = _to_bytes(greys * share) if preprocessing.lungs_only else bag.pixels
    return replace(bag, pixels=pixels, lungs=_to_bytes(share))


def prepare_mask(
    mask: NDArray[np.bool_], volume: Volume, bag: Bag, preprocessing: Preprocessing
) -> NDArray[np.float32]:
    """Bring a mask onto the pixels of a bag, by the same steps as the image.

    Parameters
    ----------
    mask : ndarray of bool, shape (slices, rows, columns)
        On the grid of ``volume.canonical()``.
    volume : Volume
        The image that `bag` was prepared from.
    bag : Bag
        As `prepare` gave it.
    preprocessing : Preprocessing
        As `bag` was prepared.

    Returns
    -------
    ndarray of float32, shape (n, preprocessing.rows, preprocessing.columns)
        Share of each pixel of the bag that the mask covers, 0 to 1.
    """
    slabs = _cut(mask, volume.canonical(), bag.slices, bag.box, preprocessing)
    return _resize(slabs.astype(np.float32), preprocessing).clip(
        0, 1
    )  # weights sum to 1 but for rounding


def _cut(
    values: NDArray[Any],
    volume: Volume,
    chosen: NDArray[np.int64],
    box: Box,
    preprocessing: Preprocessing,
) -> NDArray[Any]:
    """The chosen slabs of a volume, cropped; a single slice is its own slab."""
    top, bottom, left, right = box
    crop = values[:, top:bottom, left:right]
    if len(crop) == 1:
        return crop
    return np.stack([_slab(crop, index, volume, preprocessing.slab_mm) for index in chosen])


def check_single(volume: Volume, kind: str) -> None:
    """Refuse a `volume` that is no single slice or radiograph (`kind`); pictures are let through.

    Raises
    ------
    InvalidInputError
        ``NOT_CT`` or ``NOT_RADIOGRAPH``.
    """
    code, message, modalities = SINGLE[kind]
    if volume.modality not in modalities or len(volume.array) != 1:
        actual = f"{volume.modality}, {counted(len(volume.array), 'slice')}"
        raise InvalidInputError(code, message, expected=" or ".join(modalities), actual=actual)


def _grey(
    values: NDArray[np.generic], volume: Volume, preprocessing: Preprocessing
) -> NDArray[np.float32]:
    if volume.units == "display":
        return window(values, DISPLAY_MAX / 2, DISPLAY_MAX)
    return window(values, preprocessing.level, preprocessing.width)


def _resize(greys: NDArray[np.float32], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """To (n, preprocessing.rows, preprocessing.columns), antialiased."""
    images = torch.from_numpy(np.ascontiguousarray(greys))[:, None]  # (n, 1, rows, columns)
    sized = functional.interpolate(
        images,
        (preprocessing.rows, preprocessing.columns),
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )
    return np.asarray(sized[:, 0])


def _to_bytes(greys: NDArray[np.float32]) -> NDArray[np.uint8]:
    return (torch.from_numpy(greys) * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def _lung_box(lungs: NDArray[np.bool_], volume: Volume, margin_mm: float) -> Box:
    assert volume.spacing_mm is not None
    ends: list[int] = []
    for axis, mm in ((1, volume.spacing_mm[1]), (2, volume.spacing_mm[2])):
        others = tuple({0, 1, 2} - {axis})
        places = np.nonzero(lungs.any(axis=others))[0]
        margin = round(margin_mm / mm - ROUNDING)
        ends += [max(0, int(places[0]) - margin)]
        ends += [min(lungs.shape[axis], int(places[-1]) + 1 + margin)]
    return ends[0], ends[1], ends[2], ends[3]


def _spread(lungs: NDArray[np.bool_], n: int) -> NDArray[np.int64]:
    """Up to `n` slices, evenly over those that show a fair share of lung."""
    area = lungs.sum(axis=(1, 2))
    shown = np.nonzero(area >= 0.15 * area.max())[0]
    evenly = np.linspace(shown[0], shown[-1], min(n, int(shown[-1] - shown[0]) + 1))
    return np.rint(evenly).astype(np.int64)


def _slab(
    crop: NDArray[np.generic], index: int, volume: Volume, slab_mm: float
) -> NDArray[np.float32]:
    """Mean of the slices whose middles lie within half a slab of slice `index`."""
    reach = slab_reach(volume, slab_mm)
    part = crop[max(0, index - reach) : index + reach + 1]
    mean: NDArray[np.float32] = part.mean(axis=0, dtype=np.float32)
    return mean


def slab_reach(volume: Volume, slab_mm: float) -> int:
    """Slices on each side of a slice of `volume` that are averaged into a slab of `slab_mm`."""
    if len(volume.array) == 1:
        return 0
    assert volume.spacing_mm is not None
    return int(slab_mm / 2 / volume.spacing_mm[0] + ROUNDING)

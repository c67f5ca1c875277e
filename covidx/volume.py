"""The one image in memory: frozen, and valid from its construction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from covidx.constants import DIRECTION_TOLERANCE, LUNG_WINDOW, MIN_VOLUME_SLICES
from covidx.errors import InvalidInputError, InvalidSeriesError
from covidx.html import picture
from covidx.scratch import in_order, planes

Units = Literal["hu", "unproven", "display"]
"""``hu``: proven Hounsfield units. ``unproven``: CT values whose scale nothing vouches for.
``display``: greys made for looking at, 0 to 255."""

Geometry = Literal["proven", "spacing_only", "none"]
"""``proven``: affine from positions and orientations. ``spacing_only``: distances known, but not
where. ``none``: pixels alone."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Volume:
    """An image with what is known of its units and its place in the patient.

    Parameters
    ----------
    array : ndarray, shape (slices, rows, columns)
        Values; made read-only. A radiograph or single slice has one slice.
    modality : str
        DICOM modality (``CT``, ``MR``, ``CR``, ``DX``), or ``OT`` where unknown.
    units : {"hu", "unproven", "display"}
        As `Units`: HU, CT values of unknown scale, or greys from 0 to 255.
    geometry : {"proven", "spacing_only", "none"}
        As `Geometry`: whether place, or distances alone, or neither are known.
    affine : ndarray, shape (4, 4), optional
        Maps (column, row, slice) indices to mm in RAS+ (NIfTI's convention: x grows to the
        patient's right, y to the front, z to the head).
        Present exactly where geometry is ``proven`` or ``spacing_only``.
    resampled : str
        How voxels were interpolated between the measured ones (a tilt that was corrected, slices
        that were missing); empty where they are the measured ones.

    Raises
    ------
    InvalidSeriesError
        ``VOLUME_INVALID``, where shape, values or affine contradict each other.
    """

    array: NDArray[Any]
    modality: str
    units: Units
    geometry: Geometry
    affine: FloatArray | None = None
    resampled: str = ""

    def __post_init__(self) -> None:
        if self.array.ndim != 3 or 0 in self.array.shape:
            raise _invalid("shape", "(slices, rows, columns), none of them 0", self.array.shape)
        if self.array.dtype.kind not in "iuf":
            raise _invalid("dtype", "integer or float", self.array.dtype)
        if self.array.dtype.kind == "f" and not all(
            np.isfinite(plane).all() for plane in planes(self.array)
        ):
            raise _invalid("values", "finite", "NaN or infinity")
        if self.units not in get_args(Units):
            raise _invalid("units", get_args(Units), self.units)
        if self.geometry not in get_args(Geometry):
            raise _invalid("geometry", get_args(Geometry), self.geometry)
        if (self.affine is None) != (self.geometry == "none"):
            raise _invalid("affine", "an affine exactly where there is a geometry", self.geometry)
        self.array.flags.writeable = False
        if self.affine is not None:
            object.__setattr__(self, "affine", _checked_affine(self.affine))

    def __repr__(self) -> str:
        return f"Volume({self._summary})"

    def _repr_html_(self) -> str:
        """The middle slice, in a lung window where values are HU, for notebooks."""
        upright = self.canonical()
        index, spacing = len(upright.array) // 2, upright.spacing_mm or (1.0, 1.0, 1.0)
        plane = upright.array[index].astype(np.float32)
        low, high = {
            "hu": (LUNG_WINDOW[0] - LUNG_WINDOW[1] / 2, LUNG_WINDOW[0] + LUNG_WINDOW[1] / 2),
            "display": (0.0, 255.0),
        }.get(self.units, (float(plane.min()), float(plane.max())))
        greys = 255 * np.clip((plane - low) / max(high - low, 1e-6), 0, 1)
        count = len(upright.array)
        where = f"; slice {index + 1} of {count}, caudal to cranial" if count > 1 else ""
        return picture(
            greys.astype(np.uint8),
            f"{self._summary}{where}",
            height_per_width=spacing[1] / spacing[2],
            sides=self.geometry == "proven",
        )

    @property
    def _summary(self) -> str:
        shape = " x ".join(map(str, self.array.shape))
        spacing = self.spacing_mm
        mm = "" if spacing is None else f", {' x '.join(f'{one:.3g}' for one in spacing)} mm"
        units = {"hu": "HU", "display": "greys"}.get(self.units, "values of unproven scale")
        return f"{self.modality}, {shape}{mm}, {units}, geometry {self.geometry}"

    @property
    def spacing_mm(self) -> tuple[float, float, float] | None:
        """Distances in mm between (slices, rows, columns); None without a geometry."""
        if self.affine is None:
            return None
        column, row, slice_ = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(slice_), float(row), float(column)

    @property
    def voxel_ml(self) -> float | None:
        """Volume of a voxel in ml; None without a geometry."""
        if self.affine is None:
            return None
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def canonical(self) -> Volume:
        """The same voxels in radiological reading order, by transposing and flipping alone.

        Slices run from feet to head, rows from front to back, columns from the patient's right
        to left, as near as the grid allows: the first column of a shown slice is the patient's
        right. A volume without proven geometry is returned as it is.
        """
        if self.affine is None or self.geometry != "proven":
            return self
        reading = nib.orientations.axcodes2ornt(("L", "P", "S"))  # (column, row, slice)
        here = nib.orientations.io_orientation(self.affine)
        change = nib.orientations.ornt_transform(here, reading)
        xyz = self.array.transpose(2, 1, 0)  # (column, row, slice)
        moved = nib.orientations.apply_orientation(xyz, change)
        affine = self.affine @ nib.orientations.inv_ornt_aff(change, xyz.shape)
        array = in_order(moved.transpose(2, 1, 0))  # (slices, rows, columns)
        return replace(self, array=array, affine=affine)

    def slice_position_mm(self, index: int) -> float | None:
        """Height in mm (superior positive) of the middle of slice `index`; None without proof."""
        if self.affine is None or self.geometry != "proven":
            return None
        _, rows, columns = self.array.shape
        centre = np.array([(columns - 1) / 2, (rows - 1) / 2, index, 1.0])
        return float((self.affine @ centre)[2])


def check_ct(volume: Volume) -> None:
    """Refuse a `volume` that is not CT in proven HU with a proven geometry.

    Raises
    ------
    InvalidInputError
        ``NOT_CT``, ``SINGLE_SLICE``, ``GEOMETRY_UNPROVEN`` or ``HU_UNPROVEN``.
    """
    slices = len(volume.array)
    facts: tuple[tuple[str, str, bool, object, object], ...] = (
        ("NOT_CT", "This is not a CT.", volume.modality == "CT", "CT", volume.modality),
        (
            "SINGLE_SLICE",
            "This is too short to be a volume.",
            slices >= MIN_VOLUME_SLICES,
            f"at least {MIN_VOLUME_SLICES} slices",
            slices,
        ),
        (
            "GEOMETRY_UNPROVEN",
            "Nothing proves where these slices lie.",
            volume.geometry == "proven",
            "positions and orientations",
            volume.geometry,
        ),
        (
            "HU_UNPROVEN",
            "Nothing proves that these values are Hounsfield units.",
            volume.units == "hu",
            "hu",
            volume.units,
        ),
    )
    for code, message, holds, expected, actual in facts:
        if not holds:
            raise InvalidInputError(code, message, expected=expected, actual=actual)


def _checked_affine(affine: FloatArray) -> FloatArray:
    affine = np.array(affine, dtype=np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise _invalid("affine", "a finite 4 x 4 matrix", affine.tolist())
    norms = np.linalg.norm(affine[:3, :3], axis=0)
    if (norms <= 0).any():
        raise _invalid("spacing", "above 0 mm", norms.tolist())
    directions = affine[:3, :3] / norms
    if abs(np.linalg.det(directions)) < DIRECTION_TOLERANCE:
        raise _invalid("affine", "three independent axes", affine.tolist())
    affine.flags.writeable = False
    return affine


def _invalid(what: str, expected: object, actual: object) -> InvalidSeriesError:
    return InvalidSeriesError(
        "VOLUME_INVALID",
        f"The {what} of an image is not usable.",
        expected=expected,
        actual=actual,
    )

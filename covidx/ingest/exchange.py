"""A `Volume` to and from MONAI and highdicom, which are asked for only when they are needed.

Units do not travel: a transform may have changed the values since. Say what they are, or they are
found as in a NIfTI file.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.errors import InvalidInputError
from covidx.ingest.dicom.geometry import LPS_TO_RAS
from covidx.ingest.dicom.units import compact, found_units
from covidx.volume import Geometry, Units, Volume

REVERSED = [2, 1, 0, 3]
"""(column, row, slice) as (slice, row, column), and back; the translation stays."""


def to_metatensor(volume: Volume) -> Any:
    """A MONAI `MetaTensor` of `volume`, channel first.

    Returns
    -------
    MetaTensor, shape (1, columns, rows, slices)
        With the affine to RAS+ mm, as MONAI's ``LoadImage(ensure_channel_first=True)`` gives it;
        its ``meta`` keeps modality, geometry and what was interpolated.

    Raises
    ------
    InvalidInputError
        ``LIBRARY_MISSING``.
    """
    monai = _library("monai.data", "monai")
    array = np.array(volume.array.transpose(2, 1, 0)[None])  # a copy: tensors are writable
    meta = {"modality": volume.modality, "geometry": volume.geometry, "space": "RAS"}
    meta["resampled"] = volume.resampled
    affine = np.eye(4) if volume.affine is None else np.array(volume.affine)
    return monai.MetaTensor(array, affine=affine, meta=meta)


def from_metatensor(
    tensor: Any, *, modality: str | None = None, units: Units | None = None
) -> tuple[Volume, str]:
    """A volume, and how its units were found.

    Parameters
    ----------
    tensor : MetaTensor, shape (columns, rows, slices) or (1, columns, rows, slices)
        An affine that nobody set, the identity, counts as no geometry.
    modality, units : str, optional
        As for `from_nibabel`.

    Raises
    ------
    InvalidInputError
        ``TENSOR_SHAPE``.
    InvalidSeriesError
        ``VOLUME_INVALID``.
    """
    array = tensor.detach().cpu().numpy()
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 3:
        raise InvalidInputError(
            "TENSOR_SHAPE",
            "The tensor is no single volume.",
            expected="(columns, rows, slices), or one channel of that",
            actual=tuple(array.shape),
        )
    affine = np.asarray(tensor.affine.cpu(), dtype=np.float64)
    if str(tensor.meta.get("space", "RAS")) == "LPS":
        affine = LPS_TO_RAS @ affine
    unset = "none" if np.array_equal(affine, np.eye(4)) else "proven"
    geometry: Geometry = tensor.meta.get("geometry", unset)
    return _volume(
        array.transpose(2, 1, 0),
        (modality or tensor.meta.get("modality"), units),
        geometry,
        None if geometry == "none" else affine,
        str(tensor.meta.get("resampled", "")),
    )


def to_highdicom(volume: Volume) -> Any:
    """A `highdicom.Volume` of `volume` in the patient's coordinate system.

    Returns
    -------
    highdicom.Volume, shape (slices, rows, columns)
        With its affine to LPS+ mm, which is DICOM's.

    Raises
    ------
    InvalidInputError
        ``LIBRARY_MISSING``, ``GEOMETRY_ABSENT`` where the geometry is not proven, or
        ``GEOMETRY_OBLIQUE`` where the axes are not at right angles.
    """
    highdicom = _library("highdicom", "highdicom")
    if volume.affine is None or volume.geometry != "proven":
        raise InvalidInputError(
            "GEOMETRY_ABSENT",
            "A highdicom volume needs a place in the patient.",
            expected="geometry proven",
            actual=volume.geometry,
        )
    affine = (LPS_TO_RAS @ volume.affine)[:, REVERSED]
    try:
        return highdicom.Volume(np.array(volume.array), affine, coordinate_system="PATIENT")
    except ValueError as error:
        raise InvalidInputError(
            "GEOMETRY_OBLIQUE",
            "highdicom takes no volume whose axes are not at right angles.",
            actual=affine.tolist(),
        ) from error


def from_highdicom(
    other: Any, *, modality: str | None = None, units: Units | None = None
) -> tuple[Volume, str]:
    """A volume, and how its units were found.

    Parameters
    ----------
    other : highdicom.Volume, shape (slices, rows, columns)
        Without channels, in the patient's coordinate system.
    modality, units : str, optional
        As for `from_nibabel`.

    Raises
    ------
    InvalidInputError
        ``TENSOR_SHAPE`` or ``GEOMETRY_ABSENT``.
    InvalidSeriesError
        ``VOLUME_INVALID``.
    """
    if other.array.ndim != 3:
        raise InvalidInputError(
            "TENSOR_SHAPE", "The volume has channels.", actual=tuple(other.array.shape)
        )
    if other.coordinate_system.value != "PATIENT":
        raise InvalidInputError(
            "GEOMETRY_ABSENT",
            "The volume does not lie in a patient.",
            expected="PATIENT",
            actual=other.coordinate_system.value,
        )
    affine = LPS_TO_RAS @ np.asarray(other.affine)[:, REVERSED]
    return _volume(other.array, (modality, units), "proven", affine)


def _volume(
    array: NDArray[Any],
    known: tuple[str | None, Units | None],
    geometry: Geometry,
    affine: NDArray[np.float64] | None,
    resampled: str = "",
) -> tuple[Volume, str]:
    kept = compact(np.array(array, order="C"))  # a copy: a Volume's array is frozen
    modality, units, units_from = found_units(kept, *known)
    return Volume(kept, modality, units, geometry, affine, resampled), units_from


def _library(name: str, package: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise InvalidInputError(
            "LIBRARY_MISSING",
            f"{package} is not installed.",
            hint=f"pip install {package.lower()}",
        ) from error

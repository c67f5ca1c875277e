"""Masks that must lie on a volume's grid, in whatever order their voxels are stored."""

from __future__ import annotations

from itertools import product
from typing import Any, TypeVar

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from covidx.constants import FORM_TOLERANCE_MM
from covidx.errors import InvalidInputError
from covidx.scratch import in_order
from covidx.volume import Volume

T = TypeVar("T", np.uint8, np.float32)


def on_grid(mask: Volume, volume: Volume, name: str) -> NDArray[Any]:
    """The values of a mask in the order of ``volume.canonical()``.

    Parameters
    ----------
    mask, volume : Volume
        Both with a proven geometry.
    name : str
        What the mask is called in an error.

    Returns
    -------
    ndarray, shape (slices, rows, columns)
        Slices run to the head, rows to the back, columns to the patient's left.

    Raises
    ------
    InvalidInputError
        ``MASK_SHAPE``, ``MASK_UNPLACED``, or ``MASK_ELSEWHERE``: a corner of the grid lies more
        than `constants.FORM_TOLERANCE_MM` from the volume's.
    """
    if mask.geometry != "proven":
        raise _refused("MASK_UNPLACED", name, "positions and orientations", mask.geometry)
    mask, volume = mask.canonical(), volume.canonical()
    if mask.array.shape != volume.array.shape:
        raise _refused("MASK_SHAPE", name, volume.array.shape, mask.array.shape)
    assert mask.affine is not None and volume.affine is not None
    ends = [(0, n - 1) for n in reversed(volume.array.shape)]  # (column, row, slice)
    corners = np.array([(*corner, 1) for corner in product(*ends)], dtype=np.float64)
    apart = float(np.linalg.norm(corners @ (mask.affine - volume.affine).T, axis=1).max())
    if apart > FORM_TOLERANCE_MM:
        within = f"corners within {FORM_TOLERANCE_MM} mm"
        raise _refused("MASK_ELSEWHERE", name, within, f"{apart:.1f} mm apart")
    return mask.array


def in_order_of(labels: NDArray[T], volume: Volume) -> NDArray[T]:
    """Turn values on the grid of ``volume.canonical()`` back into the order of `volume`.

    Parameters
    ----------
    labels : ndarray, shape (slices, rows, columns)
        On the grid of ``volume.canonical()``.
    volume : Volume
        Whose stored order of axes is wanted; one without a proven geometry has no other.

    Returns
    -------
    ndarray, of the shape of `volume.array`
        A view of `labels` where memory order allows.
    """
    if volume.affine is None or volume.geometry != "proven":  # canonical() left it as it was
        return labels
    reading = nib.orientations.axcodes2ornt(("L", "P", "S"))
    change = nib.orientations.ornt_transform(
        reading, nib.orientations.io_orientation(volume.affine)
    )
    xyz = nib.orientations.apply_orientation(labels.transpose(2, 1, 0), change)
    return in_order(xyz.transpose(2, 1, 0))  # (slices, rows, columns)


def check_values(values: NDArray[Any], allowed: tuple[int, ...], name: str, means: str) -> None:
    """Refuse a mask with values other than the allowed ones.

    Parameters
    ----------
    values : ndarray
        The mask, of any shape.
    allowed : tuple of int
        Values that it may hold.
    name : str
        What the mask is of, in the plural, for the error.
    means : str
        What the allowed values mean, for the error.

    Raises
    ------
    InvalidInputError
        ``MASK_VALUES``.
    """
    wrong = np.unique(values[~np.isin(values, allowed)])
    if len(wrong):
        raise InvalidInputError(
            "MASK_VALUES",
            f"The mask of the {name} holds values that it must not hold.",
            expected=means,
            actual=", ".join(f"{value:g}" for value in wrong[:5]),
            hint="Recode the mask to these values.",
        )


def _refused(code: str, name: str, expected: object, actual: object) -> InvalidInputError:
    return InvalidInputError(
        code,
        f"The mask of the {name} does not lie on the grid of the volume.",
        expected=expected,
        actual=actual,
        hint="Make the mask on the volume itself, or resample it onto its grid first.",
    )

"""Where the voxels of a NIfTI file lie: by sform, qform or pixdim, checked against each other."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from covidx.constants import FORM_TOLERANCE_MM, TILT_TOLERANCE_DEG, VOXEL_MM
from covidx.errors import InvalidInputError
from covidx.volume import Geometry

FloatArray = NDArray[np.float64]

MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}
"""mm in a spatial unit of NIfTI; a file without one is taken for mm, as is usual."""
TEMPLATES = (3, 4)
"""Form codes of Talairach's and the MNI's spaces (nifti1.h)."""
SIZE_TOLERANCE = 0.01
"""Share by which the voxel size of a form may differ from pixdim: both are 32-bit floats."""


def placed(image: Any) -> tuple[Geometry, FloatArray | None, str]:
    """Geometry, affine to RAS+ mm, and the evidence for them in words.

    The sform if its code is above 0, else the qform (nifti1.h, METHOD 3 and 2). An identity counts
    for nothing: programs write it where they know no place.

    Parameters
    ----------
    image : nibabel image
        Of NIfTI-1 or NIfTI-2; its header is read alone.

    Raises
    ------
    InvalidInputError
        ``NIFTI_AFFINE``, also where the form and pixdim give voxels of different sizes.
    """
    try:
        forms = {name: getattr(image, f"get_{name}")(coded=True) for name in ("sform", "qform")}
    except (ValueError, HeaderDataError) as error:  # a quaternion longer than 1
        raise _bad_affine("The qform of the NIfTI image is no affine.", None) from error
    unit = image.header.get_xyzt_units()[0]
    to_mm = MM.get(unit, 1.0)
    notes = "" if to_mm == 1 else f", in {unit}"
    usable = {name: form for name, (form, _) in forms.items() if form is not None}
    known = {n: form for n, form in usable.items() if not np.array_equal(form, np.eye(4))}
    steps = np.array(image.header.get_zooms()[:3], dtype=float)
    if not known:
        orientation = (
            ", no orientation" if not usable else ", its affine is the identity, a placeholder"
        )
        if len(steps) < 3 or not (steps > 0).all():
            return "none", None, "it has neither place nor spacing"
        # METHOD 1: distances alone; nothing says where the axes point.
        affine = np.diag([*steps * to_mm, 1.0])
        return "spacing_only", affine, f"spacing from pixdim{notes}{orientation}"
    name = next(iter(known))
    form = known[name]
    notes += _check_sizes(name, form, steps)
    if len(known) > 1:
        apart = _apart(known["sform"], known["qform"], image.shape) * to_mm
        if apart > FORM_TOLERANCE_MM:
            notes += f", not from the qform, which lies up to {apart:.1f} mm away"
    notes += ", in the space of a template" if forms[name][1] in TEMPLATES else ""
    return judged(np.diag([to_mm, to_mm, to_mm, 1.0]) @ form, f"the {name}", notes)


def judged(affine: FloatArray, name: str, notes: str) -> tuple[Geometry, FloatArray, str]:
    """Geometry and affine by a header, as 32-bit floats have it, with all doubts in words.

    Parameters
    ----------
    affine : ndarray, shape (4, 4)
        Indices to RAS+ mm.
    name : str
        What it is from.
    notes : str
        Doubts that are known already, each after a comma.

    Raises
    ------
    InvalidInputError
        ``NIFTI_AFFINE``.
    """
    affine = affine.astype(np.float32).astype(np.float64)
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise _bad_affine(f"{name.capitalize()} gives no affine.", affine.tolist())
    if not VOXEL_MM[0] <= sizes.min() <= sizes.max() <= VOXEL_MM[1]:
        notes += f", voxels of {sizes.min():.3g} to {sizes.max():.3g} mm, as no scanner makes them"
        return "spacing_only", affine, f"affine from {name}{notes}"
    return "proven", affine, f"affine from {name}{notes}{_remarks(affine)}"


def _remarks(affine: FloatArray) -> str:
    """What a reader of the receipt should know of an affine that is followed."""
    notes = ""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs(directions.T @ directions - np.eye(3)).max()
    skew = float(np.degrees(np.arcsin(min(1.0, cosines))))
    if skew > TILT_TOLERANCE_DEG:
        notes += f", its axes {skew:.1f} degrees off right angles"
    if not affine[:3, 3].any():
        notes += ", its origin 0 as where no place is known"
    return notes


def _check_sizes(name: str, form: FloatArray, steps: FloatArray) -> str:
    """Refuse an affine that contradicts pixdim; a note where that was never set."""
    sizes = np.linalg.norm(form[:3, :3], axis=0)[: len(steps)]
    if np.abs(sizes - steps).max() <= SIZE_TOLERANCE * max(sizes.max(), steps.max()):
        return ""
    if (steps == 1).all():
        return ", not from pixdim, which is 1 as where it was never set"
    raise InvalidInputError(
        "NIFTI_AFFINE",
        f"The {name} and pixdim of the NIfTI image give voxels of different sizes.",
        expected=f"{sizes.round(4).tolist()} by the {name}",
        actual=f"{steps.round(4).tolist()} by pixdim",
        hint="Find out which is right, and correct the header or convert the scan again.",
    )


def _apart(one: FloatArray, other: FloatArray, shape: tuple[int, ...]) -> float:
    """The greatest distance between a corner's places by two affines."""
    ends = [(0, n - 1) for n in (*shape, 1, 1)[:3]]
    corners = np.array([(*corner, 1) for corner in product(*ends)], dtype=float)
    return float(np.linalg.norm(corners @ (one - other).T, axis=1).max())


def _bad_affine(message: str, actual: object) -> InvalidInputError:
    return InvalidInputError("NIFTI_AFFINE", message, actual=actual)

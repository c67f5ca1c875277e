"""NIfTI in and out.

NIfTI's array runs (column, row, slice), a `Volume`'s (slices, rows, columns); both have the same
affine.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from covidx.errors import InvalidInputError
from covidx.files import replacing
from covidx.ingest.units import compact, looks_like_hu
from covidx.volume import Geometry, Units, Volume

__all__ = ["from_nibabel", "read_nifti", "to_nibabel", "write_nifti"]

GZIP_LEVEL = 1
SCANNER = 1
"""qform and sform code: scanner anatomical coordinates (nifti1.h, NIFTI_XFORM_SCANNER_ANAT)."""


def to_nibabel(volume: Volume) -> Any:
    """A NIfTI-1 image of the same voxels and affine; without geometry, its form codes are 0."""
    xyz = volume.array.transpose(2, 1, 0)  # (column, row, slice)
    make: Any = nib.Nifti1Image  # nibabel is typed in part
    image = make(xyz, np.eye(4) if volume.affine is None else volume.affine)
    code = SCANNER if volume.geometry == "proven" else 0
    image.set_sform(image.affine, code)
    image.set_qform(image.affine, code, strip_shears=True)
    image.header.set_xyzt_units("mm" if volume.affine is not None else "unknown")
    return image


def write_nifti(volume: Volume, path: Path) -> None:
    """Write ``.nii.gz``, atomically; no time is kept, so that one volume gives the same bytes."""
    data = gzip.compress(to_nibabel(volume).to_bytes(), GZIP_LEVEL, mtime=0)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def from_nibabel(
    image: Any, *, modality: str | None = None, units: Units | None = None
) -> tuple[Volume, str]:
    """A volume, and how its units were found.

    Parameters
    ----------
    image : nibabel image
        Of three dimensions, or more of length 1.
    modality, units : str, optional
        Where known. NIfTI holds neither: without them, values with peaks where HU have air and
        tissue are taken for a CT in HU, others for something unproven.

    Raises
    ------
    InvalidInputError
        ``NIFTI_4D``, ``NIFTI_COLOUR``, ``NIFTI_VALUES`` or ``NIFTI_AFFINE``.
    """
    array = _array(image)
    geometry, affine, note = _placed(image)
    how = "given"
    if units is None:
        plausible = looks_like_hu(array)
        units = "hu" if plausible else "unproven"
        modality = modality or ("CT" if plausible else "OT")
        found = "lie" if plausible else "do not lie"
        how = f"NIfTI names no unit; air and soft tissue {found} where HU puts them"
    volume = Volume(array, modality or "OT", units, geometry, affine)
    return volume, f"{how}; {note}"


def _array(image: Any) -> NDArray[Any]:
    shape = image.shape
    if len(shape) < 2 or any(n != 1 for n in shape[3:]) or 0 in shape:
        raise InvalidInputError(
            "NIFTI_4D",
            "The NIfTI image is no single volume.",
            expected="three dimensions",
            actual=shape,
            hint="Split a time series into volumes first.",
        )
    if image.get_data_dtype().kind not in "iuf":
        raise InvalidInputError(
            "NIFTI_COLOUR",
            "The NIfTI image holds no plain numbers.",
            actual=image.get_data_dtype(),
        )
    xyz = np.asanyarray(image.dataobj)
    xyz = xyz.reshape((*shape, 1)[:3])  # (column, row, slice)
    if xyz.dtype.kind == "f" and not np.isfinite(xyz).all():
        raise InvalidInputError("NIFTI_VALUES", "The NIfTI image holds NaN or infinity.")
    return compact(np.ascontiguousarray(xyz.transpose(2, 1, 0)))  # (slices, rows, columns)


def _placed(image: Any) -> tuple[Geometry, NDArray[np.float64] | None, str]:
    """The sform if its code is above 0, else the qform (nifti1.h, METHOD 3 and 2)."""
    sform, sform_code = image.get_sform(coded=True)
    qform, qform_code = image.get_qform(coded=True)
    affine, source = (sform, "sform") if sform_code else (qform, "qform")
    if not sform_code and not qform_code:
        steps = np.array(image.header.get_zooms()[:3], dtype=float)
        if len(steps) < 3 or not (steps > 0).all():
            return "none", None, "it has neither place nor spacing"
        # METHOD 1: distances alone; nothing says where the axes point.
        return "spacing_only", np.diag([*steps, 1.0]), "spacing from pixdim, no orientation"
    affine = np.asarray(affine, dtype=np.float32).astype(np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise InvalidInputError(
            "NIFTI_AFFINE", f"The {source} of the NIfTI image is singular.", actual=affine.tolist()
        )
    return "proven", affine, f"affine from the {source}"


def read_nifti(path: Path) -> tuple[Volume, str]:
    """Read a NIfTI file, and how its units were found.

    Raises
    ------
    InvalidInputError
        ``NIFTI_UNREADABLE``, or as `from_nibabel`.
    """
    return from_nibabel(_load(path))


def _load(path: Path) -> Any:
    try:
        # Through bytes: the name need not end in .nii.
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        image = (nib.Nifti2Image if data[4:8] == b"n+2\0" else nib.Nifti1Image).from_bytes(data)
        np.asanyarray(image.dataobj[:1, :1, -1:] if len(image.shape) > 2 else image.dataobj)
    except (OSError, EOFError, ValueError, ImageFileError, zlib.error) as error:
        raise InvalidInputError(
            "NIFTI_UNREADABLE",
            f"The NIfTI file cannot be read ({type(error).__name__}); it may be truncated.",
            path=path,
        ) from error
    return image


def read_stored(path: Path, modality: str, units: Units, geometry: Geometry) -> Volume:
    """Read back what `write_nifti` wrote; what NIfTI cannot hold comes from the manifest."""
    image = _load(path)
    xyz = np.asanyarray(image.dataobj)
    array = np.ascontiguousarray(xyz.transpose(2, 1, 0))  # (slices, rows, columns)
    return Volume(
        array, modality, units, geometry, None if geometry == "none" else image.get_sform()
    )

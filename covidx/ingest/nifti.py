"""NIfTI in and out.

NIfTI's array runs (column, row, slice), a `Volume`'s (slices, rows, columns); both have the same
affine.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from isal import igzip
from isal.isal_zlib import IsalError
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from covidx.constants import FORM_TOLERANCE_MM, MAX_IMAGE_BYTES
from covidx.errors import InvalidInputError
from covidx.files import replacing
from covidx.ingest.dicom.units import compact, found_units
from covidx.volume import Geometry, Units, Volume

__all__ = ["from_nibabel", "read_nifti", "to_nibabel", "write_nifti"]

GZIP_LEVEL = 3
"""Of ISA-L: about the size of zlib's first level, in a quarter of the time."""
GZIP_START = b"\x1f\x8b"
HEADER_BYTES = 540
"""Of NIfTI-2; NIfTI-1 has 348."""
DAMAGED: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    ValueError,
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    IsalError,  # type: ignore[assignment]  # its stub takes the class for an instance
)
"""What a broken file makes nibabel and ISA-L raise."""
MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}
"""mm in a spatial unit of NIfTI; one that is not said is taken for mm, as everyone does."""
RESAMPLED = "covidx: "
"""Before `Volume.resampled` in the header's description."""
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
    if volume.resampled:
        image.header["descrip"] = (RESAMPLED + volume.resampled).encode()  # 80 bytes at most
    return image


def write_nifti(volume: Volume, path: Path) -> None:
    """Write ``.nii.gz``, atomically; no time is kept, so that one volume gives the same bytes."""
    with (
        replacing(path) as temporary,
        temporary.open("wb") as plain,
        # The file has no name of its own in the header: the temporary one would change it.
        igzip.IGzipFile("", "wb", GZIP_LEVEL, plain, mtime=0) as stream,
    ):
        to_nibabel(volume).to_stream(stream)


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

    Notes
    -----
    The sform is followed where its code is above 0, else the qform. Where both are set and lie
    apart, what is said of the geometry tells so. The orientation is kept: `Volume.canonical`
    turns it.
    """
    array = _array(image)
    geometry, affine, note = _placed(image)
    modality, units, how = found_units(array, modality, units)
    volume = Volume(array, modality, units, geometry, affine, _resampled(image))
    return volume, f"{how}; {note}"


def _resampled(image: Any) -> str:
    """What `to_nibabel` wrote into the description; other programs' words count for nothing."""
    text = bytes(image.header["descrip"]).rstrip(b"\0").decode("latin-1")
    return text.removeprefix(RESAMPLED) if text.startswith(RESAMPLED) else ""


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
    try:
        sform, qform = image.get_sform(coded=True)[0], image.get_qform(coded=True)[0]
    except (ValueError, HeaderDataError) as error:  # a quaternion longer than 1
        raise _bad_affine("qform", None) from error
    unit = image.header.get_xyzt_units()[0]
    to_mm = MM.get(unit, 1.0)
    said = "" if to_mm == 1 else f", in {unit}"
    if sform is None and qform is None:
        steps = np.array(image.header.get_zooms()[:3], dtype=float) * to_mm
        if len(steps) < 3 or not (steps > 0).all():
            return "none", None, "it has neither place nor spacing"
        # METHOD 1: distances alone; nothing says where the axes point.
        return "spacing_only", np.diag([*steps, 1.0]), f"spacing from pixdim{said}, no orientation"
    name, form = ("sform", sform) if sform is not None else ("qform", qform)
    affine = np.diag([to_mm, to_mm, to_mm, 1.0]) @ form
    affine = affine.astype(np.float32).astype(np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise _bad_affine(name, affine.tolist())
    if sform is not None and qform is not None:
        apart = _apart(sform, qform, image.shape) * to_mm
        if apart > FORM_TOLERANCE_MM:
            said += f", not from the qform, which lies up to {apart:.1f} mm away"
    return "proven", affine, f"affine from the {name}{said}"


def _apart(one: NDArray[Any], other: NDArray[Any], shape: tuple[int, ...]) -> float:
    """The greatest distance between a corner's places by two affines."""
    ends = [(0, n - 1) for n in (*shape, 1, 1)[:3]]
    corners = np.array([(*corner, 1) for corner in product(*ends)], dtype=float)
    return float(np.linalg.norm(corners @ (one - other).T, axis=1).max())


def _bad_affine(name: str, actual: object) -> InvalidInputError:
    return InvalidInputError(
        "NIFTI_AFFINE", f"The {name} of the NIfTI image is no affine.", actual=actual
    )


def read_nifti(path: Path) -> tuple[Volume, str]:
    """Read a NIfTI file, and how its units were found.

    Raises
    ------
    InvalidInputError
        ``NIFTI_UNREADABLE``, ``NIFTI_PAIR``, ``NIFTI_TOO_LARGE``, or as `from_nibabel`.
    """
    return from_nibabel(_load(path))


def _load(path: Path) -> Any:
    try:
        # By content: the name need not end in .nii.
        with path.open("rb") as plain:
            packed = plain.read(2) == GZIP_START
            plain.seek(0)
            with igzip.IGzipFile(fileobj=plain) if packed else nullcontext(plain) as stream:
                return _read(stream, path)
    except InvalidInputError:
        raise
    except DAMAGED as error:
        raise InvalidInputError(
            "NIFTI_UNREADABLE",
            f"The NIfTI file cannot be read ({type(error).__name__}); it may be truncated.",
            path=path,
        ) from error


def _read(stream: Any, path: Path) -> Any:
    """No more than the header says is unpacked, so that a small file cannot fill the memory."""
    start: bytes = stream.read(HEADER_BYTES)
    second = start[4:7] == b"n+2" or start[4:7] == b"ni2"
    if start[344:348] == b"ni1\0" or start[4:7] == b"ni2":
        raise InvalidInputError(
            "NIFTI_PAIR",
            "This is the header of a pair of files (.hdr and .img), which are not read.",
            path=path,
            hint="Convert the pair to one .nii or .nii.gz file.",
        )
    kind: Any = nib.Nifti2Image if second else nib.Nifti1Image
    header = kind.header_class(start[: kind.header_class.sizeof_hdr])
    needed = header.get_data_offset() + header.get_data_dtype().itemsize * math.prod(
        header.get_data_shape()
    )
    if needed > MAX_IMAGE_BYTES:
        raise InvalidInputError(
            "NIFTI_TOO_LARGE",
            "The NIfTI image claims to be larger than any scan.",
            path=path,
            expected=f"at most {MAX_IMAGE_BYTES:,} bytes",
            actual=f"{needed:,}",
        )
    # One byte beyond the image makes gzip check its sum.
    data = start + stream.read(max(needed - len(start), 0) + 1)
    if len(data) < needed:
        raise EOFError
    return kind.from_bytes(data)


def read_stored(path: Path, modality: str, units: Units, geometry: Geometry) -> Volume:
    """Read back what `write_nifti` wrote; what NIfTI cannot hold comes from the manifest."""
    image = _load(path)
    xyz = np.asanyarray(image.dataobj)
    array = np.ascontiguousarray(xyz.transpose(2, 1, 0))  # (slices, rows, columns)
    affine = None if geometry == "none" else image.get_sform()
    return Volume(array, modality, units, geometry, affine, _resampled(image))

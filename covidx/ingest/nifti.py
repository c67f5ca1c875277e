"""NIfTI in and out.

NIfTI's array runs (column, row, slice), a `Volume`'s (slices, rows, columns); both have the same
affine.
"""

from __future__ import annotations

import gzip
import math
import zlib
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

from covidx.constants import MAX_IMAGE_BYTES
from covidx.errors import InvalidInputError
from covidx.files import replacing
from covidx.ingest.dicom.units import compact, found_units
from covidx.ingest.nifti_geometry import placed
from covidx.ingest.time_points import note_of, place_of
from covidx.volume import Geometry, Units, Volume

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
    zlib.error,
    IsalError,  # type: ignore[assignment]  # its stub takes the class for an instance
)
"""What a broken file makes nibabel and ISA-L raise."""
RESAMPLED = "covidx: "
"""Before `Volume.resampled` in the header's description."""
SCANNER = 1
"""qform and sform code: scanner anatomical coordinates (nifti1.h, NIFTI_XFORM_SCANNER_ANAT)."""


def to_nibabel(volume: Volume) -> Any:
    """A NIfTI-1 image of `volume`; without a place, its form codes are 0."""
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
    """Write `volume` to `path` as ``.nii.gz``, atomically; equal volumes give equal bytes."""
    with (
        replacing(path) as temporary,
        temporary.open("wb") as plain,
        # The file has no name of its own in the header: the temporary one would change it.
        igzip.IGzipFile("", "wb", GZIP_LEVEL, plain, mtime=0) as stream,
    ):
        to_nibabel(volume).to_stream(stream)


def from_nibabel(
    image: Any,
    *,
    modality: str | None = None,
    units: Units | None = None,
    time_point: int | None = None,
) -> tuple[Volume, str]:
    """A volume, and the evidence for its units and geometry in words.

    Parameters
    ----------
    image : nibabel image
        Of three dimensions, a fourth of time points, or more of length 1.
    modality, units : str, optional
        Where known. NIfTI holds neither: without them, values with peaks where HU have air and
        tissue are taken for a CT in HU, others for something unproven.
    time_point : int, optional
        Which volume of a series of time points, from 1.

    Raises
    ------
    InvalidInputError
        ``TIME_SERIES``, ``TIME_POINT_ABSENT``, ``NIFTI_4D``, ``NIFTI_COLOUR``, ``NIFTI_VALUES`` or
        ``NIFTI_AFFINE``.

    Notes
    -----
    The geometry is that of `nifti_geometry.placed`. The orientation is kept: `Volume.canonical`
    turns it.
    """
    if len(image.shape) > 3 and image.shape[3] > 1 and all(n == 1 for n in image.shape[4:]):
        place = place_of(image.shape[3], time_point)
        array, point = _array(image, place), note_of(place, image.shape[3])
    else:
        array, point = _array(image), ""
    geometry, affine, note = placed(image)
    modality, units, units_from = found_units(array, modality, units)
    volume = Volume(array, modality, units, geometry, affine, _resampled(image))
    return volume, f"{units_from}; {note}{point}"


def _resampled(image: Any) -> str:
    """What `to_nibabel` wrote into the description; other programs' words count for nothing."""
    text = bytes(image.header["descrip"]).rstrip(b"\0").decode("latin-1")
    return text.removeprefix(RESAMPLED) if text.startswith(RESAMPLED) else ""


def _array(image: Any, place: int | None = None) -> NDArray[Any]:
    """Its values, of a series of time points those at `place`."""
    shape = image.shape if place is None else image.shape[:3]
    if len(shape) < 2 or any(n != 1 for n in shape[3:]) or 0 in shape:
        raise InvalidInputError(
            "NIFTI_4D",
            f"The NIfTI image is no single volume, but of {' x '.join(map(str, shape))}, as"
            " channels and vectors are; save each as a file of its own.",
            expected="three dimensions",
            actual=shape,
        )
    if image.get_data_dtype().kind not in "iuf":
        raise InvalidInputError(
            "NIFTI_COLOUR",
            "The NIfTI image holds no plain numbers.",
            actual=image.get_data_dtype(),
        )
    values = image.dataobj
    xyz = np.asanyarray(values if place is None else values[:, :, :, place])
    xyz = xyz.reshape((*shape, 1)[:3])  # (column, row, slice)
    if xyz.dtype.kind == "f" and not np.isfinite(xyz).all():
        raise InvalidInputError("NIFTI_VALUES", "The NIfTI image holds NaN or infinity.")
    return compact(np.ascontiguousarray(xyz.transpose(2, 1, 0)))  # (slices, rows, columns)


def read_nifti(path: Path, time_point: int | None = None) -> tuple[Volume, str]:
    """Read a NIfTI file: a volume, and the evidence for its units and geometry in words.

    Parameters
    ----------
    path : Path
        One file, in gzip or not.
    time_point : int, optional
        Which volume of a series of time points, from 1.

    Raises
    ------
    InvalidInputError
        ``NIFTI_UNREADABLE``, ``NIFTI_PAIR``, ``NIFTI_TOO_LARGE``, or as `from_nibabel`.
    """
    return from_nibabel(_load(path), time_point=time_point)


def _load(path: Path) -> Any:
    try:
        # By content: the name need not end in .nii.
        with path.open("rb") as plain:
            packed = plain.read(2) == GZIP_START
            plain.seek(0)
            if not packed:
                return _read(plain, path)
            try:
                with igzip.IGzipFile(fileobj=plain) as stream:
                    return _read(stream, path)
            except (EOFError, gzip.BadGzipFile):  # or something stands behind its end
                plain.seek(0)
                return _read_first(plain.read(), path)
    except InvalidInputError:
        raise
    except DAMAGED as error:
        raise InvalidInputError(
            "NIFTI_UNREADABLE",
            f"The NIfTI file cannot be read ({type(error).__name__}); it may be truncated.",
            path=path,
        ) from error


class _FirstMember:
    """What a gzip file holds up to the end of its first member."""

    def __init__(self, data: bytes) -> None:
        self.unpacking = zlib.decompressobj(wbits=31)  # of a gzip header and trailer
        self._left = data

    def read(self, size: int) -> bytes:
        data = self.unpacking.decompress(self._left, size)
        self._left = self.unpacking.unconsumed_tail
        return data


def _read_first(data: bytes, path: Path) -> Any:
    member = _FirstMember(data)
    image = _read(member, path)
    if not member.unpacking.eof:
        raise EOFError
    return image


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
    size = kind.header_class.sizeof_hdr
    header = kind.header_class(start[:size], check=False)
    named = float(header["vox_offset"])
    least = kind.header_class.single_vox_offset
    if named < least:  # equivalent to the least (nifti1.h, on vox_offset)
        header["vox_offset"] = least
        start = header.binaryblock + start[size:]
    header = kind.header_class(start[:size])
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
        raise _too_short(path, needed, len(data), named, least)
    return kind.from_bytes(data)


def _too_short(path: Path, needed: int, found: int, named: float, least: int) -> InvalidInputError:
    note = f", whose vox_offset of {named:g} counts as {least}" if named < least else ""
    return InvalidInputError(
        "NIFTI_UNREADABLE",
        f"The NIfTI file is shorter than its header says{note}; it may be truncated.",
        path=path,
        expected=f"{needed:,} bytes",
        actual=f"{found:,}",
    )


def read_stored(path: Path, modality: str, units: Units, geometry: Geometry) -> Volume:
    """Read back what `write_nifti` wrote; what NIfTI cannot hold comes from the manifest.

    Parameters
    ----------
    path : Path
        File of the store.
    modality, units, geometry : str
        As in the manifest, since NIfTI cannot hold them.
    """
    image = _load(path)
    xyz = np.asanyarray(image.dataobj)
    array = np.ascontiguousarray(xyz.transpose(2, 1, 0))  # (slices, rows, columns)
    affine = None if geometry == "none" else image.get_sform()
    return Volume(array, modality, units, geometry, affine, _resampled(image))

"""NRRD and MetaImage, in which ITK, Slicer and challenges (LUNA16, STOIC) keep volumes, in.

Their arrays run (column, row, slice), fastest first; a `Volume`'s (slices, rows, columns).
SimpleITK, which reads them as well, takes 260 MB on disk.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from covidx.constants import MAX_IMAGE_BYTES
from covidx.errors import InvalidInputError
from covidx.ingest.compressed import DAMAGED, decompressor_of
from covidx.ingest.dicom.units import compact, found_units
from covidx.ingest.itk_headers import Layout, header_fields, itk_name, unsupported
from covidx.ingest.itk_voxels import read_voxels
from covidx.ingest.metaimage import metaimage_layout
from covidx.ingest.nifti_geometry import judged
from covidx.ingest.nrrd import nrrd_layout
from covidx.ingest.time_points import note_of, place_of
from covidx.volume import Geometry, Volume

MAGIC_BYTES = 8


def read_itk(path: Path, time_point: int | None = None) -> tuple[Volume, str, tuple[Path, ...]]:
    """Read a volume, how its units and geometry were found, and of which files it was made.

    Parameters
    ----------
    path : Path
        NRRD or MetaImage, itself in gzip or not, with its voxels in it or in files beside it or in
        a folder there.
    time_point : int, optional
        Which volume of a series of time points, from 1.

    Raises
    ------
    InvalidInputError
        ``ITK_UNSUPPORTED``, ``ITK_UNREADABLE``, ``ITK_VOXELS_MISSING``, ``TIME_SERIES``,
        ``TIME_POINT_ABSENT``, or ``NIFTI_AFFINE`` where its axes are none.
    InvalidSeriesError
        ``VOLUME_INVALID``.
    """
    with path.open("rb") as plain:
        decompressor = decompressor_of(plain.read(MAGIC_BYTES))
    try:
        with (decompressor or Path.open)(path, "rb") as stream:
            is_nrrd = itk_name(stream.read(MAGIC_BYTES)) == "nrrd"
            stream.seek(0)
            fields, names = header_fields(stream, is_nrrd)
            layout = (nrrd_layout if is_nrrd else metaimage_layout)(fields, names)
            if decompressor is not None and layout.encoding != "raw":
                raise unsupported("voxels that are packed twice")
            n_voxels = math.prod(layout.size)
            if min(layout.size) < 1 or n_voxels * layout.dtype.itemsize > MAX_IMAGE_BYTES:
                raise unsupported(f"a size of {' x '.join(map(str, layout.size))}")
            if layout.time_axis is not None:
                times = layout.size[layout.time_axis]
                place = place_of(times, time_point)
            flat, files = read_voxels(layout, path, stream, n_voxels)
        array = flat.reshape(layout.size[::-1])  # (…, rows, columns)
    except InvalidInputError:
        raise
    except (LookupError, *DAMAGED) as error:
        raise InvalidInputError(
            "ITK_UNREADABLE",
            f"The NRRD or MetaImage file cannot be read ({type(error).__name__}); its header may"
            " be wrong, or the file truncated.",
        ) from error
    point = ""
    if layout.time_axis is not None:
        array = array.take(place, axis=array.ndim - 1 - layout.time_axis)
        point = note_of(place, times)
    array = array.reshape((1, *array.shape)[-3:])  # (slices, rows, columns)
    native = layout.dtype.newbyteorder("=")
    kept = compact(np.ascontiguousarray(array.astype(native, copy=False)))
    geometry, affine, note = _place(layout)
    modality, units, units_from = found_units(kept, None, None)
    return Volume(kept, modality, units, geometry, affine), f"{units_from}; {note}{point}", files


def _place(layout: Layout) -> tuple[Geometry, NDArray[np.float64] | None, str]:
    if layout.axes is not None:
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = layout.axes, layout.origin
        return judged(affine, "the header", layout.notes)
    if not layout.steps or not min(layout.steps) > 0:
        return "none", None, f"it has neither place nor spacing{layout.notes}"
    steps, convention = layout.steps, ""
    if len(steps) == 2:
        steps, convention = (*steps, 1.0), ", its depth of 1 mm is a convention"
    note = f"spacing alone, no orientation{layout.notes}{convention}"
    return "spacing_only", np.diag([*steps, 1.0]), note

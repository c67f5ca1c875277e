"""The series that an object is derived from: its headers in slice order, and its grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from covidx.errors import InvalidInputError, InvalidSeriesError
from covidx.export.grid import Grid, no_grid, reoriented
from covidx.export.headers import prepare_header, unify_geometry
from covidx.export.locate import (
    Instance,
    instances_of_folder,
    instances_of_receipt,
    is_copy,
    originals_of,
    read_header,
)
from covidx.ingest import DEFAULT_RETAIN, Identities
from covidx.ingest.deid.dataset import deidentify_dataset
from covidx.ingest.dicom.aside import RADIOGRAPHS
from covidx.ingest.dicom.geometry import stack_geometry
from covidx.ingest.dicom.header import Header, headers_of
from covidx.ingest.dicom.resample import straight_grid
from covidx.ingest.quiet import quiet
from covidx.volume import Volume
from covidx.wording import counted

Mode = Literal["pseudonymous", "original"]
"""Whose identity an object has: that of the copies that `covidx deidentify` makes, for research; or
that of the originals, to go back to the PACS that they came from."""


@dataclass(frozen=True, eq=False)
class SourceSeries:
    """A series; make one with `read_source`.

    Attributes
    ----------
    mode : {"pseudonymous", "original"}
        Whose identity the headers have.
    images : tuple of Dataset
        Headers with the identity of `mode`: one a slice in slice order, or one of many frames.
    frames : tuple of int
        Of the slices, 0-based, where there is one multi-frame image; else empty.
    own : Grid
        As the scanner measured: of a tilted gantry, its third axis is not along the normal.
    straight : Grid, optional
        The grid onto which `covidx ingest` shears a tilted series.
    shifts : ndarray, shape (slices, 2), optional
        Pixels, (column, row), at which each slice begins in `straight`.
    """

    mode: Mode
    images: tuple[Dataset, ...] = field(repr=False)
    frames: tuple[int, ...]
    own: Grid
    straight: Grid | None = None
    shifts: NDArray[np.float64] | None = None

    def on_own_grid(self, mask: Volume | NDArray[Any]) -> NDArray[Any]:
        """Return a mask on the grid that the scanner measured.

        Parameters
        ----------
        mask : Volume or ndarray, shape (slices, rows, columns)
            In any orientation, if it says where it lies. One on the grid onto which a tilted
            series was sheared is moved back by whole pixels, so that no value is mixed; each
            lies half a pixel from its place at most.

        Returns
        -------
        ndarray, shape `own.shape`

        Raises
        ------
        InvalidInputError
            ``MASK_GRID``.
        """
        array = reoriented(mask, self.own)
        if array is not None:
            return array
        if self.straight is None or self.shifts is None:
            raise no_grid(mask, [self.own])
        array = reoriented(mask, self.straight)
        if array is None:
            raise no_grid(mask, [self.own, self.straight])
        _, rows, columns = self.own.shape
        starts = np.rint(self.shifts).astype(int)  # (slices, 2): (column, row)
        return np.stack(
            [array[k, r : r + rows, c : c + columns] for k, (c, r) in enumerate(starts)]
        )

    def as_frames(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return `array`, (slices, ...), with a plane for each frame of the image, in its order."""
        if not self.frames:
            return array
        count = int(self.images[0].NumberOfFrames)
        result = np.zeros((count, *array.shape[1:]), array.dtype)
        result[list(self.frames)] = array
        return result


def read_source(series: Path, mode: Mode, *, identities: Identities | None = None) -> SourceSeries:
    """Read the series that a mask is of.

    Parameters
    ----------
    series : Path
        A folder of DICOM, of originals or of copies by `covidx deidentify`; in the mode `original`
        also the receipt of an image of a store (``store/receipts/<image_id>.json``).
    mode : {"pseudonymous", "original"}
        `pseudonymous`: originals are given the pseudonyms that their copies have, copies are taken
        as they are. `original`: originals are taken as they are; those of copies and of a receipt
        are found by the linkage beside the key.
    identities : Identities, optional
        The pseudonyms; None: with the default key.

    Raises
    ------
    InvalidInputError
        ``MODE_UNKNOWN``, ``RECEIPT_NEEDS_ORIGINAL``, ``RECEIPT_INVALID``, ``ORIGINALS_MISSING``,
        ``SOURCE_MISSING``, ``SOURCE_EMPTY``, ``SOURCE_NOT_DICOM`` or ``KEY_EXPOSED``.
    InvalidSeriesError
        As ingest refuses the series; ``SERIES_SEVERAL``, ``SERIES_UNEVEN``, ``ORIGINALS_CHANGED``,
        ``FRAMES_SCATTERED``, ``UIDS_ABSENT`` or ``FRAME_OF_REFERENCE_ABSENT``.
    StoreError
        ``LINKAGE_MISSING``.
    """
    if mode not in get_args(Mode):
        raise InvalidInputError(
            "MODE_UNKNOWN", "There is no such mode.", expected=get_args(Mode), actual=mode
        )
    instances = _instances(series, mode)
    files = list(dict.fromkeys(instance.path for instance in instances))
    frames = tuple(int(i.plane_id.partition("#")[2]) - 1 for i in instances if "#" in i.plane_id)
    if len(files) != (1 if frames else len(instances)):
        raise InvalidSeriesError(
            "FRAMES_SCATTERED",
            "The slices are frames of several files.",
            expected="one multi-frame file, or a file a slice",
            actual=f"{counted(len(instances), 'slice')} in {counted(len(files), 'file')}",
        )
    images = [read_header(instance) for instance in (instances[:1] if frames else instances)]
    if mode == "original" and any(map(is_copy, images)):
        raise InvalidInputError(
            "ORIGINALS_MISSING",
            "The linkage points to a de-identified copy, not to an original.",
            hint=(
                "Ingest the originals again, or name the copies' folder with --mode pseudonymous."
            ),
        )
    planes = [headers_of(ds, Path())[0] for ds in images]
    if frames:
        every = headers_of(images[0], Path())
        planes = [every[frame] for frame in frames]
    own, straight, shifts = _grids(planes)
    if mode == "pseudonymous" and not all(map(is_copy, images)):
        ids = identities or Identities.keyed()
        images = [ds if is_copy(ds) else _pseudonymous(ds, ids) for ds in images]
    for ds in images:
        prepare_header(ds)
    if own.affine is not None:
        unify_geometry(images, frames, own.affine)
    return SourceSeries(mode, tuple(images), frames, own, straight, shifts)


def _instances(series: Path, mode: Mode) -> Sequence[Instance]:
    if series.suffix == ".json" and series.is_file():
        if mode != "original":
            raise InvalidInputError(
                "RECEIPT_NEEDS_ORIGINAL",
                "A store keeps no DICOM headers, and the linkage is for the mode original alone.",
                path=series,
                hint="Name the folder of the DICOM files, or of their copies.",
            )
        return instances_of_receipt(series)
    instances = instances_of_folder(series)
    if mode == "original" and is_copy(read_header(instances[0])):
        return originals_of(instances)
    return instances


def _grids(planes: Sequence[Header]) -> tuple[Grid, Grid | None, NDArray[np.float64] | None]:
    first = planes[0]
    shape = (len(planes), first.rows, first.columns)
    if first.modality in RADIOGRAPHS:
        return Grid(shape, None), None, None
    try:
        geometry = stack_geometry(planes)
    except InvalidSeriesError as error:
        raise InvalidSeriesError(
            "SERIES_UNEVEN",
            "The slices are not evenly spaced: a mask on interpolated slices does not fit them.",
            expected="a series that ingest takes without --resample",
            actual=error.code,
            hint=(
                "Keep the mask as NIfTI, or use a series of the study with evenly spaced slices."
            ),
        ) from error
    if geometry.places != tuple((index,) for index in range(len(planes))):
        raise InvalidSeriesError(
            "ORIGINALS_CHANGED",
            "The slices do not lie in the order in which they were read.",
            hint="Ingest or deidentify the series again.",
        )
    own = Grid(shape, geometry.affine)
    if not geometry.tilt_deg:
        return own, None, None
    heights = np.arange(len(planes), dtype=float)
    affine, shifts, larger = straight_grid(shape, geometry.affine, heights)
    return own, Grid(larger, affine), shifts


def _pseudonymous(ds: FileDataset, identities: Identities) -> FileDataset:
    ds.file_meta = getattr(ds, "file_meta", FileMetaDataset())
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian  # there are no pixels
    with quiet():
        deidentify_dataset(ds, identities, DEFAULT_RETAIN)
    return ds

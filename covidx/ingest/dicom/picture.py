"""From a sorted stack of planes, or a radiograph, to a `Volume`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from covidx.constants import AIR_HU, MAX_IMAGE_BYTES
from covidx.errors import InvalidSeriesError
from covidx.ingest.dicom.decode import read_dataset
from covidx.ingest.dicom.display import read_radiograph
from covidx.ingest.dicom.geometry import LPS_TO_RAS, StackGeometry
from covidx.ingest.dicom.header import Header
from covidx.ingest.dicom.pixels import SIGN_CONTRADICTED, Plane, read_plane
from covidx.ingest.dicom.resample import evenly, unsheared
from covidx.ingest.dicom.series import Stack
from covidx.ingest.dicom.times import by_number, images_at_places
from covidx.ingest.dicom.units import compact, ct_units
from covidx.ingest.time_points import OPTION
from covidx.scratch import let_go, planes, zeros
from covidx.volume import Geometry, Units, Volume

ID_DIGITS = 16


@dataclass(frozen=True, eq=False)
class Picture:
    """A volume with what its receipt needs; identifiers are still the original ones.

    Attributes
    ----------
    planes : tuple of Header
        In slice order.
    dropped : tuple of (Header, str)
        Duplicates left out, and why.
    """

    volume: Volume
    image_id: str
    planes: tuple[Header, ...]
    units_from: str
    geometry_from: str
    dropped: tuple[tuple[Header, str], ...] = ()
    notes: tuple[str, ...] = ()


def content_id(instances: list[str], array: NDArray[Any]) -> str:
    """Image id: 16 hex digits of a SHA-256 over the sorted UIDs `instances` and `array`."""
    digest = hashlib.sha256("\n".join(sorted(instances)).encode())
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    for plane in planes(array):
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()[:ID_DIGITS]


def read_stack(stack: Stack) -> Picture:
    """Decode a CT or MR `stack`; tilted or uneven slices are brought onto an even grid.

    Raises
    ------
    InvalidSeriesError
        ``SLICE_DUPLICATE``, ``SERIES_TOO_LARGE``, or as `read_plane`.
    """
    chosen: list[Header] = []
    slices: NDArray[Any] | None = None
    dropped: list[tuple[Header, str]] = []
    padded, remarks = 0, list[str]()
    for place, decoded, cut in _by_place(stack):
        header, plane = decoded[0]
        dropped += [(other, "unreadable; another copy of the instance is whole") for other in cut]
        for other, twin in decoded[1:]:
            if not np.array_equal(twin.values, plane.values):
                raise InvalidSeriesError(
                    "SLICE_DUPLICATE",
                    f"{len(decoded)} different images lie at slice {place + 1} of"
                    f" {len(stack.geometry.places)}{_of_times(stack)}.",
                    path=other.path,
                    expected="one image a place",
                )
            dropped.append((other, "identical to another image at its place"))
        chosen.append(header)
        slices = _with_slice(slices, place, len(stack.geometry.places), plane.values)
        padded += plane.padded
        remarks += plane.notes
    assert slices is not None  # a stack has planes
    array = compact(slices)  # (slices, rows, columns)
    units, units_from = _units(array, chosen)
    if SIGN_CONTRADICTED in remarks and units == "hu":
        units, units_from = "unproven", SIGN_CONTRADICTED  # its rescale may be wrong as well
    geometry, geometry_from = _proof(stack.geometry)
    placed = _placed(array, stack.geometry, AIR_HU if units == "hu" else float(array.min()))
    volume = Volume(
        placed.array, stack.head.modality, units, geometry, placed.affine, placed.resampled
    )
    notes = sorted(set(remarks)) + _remarks_on_planes(stack, chosen)
    if padded:
        notes.append(f"{padded} padded pixels were set to air")
    image_id = content_id([header.plane_id for header in chosen], placed.array)
    return Picture(
        volume, image_id, tuple(chosen), units_from, geometry_from, tuple(dropped), tuple(notes)
    )


def _of_times(stack: Stack) -> str:
    """What the images at one place are, where every place has as many."""
    counts = {len(images) for images in images_at_places(stack)}
    if len(counts) > 1 or len(stack.geometry.places) == 1:
        return ""
    remedy = f"; {OPTION}, in the order of InstanceNumber" if by_number(stack) else ""
    return (
        f", as at every other: {counts.pop()} time points or scans that no attribute tells apart"
        f"{remedy}"
    )


def _remarks_on_planes(stack: Stack, planes: list[Header]) -> list[str]:
    """What a reader of the receipt should know of where the slices come from."""
    notes = [*stack.notes]
    if planes[0].frames > len(planes) and planes[0].is_enhanced:
        notes.append(f"{len(planes)} of the {planes[0].frames} frames of its file")
    if stack.derived:
        notes.append("ImageType says DERIVED: computed from other images, such as a reformat")
    uids = len({plane.series_uid for plane in planes})
    if uids > 1:
        notes.append(f"{uids} series of one image each were read as one")
    return notes


def _with_slice(
    array: NDArray[Any] | None, index: int, count: int, values: NDArray[Any]
) -> NDArray[Any]:
    """The array of `count` slices with one put in; made, or made wider, where need be.

    Each slice is made small as it comes, so that a series never lies in memory at full width.
    """
    small = compact(values)
    values = small if small.dtype == np.int16 else values
    if array is None:
        array = zeros(_possible((count, *values.shape), values), values.dtype)
    array = array.astype(np.result_type(array, values), copy=False)
    array[index] = values
    let_go(array)
    return array


def _possible(shape: tuple[int, ...], values: NDArray[Any]) -> tuple[int, ...]:
    needed = math.prod(shape) * values.itemsize
    if needed > MAX_IMAGE_BYTES:
        raise InvalidSeriesError(
            "SERIES_TOO_LARGE",
            "The series is larger than any scan.",
            expected=f"at most {MAX_IMAGE_BYTES:,} bytes",
            actual=f"{needed:,}",
            hint="Are these slices of one scan? Split them first.",
        )
    return shape


def _units(array: NDArray[Any], planes: list[Header]) -> tuple[Units, str]:
    if planes[0].modality != "CT":
        return "unproven", "not a CT"
    # Both are required of a CT image (PS3.3 C.8.2.1, type 1).
    if any(plane.slope is None or plane.intercept is None for plane in planes):
        return "unproven", "a plane has no rescale slope and intercept"
    types = {plane.rescale_type for plane in planes}
    if len(types) > 1:
        return "unproven", "RescaleType differs from plane to plane"
    return ct_units(array, types.pop())


Decoded = tuple[Header, Plane]


def _by_place(stack: Stack) -> Iterator[tuple[int, list[Decoded], list[Header]]]:
    """Decode the planes of each place in slice order; the lowest UID leads among duplicates.

    Last come the copies of a decoded instance that cannot be decoded, such as a file that was
    copied twice and cut off once.
    """
    path, dataset = "", None
    for index, place in enumerate(stack.geometry.places):
        decoded: list[Decoded] = []
        failed: list[tuple[Header, InvalidSeriesError]] = []
        for header in sorted((stack.planes[i] for i in place), key=lambda h: (h.plane_id, h.path)):
            try:
                if header.path != path or dataset is None:  # frames of one object share their file
                    path, dataset = header.path, read_dataset(header.path)
                decoded.append((header, read_plane(header, dataset)))
            except InvalidSeriesError as error:
                failed.append((header, error))
        readable = {header.plane_id for header, _ in decoded if header.sop_uid}
        for header, why in failed:
            if header.plane_id not in readable:
                raise why
        yield index, decoded, [header for header, _ in failed]


def _proof(geometry: StackGeometry) -> tuple[Geometry, str]:
    """How much of the geometry is proven, and what it rests on.

    Where a single slice lies is proven whatever its depth.
    """
    origin = "ImagePositionPatient and ImageOrientationPatient"
    if len(geometry.places) > 1:
        return "proven", f"{origin} of every slice"
    if geometry.spacing_mm is not None:
        return "proven", f"{origin}; one slice, as deep as its SliceThickness"
    convention = "one slice without SliceThickness, whose depth of 1 mm is a convention"
    return "proven", f"{origin}; {convention}"


@dataclass(frozen=True, eq=False)
class Placed:
    """Voxels on an even grid at right angles; `resampled` is empty if as measured."""

    array: NDArray[Any]
    affine: NDArray[np.float64]
    resampled: str = ""


def _placed(array: NDArray[Any], geometry: StackGeometry, fill: float) -> Placed:
    affine, count = geometry.affine, len(geometry.places)
    heights = np.arange(count, dtype=float)
    if geometry.uneven_mm:
        assert geometry.spacing_mm is not None
        heights = np.array(geometry.uneven_mm) / geometry.spacing_mm
    steps = []
    if geometry.tilt_deg:
        array, affine = unsheared(array, affine, heights, fill)
        steps.append(f"tilt of {geometry.tilt_deg:.1f} deg corrected by shear")
    if geometry.uneven_mm:
        array, affine = evenly(array, affine, heights)
        steps.append(f"{len(array)} slices interpolated from {count}")
    return Placed(array, affine, "; ".join(steps))


def read_radiograph_file(header: Header) -> Picture:
    """Decode the CR or DX image of `header` to display greys.

    Raises
    ------
    InvalidSeriesError
        As `read_radiograph`.
    """
    plane = read_radiograph(header)
    spacing = header.pixel_spacing or header.imager_spacing
    geometry: Geometry = "none"
    affine, source = None, "neither PixelSpacing nor ImagerPixelSpacing"
    if spacing is not None and min(spacing) > 0:
        # PixelSpacing may be calibrated, ImagerPixelSpacing is at the detector (PS3.3 10.7.1.3).
        source = "PixelSpacing" if header.pixel_spacing else "ImagerPixelSpacing, at the detector"
        # A projection has no place and no depth: 1 mm is a convention.
        affine = LPS_TO_RAS @ np.diag([spacing[1], spacing[0], 1.0, 1.0])
        affine, geometry = affine.astype(np.float32).astype(np.float64), "spacing_only"
    array = np.ascontiguousarray(plane.values[None])  # (1, rows, columns)
    volume = Volume(array, header.modality, "display", geometry, affine)
    return Picture(
        volume,
        content_id([header.plane_id], array),
        (header,),
        "greys as displayed: modality LUT, VOI LUT, then MONOCHROME1 inverted",
        source,
        notes=plane.notes,
    )

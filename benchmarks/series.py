"""Small DICOM series of every orientation, tilt and transfer syntax, with a landmark in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
)

FloatArray = NDArray[np.float64]

LANDMARK = np.array([12.0, -30.0, 55.0])
"""Middle of a bright ball in LPS mm."""
BALL_MM = 6.0
SHAPE = (14, 40, 36)
"""Slices, rows, columns."""
SPACING = (0.9, 1.2)
"""mm between rows, and between columns."""
STEP_MM = 2.5

AXIAL = (1.0, 0, 0, 0, 1, 0)
CORONAL = (1.0, 0, 0, 0, 0, -1)
SAGITTAL = (0, 1.0, 0, 0, 0, -1)
COMPRESSED_HERE = {"rle": RLELossless, "jpeg-2000": JPEG2000Lossless, "jpeg-ls": JPEGLSLossless}
PLAIN = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}


@dataclass(frozen=True)
class Series:
    """How a series is taken.

    Attributes
    ----------
    orientation : tuple of 6 floats
        ImageOrientationPatient.
    tilt_deg : float
        Between the slices' normal and the way of the table, in the plane of normal and column.
    heights : tuple of float
        Of the slices, in steps; even ones if empty.
    backwards : bool
        Instance numbers run against the normal.
    syntax : str
    modality : str
    changes : callable
        Attributes of the slice of an index.
    repeats : int
        Images at each place, told apart by `changes` of slice + repeat * slices.
    """

    orientation: tuple[float, ...] = AXIAL
    tilt_deg: float = 0.0
    heights: tuple[float, ...] = ()
    backwards: bool = False
    syntax: str = "explicit"
    modality: str = "CT"
    changes: Callable[[int], dict[str, Any]] = field(default=lambda _: {})
    repeats: int = 1


def _turned(*degrees: float) -> tuple[float, ...]:
    """Axial directions turned about x, y and z in this order."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        one, other = [i for i in range(3) if i != axis]
        step = np.eye(3)
        step[[one, other], [one, other]] = np.cos(angle)
        step[one, other], step[other, one] = -np.sin(angle), np.sin(angle)
        turn = step @ turn
    return tuple(map(float, (*turn[:, 0], *turn[:, 1])))


SLICES = SHAPE[0]
SIGNED = {"PixelRepresentation": 1, "RescaleIntercept": 0}
SERIES: dict[str, Series] = {
    "axial": Series(),
    "axial-backwards": Series(backwards=True),
    "axial-prone": Series((-1.0, 0, 0, 0, -1, 0)),
    "axial-rows-reversed": Series((-1.0, 0, 0, 0, 1, 0)),
    "axial-columns-reversed": Series((1.0, 0, 0, 0, -1, 0), backwards=True),
    "coronal": Series(CORONAL),
    "coronal-backwards": Series((-1.0, 0, 0, 0, 0, -1), backwards=True),
    "sagittal": Series(SAGITTAL),
    "sagittal-backwards": Series((0, -1.0, 0, 0, 0, -1), backwards=True),
    "sagittal-mr": Series(SAGITTAL, modality="MR"),
    "oblique": Series(_turned(25, 0, 0)),
    "double-oblique": Series(_turned(20, -15, 10)),
    "oblique-backwards-mr": Series(_turned(-70, 25, 40), backwards=True, modality="MR"),
    "single-slice": Series(heights=(0.0,)),
    "tilt-12": Series(_turned(12, 0, 0), tilt_deg=12),
    "tilt-minus-20": Series(_turned(-20, 0, 0), tilt_deg=-20),
    "tilt-28-backwards": Series(_turned(28, 0, 0), tilt_deg=28, backwards=True),
    "missing-slice": Series(heights=(0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13)),
    "uneven": Series(heights=(0, 1, 2, 3, 4.4, 5, 6, 7, 8.3, 9, 10, 11, 12, 13)),
    "negative-slope": Series(changes=lambda _: {"RescaleSlope": -1, "RescaleIntercept": 3000}),
    "slope-by-slice": Series(
        modality="MR",
        changes=lambda i: {"RescaleSlope": 1 + i % 3, "RescaleIntercept": i % 2},
    ),
    "signed": Series(changes=lambda _: SIGNED | {"BitsStored": 16, "HighBit": 15}),
    "signed-12-bits": Series(changes=lambda _: SIGNED),
    "two-echoes": Series(
        modality="MR", repeats=2, changes=lambda i: {"EchoTime": 5 * (1 + i // SLICES)}
    ),
    "two-acquisitions": Series(
        repeats=2,
        changes=lambda i: {
            "AcquisitionNumber": 1 + i // SLICES,
            "AcquisitionTime": f"1015{i // SLICES:02d}",
        },
    ),
    "two-kernels": Series(
        repeats=2, changes=lambda i: {"ConvolutionKernel": ("B30f", "B70f")[i // SLICES]}
    ),
    **{f"syntax-{name}": Series(syntax=name) for name in (*PLAIN, *COMPRESSED_HERE, "jpeg")},
}


def write(series: Series, folder: Path) -> Path:
    """Write a series; file names are in no order."""
    folder.mkdir(parents=True)
    row, column = np.reshape(series.orientation, (2, 3)).astype(float)
    normal = np.cross(row, column)
    angle = np.radians(series.tilt_deg)
    # Slices turned about x have their normal off the body axis, along which the table goes.
    way = np.cos(angle) * normal + np.sin(angle) * column
    heights = series.heights or tuple(range(SLICES))
    middle = (SHAPE[1] - 1) / 2 * SPACING[0] * column + (SHAPE[2] - 1) / 2 * SPACING[1] * row
    first = LANDMARK + np.array([3, 2, 1]) - middle - heights[-1] / 2 * STEP_MM * way
    total = len(heights) * series.repeats
    for index in range(total):
        position = first + heights[index % len(heights)] * STEP_MM * way
        image = _image(position, row, column, index)
        ds = _slice(series, position, index, total)
        for name, value in series.changes(index).items():
            setattr(ds, name, value)
        _save(ds, image, series.syntax, folder / f"{(index * 37 + 11) % 101:03d}")
    return folder


def _image(position: FloatArray, row: FloatArray, column: FloatArray, index: int) -> FloatArray:
    """Air around a body with a gradient, and the ball; no two images are equal."""
    i, j = np.mgrid[: SHAPE[1], : SHAPE[2]]
    places = (
        position + i[..., None] * SPACING[0] * column + j[..., None] * SPACING[1] * row
    )  # (rows, columns, 3)
    away = places - LANDMARK
    body = np.linalg.norm(away / [40, 30, 50], axis=-1) < 0.6
    values = np.where(body, 1050 + away @ [1.0, 0.7, 0.4], 24)
    values[np.linalg.norm(away, axis=-1) < BALL_MM] = 2000
    values[0, 0] += index
    return np.rint(values)


def _slice(series: Series, position: FloatArray, index: int, total: int) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = CTImageStorage if series.modality == "CT" else MRImageStorage
    ds.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.7.{index + 1}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.5", "1.2.826.0.1.6"
    ds.FrameOfReferenceUID = "1.2.826.0.1.3680043.8.498.9"
    ds.PatientName, ds.PatientID = "SERIES^MADE", "SERIES"
    ds.Manufacturer, ds.Modality = "SIEMENS", series.modality
    ds.StudyDate, ds.StudyTime = "20200401", "101500"
    ds.SeriesNumber = 3
    ds.ProtocolName = "series"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceNumber = total - index if series.backwards else index + 1
    ds.ImageOrientationPatient = [f"{value:.10g}" for value in series.orientation]
    ds.ImagePositionPatient = [f"{value:.10g}" for value in position]
    ds.PixelSpacing, ds.SliceThickness = list(SPACING), STEP_MM
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.Rows, ds.Columns = SHAPE[1:]
    if series.modality == "CT":
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -1024, 1, "HU"
        ds.KVP, ds.ConvolutionKernel = 120, "B30f"
    else:
        ds.MagneticFieldStrength, ds.EchoTime, ds.RepetitionTime = 1.5, 5, 500
        ds.ScanningSequence, ds.SequenceVariant = "SE", "NONE"
    return ds


def _save(ds: Dataset, image: FloatArray, syntax: str, path: Path) -> None:
    dtype = np.int16 if ds.PixelRepresentation else np.uint16
    pixels = (image - 1024 if ds.PixelRepresentation else image).astype(dtype)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    plain = PLAIN.get(syntax, ExplicitVRLittleEndian)
    ds.file_meta.TransferSyntaxUID = plain
    order = "<" if plain.is_little_endian else ">"
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    ds["PixelData"].VR = "OW"
    if syntax in COMPRESSED_HERE:
        ds.compress(COMPRESSED_HERE[syntax], generate_instance_uid=False)
    ds.save_as(path, enforce_file_format=True)
    if syntax == "jpeg":
        _to_jpeg(path)


def _to_jpeg(path: Path) -> None:
    """JPEG Lossless, first-order prediction, which pydicom does not write."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


def legacy_converted(single: Path, out: Path) -> Path:
    """A series as one legacy-converted enhanced CT, alone in a folder."""
    from highdicom.legacy import LegacyConvertedEnhancedCTImage

    planes = [dcmread(path) for path in sorted(single.iterdir())]
    for ds in planes:
        for name in ("PatientBirthDate", "AccessionNumber", "StudyID", "PatientSex"):
            setattr(ds, name, "")
        ds.PositionReferenceIndicator, ds.ReferringPhysicianName = "", ""
        ds.ContentDate, ds.ContentTime, ds.AcquisitionNumber = "20200401", "101500", 1
        ds.SeriesDate, ds.SeriesTime = ds.InstanceCreationDate, ds.InstanceCreationTime = (
            "20200401",
            "101500",
        )
    out.mkdir()
    uid = "1.2.826.0.1.3680043.8.498.77"
    made = LegacyConvertedEnhancedCTImage(planes, uid, 9, f"{uid}.1", 1)
    # What would be of this moment, or drawn.
    made.InstanceCreationDate, made.InstanceCreationTime = "20200401", "101500"
    for item in made.ContributingEquipmentSequence:
        item.ContributionDateTime = "20200401101500"
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = f"{uid}.2"
    made.save_as(out / "multi")
    return out

"""Writes a rendered patient as a DICOM study as it lies in a hospital export.

A study holds the CT series, a localizer and a dose page (a Radiation Dose SR from scanner A, a
secondary capture from the others). Attributes follow PS3.3 A.3 (CT Image), A.8 (Secondary
Capture) and PS3.16 TID 10011 (CT Radiation Dose); nothing depends on the clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless

from covidx.phantom.dose import dose_report, dose_screen
from covidx.phantom.fields import Array, Grid
from covidx.phantom.modules import (
    ct_module,
    number,
    numbers,
    phantom_uid,
    pixel_format,
    set_pixels,
    study,
)
from covidx.phantom.patient import Patient, PhantomScan
from covidx.phantom.scanners import SCANNERS, Scanner

SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "jpeg-ls": JPEGLSLossless,
}


def series_uid(patient: Patient) -> str:
    """SeriesInstanceUID of the CT series of `patient`."""
    return phantom_uid(patient.exam_id, "series", "ct")


def slice_uids(patient: Patient, count: int) -> list[str]:
    """SOPInstanceUIDs of the `count` CT slices of `patient`, in grid order."""
    return [phantom_uid(patient.exam_id, "ct", i) for i in range(count)]


def _series_template(patient: Patient, grid: Grid) -> Dataset:
    scanner = SCANNERS[patient.scanner]
    ds = study(patient, "CT", (3, "ct", f"CHEST {scanner.thickness_mm:g}mm {scanner.kernel}"))
    ct_module(ds, scanner)
    row, column, _ = grid.directions
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.FrameOfReferenceUID = phantom_uid(patient.exam_id, "frame")
    ds.SliceThickness = number(scanner.thickness_mm)
    ds.SpacingBetweenSlices = number(scanner.step_mm)
    ds.ConvolutionKernel = scanner.kernel
    ds.ReconstructionDiameter = number(grid.pixel_mm * grid.shape[2])
    ds.XRayTubeCurrent, ds.ExposureTime = 180, 500
    ds.ImageOrientationPatient = numbers(np.concatenate([row, column]))
    ds.PixelSpacing = numbers(np.array([grid.pixel_mm, grid.pixel_mm]))
    bits = 16 if scanner.signed else 12
    pixel_format(ds, grid.shape[1], grid.shape[2], bits, scanner.signed)
    if scanner.padding is not None:
        ds.PixelPaddingValue = scanner.padding
    return ds


def _stored(scan: PhantomScan, scanner: Scanner) -> Array:
    """Stored values of the series, padded outside the round field of view on one scanner."""
    stored = scan.hu - np.int16(scanner.intercept)
    if scanner.padding is not None:
        rows, columns = scan.grid.shape[1:]
        y, x = np.ogrid[:rows, :columns]
        radius = np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2)
        outside = radius > columns / 2
        if scan.burnt is not None:  # into what the scanner had padded
            outside &= ~scan.burnt
        stored[:, outside] = scanner.padding
    result: Array = np.ascontiguousarray(stored.astype("<i2" if scanner.signed else "<u2"))
    return result


def _slices(patient: Patient, scan: PhantomScan) -> Iterator[Dataset]:
    scanner, grid = SCANNERS[patient.scanner], scan.grid
    count = grid.shape[0]
    uids, stored = slice_uids(patient, count), _stored(scan, scanner)
    to_head = grid.directions[2, 2] > 0
    for i in range(count):
        ds = _series_template(patient, grid)
        position = grid.affine_lps[:3, 3] + i * grid.affine_lps[:3, 2]
        ds.SOPInstanceUID = uids[i]
        ds.ImagePositionPatient = numbers(position)
        ds.SliceLocation = number(float(position[2]))
        # Counted from the head or the feet, whichever way the grid's normal points.
        ds.InstanceNumber = count - i if scanner.head_first_numbers == to_head else i + 1
        set_pixels(ds, stored[i], scanner.compression)
        yield ds


def _localizer(patient: Patient, scan: PhantomScan) -> Dataset:
    """A frontal projection of the same patient: a CT image, but not of the series."""
    scanner, grid = SCANNERS[patient.scanner], scan.grid
    view = scan.hu.mean(1)  # (slices, columns)
    view = view[:: -1 if grid.directions[2, 2] > 0 else 1, :: grid.row_sign]
    view = np.repeat(view, 3, axis=0)  # head on top, patient's right at the viewer's left
    ds = study(patient, "CT", (1, "localizer", "TOPOGRAM AP"))
    ct_module(ds, scanner)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    ds.FrameOfReferenceUID = phantom_uid(patient.exam_id, "frame")
    ds.SOPInstanceUID = phantom_uid(patient.exam_id, "localizer")
    ds.InstanceNumber = 1
    ds.SliceThickness = number(scanner.thickness_mm)
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "0", "-1"]
    left = -(grid.shape[2] - 1) / 2 * grid.pixel_mm
    corner = np.array([left, 0.0, view.shape[0] * grid.step_mm / 6])
    ds.ImagePositionPatient = numbers(corner + np.asarray(grid.centre))
    ds.PixelSpacing = numbers(np.array([grid.step_mm / 3.0, grid.pixel_mm]))
    bits = 16 if scanner.signed else 12
    pixel_format(ds, view.shape[0], view.shape[1], bits, scanner.signed)
    values = np.rint(view) - scanner.intercept
    set_pixels(ds, values.astype("<i2" if scanner.signed else "<u2"), "none")
    return ds


def _save(ds: Dataset, path: Path, syntax: str) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = SYNTAXES[syntax]
    # pydicom would write its own version here, and the same seed must give the same bytes.
    meta.ImplementationClassUID = UID(phantom_uid("implementation"))
    meta.ImplementationVersionName = "COVIDX_PHANTOM"
    ds.file_meta = meta
    ds.save_as(path, enforce_file_format=True)


def save_study(patient: Patient, datasets: Iterable[tuple[Dataset, str]], root: Path) -> None:
    """Write data sets into one folder, under names that reveal nothing.

    Parameters
    ----------
    patient : Patient
        As `draw_patient` gives it.
    datasets : iterable of (Dataset, str)
        Each with its transfer syntax: explicit, implicit or jpeg-ls.
    root : Path
        The folder below which the study's folder is made.
    """
    rng = np.random.default_rng(np.random.SeedSequence([patient.seed, patient.visit, 0xF11E]))
    folder = root / rng.bytes(5).hex()
    folder.mkdir(parents=True)
    # Exports differ: some give no extension at all.
    ending = ("", ".dcm", ".IMA")[int(rng.integers(3))]
    for ds, syntax in datasets:
        suffix = "" if rng.random() < 0.2 else ending
        _save(ds, folder / f"{rng.bytes(6).hex()}{suffix}", syntax)


def write_study(patient: Patient, scan: PhantomScan, root: Path) -> None:
    """Write a patient's CT study.

    Parameters
    ----------
    patient : Patient
        As `draw_patient` gives it.
    scan : PhantomScan
        As `render` gives it.
    root : Path
        The folder below which the study's folder is made.
    """
    scanner = SCANNERS[patient.scanner]
    dlp = float(np.round(180.0 + 12.0 * patient.anatomy.fat, 1))
    report = dose_report if scanner.key == "A" else dose_screen
    plain = "explicit" if scanner.compression == "jpeg-ls" else scanner.compression
    datasets = [(ds, scanner.compression) for ds in _slices(patient, scan)]
    datasets += [(_localizer(patient, scan), plain), (report(patient, dlp), plain)]
    save_study(patient, datasets, root)

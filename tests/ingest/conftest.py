"""Tiny DICOM series with hand-worked geometry, and the shared real data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

SHARED = Path(__file__).parents[3] / "shared" / "data"

SeriesWriter = Callable[..., list[Path]]


@pytest.fixture(autouse=True)
def key(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test away from the user's own key."""
    path = tmp_path_factory.mktemp("key") / "key"
    monkeypatch.setenv("COVIDX_KEY", str(path))
    return path


@pytest.fixture
def shared() -> Path:
    """The folder of real data; the test is skipped where it is not."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared data at {SHARED}")
    return SHARED


def chest_values(slices: int, rows: int = 12, columns: int = 10) -> np.ndarray:
    """Stored values whose HU (less 1024) are air around tissue, each slice unlike the others."""
    values = np.full((slices, rows, columns), 24)  # -1000 HU
    values[:, 3:9, 2:8] = 1064  # 40 HU
    values += np.arange(values.size).reshape(values.shape) % 7
    values[:, 3, 2] += 30 + np.arange(slices)
    return values.astype(np.uint16)


def plane(index: int, **changes: Any) -> Dataset:
    """One CT slice of a study; `changes` are attributes, None deletes one."""
    ds = Dataset()
    ds.SOPClassUID = CTImageStorage if changes.get("Modality", "CT") == "CT" else MRImageStorage
    ds.PatientName, ds.PatientID = "Doe^Jane", "MRN-4711"
    ds.PatientAge, ds.PatientSex = "062Y", "F"
    ds.Modality = "CT"
    ds.StudyDate = "20200401"
    ds.InstitutionName = "Mercy Hospital"
    ds.ReferringPhysicianName = "Roe^Richard"
    ds.StudyInstanceUID = "1.2.3.1"
    ds.SeriesInstanceUID = "1.2.3.1.2"
    ds.SeriesNumber = 2
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.ConvolutionKernel = "B30f"
    ds.InstanceNumber = index + 1
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [-10, -20, 100 + 5 * index]
    ds.PixelSpacing = [0.5, 0.75]
    ds.SliceThickness = 5
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -1024, 1, "HU"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    for name, value in changes.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    if "SOPInstanceUID" not in ds:
        ds.SOPInstanceUID = f"{ds.get('SeriesInstanceUID', '1.2.9')}.{index + 1}"
    return ds


def save(ds: Dataset, path: Path, values: np.ndarray | None) -> Path:
    """Write a data set with its pixels, explicit little endian."""
    if values is not None:
        ds.Rows, ds.Columns = values.shape[:2]
        ds.PixelData = values.tobytes()
        ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def write_series(folder: Path, slices: int = 8, *, start: int = 0, **changes: Any) -> list[Path]:
    """Write a CT series, file names in no order; a callable in `changes` gets the slice's index."""
    values = chest_values(slices)
    paths = []
    for index in range(slices):
        given = {k: v(index) if callable(v) else v for k, v in changes.items()}
        name = f"{(index * 7 + 3) % 101:03d}-{given.get('SeriesInstanceUID', '1.2.3.1.2')}"
        paths.append(save(plane(index + start, **given), folder / name, values[index]))
    return paths

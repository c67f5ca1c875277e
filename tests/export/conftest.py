"""A phantom cohort, and readings of derived objects by pydicom alone."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from covidx.phantom import generate_cohort

PATIENTS = 3
"""One of each simulated scanner."""


@pytest.fixture(autouse=True)
def _a_key_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVIDX_KEY", str(tmp_path / "secret" / "key"))


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate_cohort(tmp_path_factory.mktemp("phantom") / "p", PATIENTS, 0, workers=1)


@pytest.fixture(scope="session")
def folders(cohort: Path) -> dict[str, Path]:
    """The folder of each patient's study."""
    result = {}
    for folder in (cohort / "dicom").iterdir():
        heads = [dcmread(path, stop_before_pixels=True, force=True) for path in folder.iterdir()]
        result[next(str(ds.PatientID) for ds in heads if "PatientID" in ds)] = folder
    return dict(sorted(result.items()))


@pytest.fixture(scope="session")
def dciodvfy() -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (dicom3tools) is not installed")


@dataclass(frozen=True)
class Frame:
    """One frame of a derived object, by what it says of itself."""

    values: NDArray[Any]
    segment: int | None
    source: str
    source_frame: int | None
    position: tuple[float, ...]


def frames_of(ds: Dataset) -> Iterator[Frame]:
    """Read by pydicom: highdicom, which wrote it, has no part in it."""
    name = "FloatPixelData" if "FloatPixelData" in ds else "PixelData"
    assert name in ds
    pixels = np.atleast_3d(ds.pixel_array).reshape(-1, ds.Rows, ds.Columns)
    shared = ds.SharedFunctionalGroupsSequence[0]
    for values, groups in zip(pixels, ds.PerFrameFunctionalGroupsSequence, strict=True):
        item = groups if "SegmentIdentificationSequence" in groups else shared
        segment = None
        if "SegmentIdentificationSequence" in item:
            segment = int(item.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        derived = groups if "DerivationImageSequence" in groups else shared
        (source,) = derived.DerivationImageSequence[0].SourceImageSequence
        frame = source.get("ReferencedFrameNumber")
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        yield Frame(
            values,
            segment,
            str(source.ReferencedSOPInstanceUID),
            None if frame is None else int(frame),
            tuple(map(float, position)),
        )

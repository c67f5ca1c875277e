"""Phantom scans as volumes, and a store that costs nothing to make."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from covidx.phantom import PhantomScan, draw_patient, render
from covidx.volume import Volume

SHARED = Path(__file__).parents[3] / "shared" / "data"
PATIENTS = {"A": 3, "B": 1, "C": 2}
"""Scanner -> a patient of seed 5 whom it scanned."""


@cache
def scan(scanner: str) -> PhantomScan:
    """A phantom scan by one of the three scanners."""
    patient = draw_patient(5, PATIENTS[scanner])
    assert patient.scanner == scanner
    return render(patient)


def chest(scanner: str = "A") -> Volume:
    """The CT of `scan`."""
    result = scan(scanner)
    return Volume(result.hu.copy(), "CT", "hu", "proven", result.affine)


def box_volume(slices: int = 10, mm: tuple[float, float, float] = (10.0, 2.0, 2.0)) -> Volume:
    """A body of bone in air, 120 x 120 pixels, with two lungs of -800 HU.

    Body: rows and columns 10..109. Lungs: rows 30..89, columns 20..49 and 70..99, every slice.
    Of bone, since a chest with corners would have dents, which soft tissue would fill.
    """
    hu = np.full((slices, 120, 120), -1000, np.int16)
    hu[:, 10:110, 10:110] = 400
    hu[:, 30:90, 20:50] = -800
    hu[:, 30:90, 70:100] = -800
    affine = np.diag([-mm[2], -mm[1], mm[0], 1.0])  # columns to the left, rows to the back
    return Volume(hu, "CT", "hu", "proven", affine)


@pytest.fixture
def shared() -> Path:
    """The folder of real data; the test is skipped where it is not."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared data at {SHARED}")
    return SHARED

"""Phantom scans as volumes, and bodies that can be worked out by hand."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from covidx.phantom import PhantomScan, draw_patient, render
from covidx.volume import Volume

SHARED = Path(__file__).parents[3] / "shared" / "data"


@cache
def scan(index: int) -> PhantomScan:
    """The CT of a patient of seed 5; 1, 2 and 3 are of scanners B, C and A."""
    return render(draw_patient(5, index))


def ct(result: PhantomScan) -> Volume:
    return Volume(result.hu.copy(), "CT", "hu", "proven", result.affine)


def round_labels(slices: int = 10) -> NDArray[np.uint8]:
    """Two lungs within 80 mm of the middle of 120 x 120 pixels of 2 mm, 40 mm apart."""
    y, x = (np.indices((120, 120)) - 59.5) * 2.0
    inside = np.hypot(y, x) < 80.0
    plane = np.where(inside & (x < -20.0), 1, np.where(inside & (x > 20.0), 2, 0))
    return np.broadcast_to(plane.astype(np.uint8), (slices, 120, 120)).copy()


def round_chest(slices: int = 10, step_mm: float = 10.0) -> Volume:
    """A round body of water in air, 220 mm across, with the lungs of `round_labels`, -800 HU.

    Columns run to the patient's left, rows to the back, slices to the head.
    """
    y, x = (np.indices((120, 120)) - 59.5) * 2.0
    hu = np.where(np.hypot(y, x) < 110.0, 40, -1000).astype(np.int16)
    hu = np.where(round_labels(slices) > 0, -800, hu).astype(np.int16)
    return Volume(hu, "CT", "hu", "proven", np.diag([-2.0, -2.0, step_mm, 1.0]))


@pytest.fixture
def shared() -> Path:
    """The folder of real data; the test is skipped where it is not."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared data at {SHARED}")
    return SHARED

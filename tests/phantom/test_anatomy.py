"""HU are plausible by tissue, at places known from the patient's shape."""

import numpy as np
import pytest

from covidx.phantom import PhantomScan, draw_patient, render
from covidx.phantom.patient import Patient

# Name, where in the patient (LPS mm, times the patient's size), and HU that it may have.
TISSUES = (
    ("heart", (26.0, -22.0, -52.0), (20, 70)),
    ("trachea", (0.0, 4.0, 80.0), (-1024, -850)),
    ("descending aorta", (24.0, 48.0, -20.0), (20, 70)),
    ("liver", (-70.0, -12.0, -115.0), (35, 80)),
)


@pytest.fixture(scope="module", params=["A", "B", "C"])
def healthy(request: pytest.FixtureRequest) -> tuple[Patient, PhantomScan]:
    patients = (draw_patient(6, i) for i in range(200))
    patient = next(p for p in patients if p.scanner == request.param and p.normal_ct)
    return patient, render(patient)


def _median_around(scan: PhantomScan, point: np.ndarray) -> float:
    """Median HU within 5 mm in the plane of a point (LPS mm)."""
    grid = scan.grid
    near = (np.abs(grid.z - point[2]) <= grid.step_mm / 2) & (np.abs(grid.y - point[1]) < 5)
    return float(np.median(scan.hu[near & (np.abs(grid.x - point[0]) < 5)]))


@pytest.mark.parametrize(("name", "place", "hu"), TISSUES, ids=[t[0] for t in TISSUES])
def test_tissue(
    healthy: tuple[Patient, PhantomScan],
    name: str,
    place: tuple[float, float, float],
    hu: tuple[int, int],
) -> None:
    patient, scan = healthy
    assert hu[0] <= _median_around(scan, np.array(place) * patient.anatomy.size) <= hu[1]


def test_lungs_fat_bone_and_air(healthy: tuple[Patient, PhantomScan]) -> None:
    _, scan = healthy
    assert -920 < np.median(scan.hu[scan.lung > 0]) < -780
    assert -1024 <= np.median(scan.hu[:, :4, :4]) < -980
    body = scan.hu[(scan.lung == 0) & (scan.hu > -300)]
    assert 0.05 < np.mean((body > -150) & (body < -50)) < 0.7  # fat
    assert 0.02 < np.mean(body > 180) < 0.25  # bone
    assert body.dtype == np.int16


def test_lung_volume_and_sides(healthy: tuple[Patient, PhantomScan]) -> None:
    _, scan = healthy
    right, left = (np.count_nonzero(scan.lung == s) * scan.grid.voxel_ml for s in (1, 2))
    assert 2500 < right + left < 8500
    assert right > left  # the heart takes its room on the left
    x = np.broadcast_to(scan.grid.x, scan.lung.shape)
    assert x[scan.lung == 1].max() < 0 < x[scan.lung == 2].min()


def test_scan_holds_the_whole_lungs(healthy: tuple[Patient, PhantomScan]) -> None:
    _, scan = healthy
    assert not scan.lung[0].any()
    assert not scan.lung[-1].any()
    assert not scan.lung[:, :, [0, -1]].any()
    assert set(np.unique(scan.lobe)) == {0, 1, 2, 3, 4, 5}

"""Affines worked out by hand; every refusal by its code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from covidx.errors import InvalidSeriesError
from covidx.ingest.dicom.geometry import slice_normal, stack_geometry
from covidx.ingest.dicom.header import Header, headers_of

from .conftest import plane


def header(index: int, **changes: Any) -> Header:
    return headers_of(plane(index, **changes), Path(f"f{index}"))[0]


def stack(zs: list[float], **changes: Any) -> list[Header]:
    return [header(i, ImagePositionPatient=[-10, -20, z], **changes) for i, z in enumerate(zs)]


def test_affine_of_an_axial_stack_by_hand() -> None:
    """PixelSpacing [0.5, 0.75] is rows, then columns; LPS x and y change sign in RAS."""
    found = stack_geometry(stack([110, 100, 105]))
    assert found.places == ((1,), (2,), (0,))
    assert found.spacing_mm == 5
    assert found.extent_mm == 10
    expected = [[-0.75, 0, 0, 10], [0, -0.5, 0, 20], [0, 0, 5, 100], [0, 0, 0, 1]]
    np.testing.assert_array_equal(found.affine, expected)


def test_affine_of_a_sagittal_stack_by_hand() -> None:
    """Rows run to the back (y), columns to the feet (-z); the normal y x -z = -x points right."""
    planes = [
        header(i, ImageOrientationPatient=[0, 1, 0, 0, 0, -1], ImagePositionPatient=[x, -30, 70])
        for i, x in enumerate([4, 2, 0])
    ]
    found = stack_geometry(planes)
    assert found.normal.tolist() == [-1, 0, 0]
    assert found.places == ((0,), (1,), (2,))
    expected = [[0, 0, 2, -4], [-0.75, 0, 0, 30], [0, -0.5, 0, 70], [0, 0, 0, 1]]
    np.testing.assert_array_equal(found.affine, expected)


def test_order_of_input_does_not_matter() -> None:
    heights = [100.0 + 2.5 * i for i in range(12)]
    one = stack_geometry(stack(heights))
    other = stack_geometry(stack(heights[::-1]))
    np.testing.assert_array_equal(one.affine, other.affine)
    assert other.places == tuple((11 - i,) for i in range(12))


def shaken(mm: float, slices: int) -> list[Header]:
    """Slices 5 mm apart, every second one but the ends that far beside the line."""
    away = [0.0] + [mm * (i % 2) for i in range(1, slices - 1)] + [0.0]
    return [header(i, ImagePositionPatient=[-10 + x, -20, 5 * i]) for i, x in enumerate(away)]


@pytest.mark.parametrize("slices", [3, 41])
def test_each_slice_may_lie_a_twentieth_of_a_step_beside_the_line(slices: int) -> None:
    """0.25 mm of 5, of however many slices."""
    assert len(stack_geometry(shaken(0.24, slices)).places) == slices
    with pytest.raises(InvalidSeriesError) as caught:
        stack_geometry(shaken(0.26, slices))
    assert caught.value.code == "POSITION_UNEVEN"
    assert "0.260 mm" in caught.value.message


def test_the_normal_is_a_unit_vector_though_the_directions_are_rounded() -> None:
    normal = slice_normal((1.0005, 0, 0, 0, 1.0005, 0))
    assert normal.tolist() == [0, 0, 1]


def test_a_slice_of_unknown_depth_is_one_millimetre_deep() -> None:
    found = stack_geometry(stack([100], SliceThickness=None))
    assert found.spacing_mm is None
    assert found.affine[:3, 2].tolist() == [0, 0, 1]


def test_planes_at_one_place_are_kept_together() -> None:
    assert stack_geometry(stack([0, 5, 5.001, 10])).places == ((0,), (1, 2), (3,))


def test_a_single_slice_is_as_deep_as_its_thickness() -> None:
    assert stack_geometry(stack([7])).spacing_mm == 5
    assert stack_geometry(stack([7], SliceThickness=None)).spacing_mm is None


ILL: list[tuple[str, list[float], dict[str, Any]]] = [
    ("SLICE_MISSING", [0, 5, 10, 20], {}),
    ("SLICE_MISSING", [0, 5, 20, 25], {}),
    ("SPACING_UNEVEN", [0, 5, 10, 17], {}),
    ("SPACING_UNEVEN", [0, 5, 5.1, 10, 15], {}),  # 0.1 mm divides all steps, and means nothing
    ("SLICE_MISSING", [0, 5, 15, 20, 30, 35, 45], {}),  # every third one
    ("GEOMETRY_ABSENT", [0, 5], {"ImageOrientationPatient": None}),
    ("ORIENTATION_INVALID", [0, 5], {"ImageOrientationPatient": [1, 0, 0, 0.5, 1, 0]}),
    ("ORIENTATION_INVALID", [0, 5], {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}),
    ("SPACING_INVALID", [0, 5], {"PixelSpacing": None}),
    ("SPACING_INVALID", [0, 5], {"PixelSpacing": [0, 1]}),
]


@pytest.mark.parametrize(("code", "zs", "changes"), ILL)
def test_refusals(code: str, zs: list[float], changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidSeriesError) as caught:
        stack_geometry(stack(zs, **changes))
    assert caught.value.code == code


def test_the_missing_slice_is_named() -> None:
    with pytest.raises(InvalidSeriesError, match="1 of 5 slices are missing, first after slice 3"):
        stack_geometry(stack([0, 5, 10, 20]))


def tilted(degrees: float, zs: list[float]) -> list[Header]:
    """Slices turned about x, the table moving along z."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return stack(zs, ImageOrientationPatient=[1, 0, 0, 0, c, -s])


def test_a_tilted_gantry_by_hand() -> None:
    """A step of 5 mm along z is 5 cos 20 along the normal (0, sin 20, cos 20)."""
    found = stack_geometry(tilted(20, [0, 5, 10]))
    assert found.tilt_deg == pytest.approx(20)
    assert found.spacing_mm == pytest.approx(5 * np.cos(np.radians(20)))
    np.testing.assert_array_equal(found.affine[:3, 2], [0, 0, 5])  # as measured: no right angle


def test_slices_pushed_further_than_a_gantry_tilts_are_refused() -> None:
    with pytest.raises(InvalidSeriesError, match=r"40\.0 degrees") as caught:
        stack_geometry(tilted(40, [0, 5, 10]))
    assert caught.value.code == "GANTRY_TILT"


@pytest.mark.parametrize("degrees", [-0.4, 0.4])
def test_a_hair_of_tilt_is_left_in_the_affine(degrees: float) -> None:
    assert stack_geometry(tilted(degrees, [0, 5, 10])).tilt_deg == 0


UNEVEN: list[tuple[list[float], float, list[float]]] = [
    ([0, 5, 10, 20], 5, [0, 5, 10, 20]),  # the step of the scan
    ([0, 5, 10, 17], 17 / 3, [0, 5, 10, 17]),  # as many steps of the usual size as fit
    ([0, 4, 4.1, 8.1, 12.1], 12.1 / 3, [0, 4, 4.1, 8.1, 12.1]),
]


@pytest.mark.parametrize(("zs", "step", "heights"), UNEVEN)
def test_uneven_stacks_if_asked_for(zs: list[float], step: float, heights: list[float]) -> None:
    found = stack_geometry(stack(zs), resample=True)
    assert found.spacing_mm == pytest.approx(step)
    assert found.uneven_mm == pytest.approx(heights)
    assert found.extent_mm == pytest.approx(zs[-1])
    assert found.affine[2, 2] == pytest.approx(step)


def test_an_even_stack_is_not_resampled_though_asked_for() -> None:
    found = stack_geometry(stack([0, 5, 10]), resample=True)
    assert not found.uneven_mm
    np.testing.assert_array_equal(found.affine, stack_geometry(stack([0, 5, 10])).affine)


def test_a_slice_pushed_aside_is_refused_even_if_resampling_is_asked_for() -> None:
    planes = stack([0, 5, 10, 20])
    planes[1] = header(1, ImagePositionPatient=[-12, -20, 5])
    with pytest.raises(InvalidSeriesError) as caught:
        stack_geometry(planes, resample=True)
    assert caught.value.code == "POSITION_UNEVEN"


def test_positions_off_the_line_are_refused() -> None:
    """Steps that change slowly: each within tolerance, their sum not."""
    heights = np.concatenate([[0], np.cumsum([5.0] * 20 + [5.2] * 20)])
    with pytest.raises(InvalidSeriesError) as caught:
        stack_geometry(stack(heights.tolist()))
    assert caught.value.code == "POSITION_UNEVEN"


def test_rounded_positions_are_accepted() -> None:
    heights = [round(i * 0.7031, 2) for i in range(40)]
    found = stack_geometry(stack(heights))
    assert found.spacing_mm == pytest.approx(0.7031, abs=1e-3)


def test_normal_is_right_handed() -> None:
    assert slice_normal([0, 1, 0, 0, 0, -1]).tolist() == [-1, 0, 0]

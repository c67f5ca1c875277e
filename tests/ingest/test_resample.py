"""Shear and interpolation against answers worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from covidx.errors import CovidxError
from covidx.ingest import Identities, Rules, ingest, load_image, read_images, read_series
from covidx.ingest.dicom.resample import evenly, unsheared
from covidx.volume import Volume

from .conftest import chest_values, plane, save, write_series

AXES = np.diag([2.0, 4.0, 5.0, 1.0])


def sheared(x: float, y: float) -> np.ndarray:
    affine = AXES.copy()
    affine[:2, 2] = x, y
    return affine


def test_whole_pixels_are_moved_and_not_changed() -> None:
    """Each slice lies 4 mm, one row, further along y: it moves one row down in a larger frame."""
    array = np.array([[[1], [2]], [[3], [4]], [[5], [6]]], np.int16)  # (3, 2, 1)
    moved, affine = unsheared(array, sheared(0, 4), np.arange(3.0), -9)
    assert moved[:, :, 0].tolist() == [[1, 2, -9, -9], [-9, 3, 4, -9], [-9, -9, 5, 6]]
    np.testing.assert_array_equal(affine, AXES)
    assert moved.dtype == np.int16


def test_parts_of_a_pixel_are_blended() -> None:
    """1 mm is a quarter of a row: 3/4 of the value and 1/4 of the one before, if there is one."""
    array = np.array([[[8.0], [16.0]], [[8.0], [16.0]]], np.float32)
    moved, _ = unsheared(array, sheared(0, 1), np.arange(2.0), 0)
    assert moved[:, :, 0].tolist() == [[8, 16, 0], [0, 14, 0]]


def test_a_shift_the_other_way_moves_the_origin() -> None:
    """-2 mm along x a step is one column: the frame begins two columns before the first slice."""
    array = np.array([[[1, 2]], [[3, 4]], [[5, 6]]], np.int16)
    moved, affine = unsheared(array, sheared(-2, 0), np.arange(3.0), 0)
    assert moved[:, 0].tolist() == [[0, 0, 1, 2], [0, 3, 4, 0], [5, 6, 0, 0]]
    assert affine[:3, 3].tolist() == [-4, 0, 0]


def test_slices_between_are_interpolated_and_measured_ones_kept() -> None:
    array = np.array([[[0]], [[10]], [[40]]], np.int16)
    even, affine = evenly(array, AXES, np.array([0.0, 1.0, 3.0]))
    assert even.ravel().tolist() == [0, 10, 25, 40]
    np.testing.assert_array_equal(affine, AXES)
    even, _ = evenly(array, AXES, np.array([0.0, 0.5, 2.0]))
    assert even.ravel().tolist() == [0, 20, 40]


def tilted(folder: Path, degrees: float, slices: int = 8, **changes: Any) -> list[Path]:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return write_series(folder, slices, ImageOrientationPatient=[1, 0, 0, 0, c, -s], **changes)


def field(places: np.ndarray) -> np.ndarray:
    """HU that grow along each axis of the patient, so that linear interpolation is exact."""
    return 7 * places[..., 0] + 5 * places[..., 1] + 3 * places[..., 2] - 100.0  # RAS mm


def field_series(folder: Path, degrees: float, zs: list[float]) -> None:
    """The field sampled where tilted slices lie; 20 rows of 0.5 mm, 12 columns of 0.75 mm."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    row, column = np.mgrid[:20, :12].astype(float)
    for index, z in enumerate(zs):
        lps = np.stack(
            [-10 + 0.75 * column, -20 + 0.5 * row * c, z - 0.5 * row * s], axis=-1
        )  # (rows, columns, 3)
        stored = np.rint(field(lps * [-1, -1, 1]) + 1024).astype(np.uint16)
        changes = {"ImageOrientationPatient": [1, 0, 0, 0, c, -s]}
        save(plane(index, ImagePositionPatient=[-10, -20, z], **changes), folder / str(z), stored)


@pytest.mark.parametrize(
    ("degrees", "zs", "fringe"),
    [
        (20, [0, 2, 4, 6], 0),
        (-12, [0, 2, 4, 6], 0),
        (0, [0, 2, 4, 8], 0),
        (15, [0, 2, 5, 9, 10], 3),  # rows that one slice reaches, and the next does not
    ],
)
def test_every_place_of_the_patient_keeps_its_value(
    tmp_path: Path, degrees: float, zs: list[float], fringe: int
) -> None:
    field_series(tmp_path, degrees, zs)
    volume = read_series(tmp_path, Rules(resample=True))
    affine = volume.affine
    assert affine is not None and volume.resampled
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    np.testing.assert_allclose(directions.T @ directions, np.eye(3), atol=1e-6)
    k, j, i = np.indices(volume.array.shape)
    truth = field(np.stack([i, j, k, np.ones_like(i)], axis=-1) @ affine[:3].T)
    inside = np.abs(volume.array - truth) < 1.01  # rounded twice
    filled = volume.array == -1000
    assert inside.sum() >= 18 * 12 * (len(zs) - 1)
    assert (~inside & ~filled).sum() <= 2 * fringe * 12 * len(volume.array)


def test_a_tilted_series_says_so(tmp_path: Path) -> None:
    tilted(tmp_path / "in", 20)
    [image] = read_images(tmp_path / "in", identities=Identities.public())
    assert (image.volume.units, image.volume.geometry) == ("hu", "proven")
    assert image.volume.resampled == "tilt of 20.0 deg corrected by shear"
    assert image.receipt.resampled == image.volume.resampled


def test_the_mark_survives_the_store_and_nibabel(tmp_path: Path) -> None:
    tilted(tmp_path / "in", 15)
    result = ingest(tmp_path / "in", tmp_path / "store", workers=1)
    [row] = result.manifest.to_dict("records")
    assert load_image(tmp_path / "store", row).resampled == "tilt of 15.0 deg corrected by shear"
    stored = tmp_path / "store" / row["path"]
    assert read_series(stored).resampled == "tilt of 15.0 deg corrected by shear"
    image = nib.load(stored)
    image.header["descrip"] = b"FreeSurfer"
    nib.save(image, tmp_path / "other.nii")
    assert read_series(tmp_path / "other.nii").resampled == ""


def missing(folder: Path) -> None:
    write_series(folder, 8, ImagePositionPatient=lambda i: [0, 0, 5 * i if i < 4 else 5 * i + 5])


def test_missing_slices_are_interpolated_only_if_asked_for(tmp_path: Path) -> None:
    missing(tmp_path)
    with pytest.raises(CovidxError, match="SLICE_MISSING"):
        read_series(tmp_path)
    volume = read_series(tmp_path, Rules(resample=True))
    assert volume.resampled == "9 slices interpolated from 8"
    assert volume.spacing_mm == pytest.approx((5, 0.5, 0.75))
    values = chest_values(8).astype(int) - 1024
    np.testing.assert_array_equal(volume.array[[0, 1, 2, 3, 5, 6, 7, 8]], values)
    np.testing.assert_array_equal(volume.array[4], np.rint((values[3] + values[4]) / 2))


def test_a_whole_series_is_chosen_before_one_that_was_interpolated(tmp_path: Path) -> None:
    missing(tmp_path / "a")
    write_series(tmp_path / "b", SeriesInstanceUID="1.2.9", SeriesNumber=9)
    reader = read_images(tmp_path, identities=Identities.public(), rules=Rules(resample=True))
    [image] = reader
    assert image.volume.resampled == ""
    assert set(reader.quarantine["reason"]) == {
        "Not chosen: series 9 (B30f) is, since none of its slices is interpolated."
    }


def test_tilted_and_uneven(tmp_path: Path) -> None:
    tilted(tmp_path, 10, 6, ImagePositionPatient=lambda i: [0, 0, [0, 4, 8, 12, 20, 24][i]])
    volume = read_series(tmp_path, Rules(resample=True))
    assert volume.resampled == ("tilt of 10.0 deg corrected by shear; 7 slices interpolated from 6")
    assert volume.spacing_mm[0] == pytest.approx(4 * np.cos(np.radians(10)))


def test_a_mr_is_filled_with_its_least_value(tmp_path: Path) -> None:
    c, s = np.cos(np.radians(20)), np.sin(np.radians(20))
    for i, values in enumerate(chest_values(8) + 7):
        changes = {"ImageOrientationPatient": [1, 0, 0, 0, c, -s], "Modality": "MR"}
        changes |= {"RescaleSlope": None, "RescaleIntercept": None, "RescaleType": None}
        save(plane(i, **changes), tmp_path / str(i), values)
    volume: Volume = read_series(tmp_path)
    assert volume.array[0, 0, 0] == volume.array.min() == 31

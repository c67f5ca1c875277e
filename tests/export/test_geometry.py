"""A landmark from DICOM to a mask, to a SEG, and back: no mirror, no shift, to the voxel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from highdicom.seg import segread
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

import covidx
from benchmarks.series import BALL_MM, LANDMARK, SERIES, legacy_converted, write
from covidx.errors import CovidxError
from covidx.export import (
    Algorithm,
    SourceSeries,
    binary_segmentation,
    parametric_map,
    read_mask,
    read_source,
    save,
    volumes_ml,
)
from covidx.export.masks import write_on_source_grid
from covidx.ingest.nifti import write_nifti
from covidx.volume import Volume
from tests.export.conftest import frames_of

NETWORK = Algorithm("made-up network", "0.1")
STRAIGHT = (
    "axial",
    "axial-backwards",
    "axial-prone",
    "axial-rows-reversed",
    "axial-columns-reversed",
    "coronal",
    "coronal-backwards",
    "sagittal",
    "sagittal-backwards",
    "sagittal-mr",
    "oblique",
    "double-oblique",
    "oblique-backwards-mr",
    "single-slice",
)
TILTED = ("tilt-12", "tilt-minus-20", "tilt-28-backwards")
ENHANCED = ("axial", "axial-backwards", "coronal-backwards", "double-oblique")
BALL = 2000
"""Stored value of the landmark."""


def balls(folder: Path) -> dict[tuple[str, int | None], tuple[NDArray[Any], list[float]]]:
    """Where the landmark is in each image or frame, and where that lies, by pydicom alone."""
    output = {}
    for path in folder.iterdir():
        ds = dcmread(path)
        pixels = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
        for index, values in enumerate(pixels):
            key, place = (str(ds.SOPInstanceUID), None), ds
            if "PerFrameFunctionalGroupsSequence" in ds:
                key = (key[0], index + 1)
                place = ds.PerFrameFunctionalGroupsSequence[index].PlanePositionSequence[0]
            output[key] = values == BALL, list(map(float, place.ImagePositionPatient))
    return output


def check(made: Path, folder: Path) -> None:
    """Each frame shows what its source shows, where its source lies; and no source is left out."""
    expected = balls(folder)
    shown = set()
    for frame in frames_of(dcmread(made)):
        key = (frame.source, frame.source_frame)
        ball, position = expected[key]
        np.testing.assert_array_equal(frame.values > 0, ball)
        np.testing.assert_allclose(frame.position, position, atol=1e-6)
        shown.add(key)
    assert shown >= {key for key, (ball, _) in expected.items() if ball.any()}
    assert shown


def ball_of(volume: Volume) -> Volume:
    """The landmark as a mask on the volume's own grid; MR has no intercept."""
    top = BALL if volume.modality == "MR" else BALL - 1024
    return replace(volume, array=(volume.array == top).astype(np.uint8), units="unproven")


def written(mask: Volume | NDArray[Any], source: SourceSeries, out: Path) -> Path:
    return save(binary_segmentation(mask, {1: "opacity"}, source, NETWORK), out)


@pytest.mark.parametrize("name", STRAIGHT)
def test_a_landmark_comes_back_from_every_orientation(name: str, tmp_path: Path) -> None:
    folder = write(SERIES[name], tmp_path / "series")
    mask = ball_of(covidx.read_series(folder))
    source = read_source(folder, "original")
    write_nifti(mask.canonical(), tmp_path / "mask.nii.gz")
    guises = (np.array(mask.array), mask, mask.canonical(), read_mask(tmp_path / "mask.nii.gz"))
    for number, guise in enumerate(guises):
        check(written(guise, source, tmp_path / f"{number}.dcm"), folder)


@pytest.mark.parametrize("name", [name for name in STRAIGHT if name != "single-slice"])
def test_highdicom_finds_the_landmark_where_it_was_put(name: str, tmp_path: Path) -> None:
    folder = write(SERIES[name], tmp_path / "series")
    mask = ball_of(covidx.read_series(folder)).canonical()
    volume = segread(
        written(mask, read_source(folder, "original"), tmp_path / "seg.dcm")
    ).get_volume()
    voxels = np.argwhere(volume.array.reshape(volume.array.shape[:3]) > 0)
    there = volume.map_indices_to_reference(voxels.astype(float))
    here = np.array([point for ds in map(dcmread, folder.iterdir()) for point in lit(ds)])
    # Every voxel has its own twin, a hair away: their distances are 0.9 mm and more.
    away = np.linalg.norm(there[:, None] - here[None], axis=-1)  # (found, expected)
    assert len(there) == len(here) > 20
    assert sorted(away.argmin(1)) == list(range(len(here)))
    assert away.min(1).max() < 1e-3
    np.testing.assert_allclose(here.mean(0), LANDMARK, atol=1.25)


def lit(ds: Dataset, values: NDArray[Any] | None = None) -> list[NDArray[np.float64]]:
    """Places in LPS mm of the pixels of the landmark, or of those that are not 0."""
    row, column = np.reshape(np.array(ds.ImageOrientationPatient, float), (2, 3))
    across, down = float(ds.PixelSpacing[1]) * row, float(ds.PixelSpacing[0]) * column
    chosen = ds.pixel_array == BALL if values is None else values
    origin = np.array(ds.ImagePositionPatient, float)
    return [origin + i * down + j * across for i, j in np.argwhere(chosen)]


@pytest.mark.parametrize("name", ENHANCED)
def test_a_landmark_comes_back_to_the_frames_of_an_enhanced_ct(name: str, tmp_path: Path) -> None:
    single = write(SERIES[name], tmp_path / "single")
    folder = legacy_converted(single, tmp_path / "enhanced")
    mask = ball_of(covidx.read_series(folder))
    check(written(mask.canonical(), read_source(folder, "original"), tmp_path / "seg.dcm"), folder)


def test_a_tilted_enhanced_ct(tmp_path: Path) -> None:
    single = write(SERIES["tilt-minus-20"], tmp_path / "single")
    folder = legacy_converted(single, tmp_path / "enhanced")
    output = sorted(balls(folder).values(), key=lambda one: one[1][2])  # the table goes along z
    mask = np.stack([ball for ball, _ in output]).astype(np.uint8)
    check(written(mask, read_source(folder, "original"), tmp_path / "seg.dcm"), folder)


@pytest.mark.parametrize("name", TILTED)
def test_a_mask_on_the_scanner_s_own_tilted_grid(name: str, tmp_path: Path) -> None:
    folder = write(SERIES[name], tmp_path / "series")
    source = read_source(folder, "original")
    output = balls(folder)
    own = np.stack([output[str(ds.SOPInstanceUID), None][0] for ds in source.images])
    placed = Volume(own.astype(np.uint8), "OT", "unproven", "proven", source.own.affine)
    for number, mask in enumerate((own.astype(np.uint8), placed, placed.canonical())):
        check(written(mask, source, tmp_path / f"{number}.dcm"), folder)


def centre_of(folder: Path, made: Path) -> NDArray[np.float64]:
    """Middle of a SEG's voxels in LPS mm, from the headers of the slices that it refers to."""
    slices = {ds.SOPInstanceUID: ds for ds in map(dcmread, folder.iterdir())}
    frames = frames_of(dcmread(made))
    return np.mean([p for f in frames for p in lit(slices[f.source], f.values)], axis=0)


@pytest.mark.parametrize("name", TILTED)
def test_a_mask_on_the_sheared_grid_goes_back_to_the_tilted_slices(
    name: str, tmp_path: Path
) -> None:
    """Moved by whole pixels, half a pixel off at most: the ball's middle stays, and so do most."""
    folder = write(SERIES[name], tmp_path / "series")
    volume = covidx.read_series(folder)
    assert volume.resampled
    assert volume.affine is not None
    k, i, j = np.indices(volume.array.shape)
    places = np.stack([j, i, k, np.ones_like(k)], -1) @ volume.affine.T
    away = np.linalg.norm(places[..., :3] - LANDMARK * [-1, -1, 1], axis=-1)
    mask = replace(volume, array=(away < BALL_MM).astype(np.uint8), units="unproven", resampled="")
    source = read_source(folder, "original")
    for number, guise in enumerate((np.array(mask.array), mask, mask.canonical())):
        made = written(guise, source, tmp_path / f"{number}.dcm")
        np.testing.assert_allclose(centre_of(folder, made), LANDMARK, atol=0.6)  # half of 1.2 mm
        truth = {key: ball for key, (ball, _) in balls(folder).items()}
        frames = list(frames_of(dcmread(made)))
        both = sum(int((f.values & truth[f.source, None]).sum()) for f in frames)
        total = sum(int(f.values.sum()) for f in frames) + sum(int(b.sum()) for b in truth.values())
        assert 2 * both / total > 0.85


def test_one_voxel_of_the_sheared_grid_is_one_of_the_tilted_slice(tmp_path: Path) -> None:
    """The voxel in whose half-pixel reach it lies, and no other; in the slice of its number."""
    folder = write(SERIES["tilt-minus-20"], tmp_path / "series")
    volume, source = covidx.read_series(folder), read_source(folder, "original")
    assert volume.affine is not None
    for k, ds in enumerate(source.images):
        row, column = np.reshape(np.array(ds.ImageOrientationPatient, float), (2, 3))
        i, j = 11 + k, 30 - k
        lps = np.array(ds.ImagePositionPatient, float) + i * 0.9 * column + j * 1.2 * row
        index = np.linalg.inv(volume.affine) @ [-lps[0], -lps[1], lps[2], 1]
        assert abs(index[2] - k) < 1e-3
        mask = np.zeros(volume.array.shape, np.uint8)
        mask[k, round(index[1]), round(index[0])] = 1
        back = source.on_own_grid(replace(volume, array=mask, units="unproven", resampled=""))
        assert np.argwhere(back).tolist() == [[k, i, j]]


def test_a_voxel_of_a_tilted_series_is_as_high_as_its_slices_lie_apart(tmp_path: Path) -> None:
    """The table goes 2.5 mm a slice, 28 degrees off the normal, whatever the scanner says."""
    changes = {"SpacingBetweenSlices": 2.5}
    folder = write(replace(SERIES["tilt-28-backwards"], changes=lambda _: changes), tmp_path / "s")
    source = read_source(folder, "original")
    mask = np.zeros(source.own.shape, np.uint8)
    mask[3, 5, 5:15] = 1
    made = binary_segmentation(mask, {1: "opacity"}, source, NETWORK)
    expected = 10 * 0.9 * 1.2 * 2.5 * np.cos(np.radians(28)) / 1000
    assert volumes_ml(made)[1] == pytest.approx(expected, rel=1e-5)


def test_nifti_out_lies_on_the_tilted_grid(tmp_path: Path) -> None:
    folder = write(SERIES["tilt-12"], tmp_path / "series")
    volume = covidx.read_series(folder)
    assert volume.affine is not None
    mask = replace(volume, array=np.ones(volume.array.shape, np.uint8), units="unproven")
    write_on_source_grid(mask.canonical(), folder, tmp_path / "m.nii.gz")
    out = read_mask(tmp_path / "m.nii.gz")
    assert (out.array.shape, out.resampled) == ((14, 40, 36), "")
    assert out.affine is not None
    heads = sorted(map(dcmread, folder.iterdir()), key=lambda ds: ds.ImagePositionPatient[2])
    for k in (0, 13):  # LPS to RAS: the signs of x and y
        place = np.array(heads[k].ImagePositionPatient, float) * [-1, -1, 1]
        np.testing.assert_allclose(out.affine[:3] @ [0, 0, k, 1], place, atol=1e-4)
    with pytest.raises(CovidxError) as caught:
        write_on_source_grid(mask, folder, tmp_path / "m.nii")
    assert caught.value.code == "OUT_SUFFIX"


def test_a_map_lies_on_its_source_too(tmp_path: Path) -> None:
    folder = write(SERIES["sagittal-backwards"], tmp_path / "series")
    mask = ball_of(covidx.read_series(folder))
    likely = replace(mask, array=mask.array * np.float32(0.3)).canonical()
    made = parametric_map(likely, "opacity", read_source(folder, "original"), NETWORK)
    check(save(made, tmp_path / "map.dcm"), folder)


def at(volume: Volume, between: Any) -> Volume:
    """The same voxels, placed as if their indices were changed first."""
    assert volume.affine is not None
    return replace(volume, affine=volume.affine @ np.array(between, float))


def by(*voxels: float) -> NDArray[np.float64]:
    """A shift by (columns, rows, slices)."""
    result = np.eye(4)
    result[:3, 3] = voxels
    return result


TURN = [[0.96, -0.28, 0, 0], [0.28, 0.96, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
SHIFTS: list[tuple[str, Any]] = [
    ("one column", lambda v: at(v, by(1, 0, 0))),
    ("one slice", lambda v: at(v, by(0, 0, -1))),
    ("a fifth of a row", lambda v: at(v, by(0, 0.2, 0))),
    ("mirrored", lambda v: at(v, np.diag([-1, 1, 1, 1]))),
    ("another step", lambda v: at(v, np.diag([1, 1, 1.1, 1]))),
    ("turned", lambda v: at(v, TURN)),
    ("a slice less", lambda v: replace(v, array=np.array(v.array[1:]))),
    ("transposed array", lambda v: np.array(v.array.transpose(0, 2, 1))),
    ("no place", lambda v: replace(v, geometry="spacing_only")),
]


@pytest.mark.parametrize(("how", "change"), SHIFTS)
def test_a_mask_beside_its_series_is_refused(how: str, change: Any, tmp_path: Path) -> None:
    folder = write(SERIES["axial"], tmp_path / "series")
    mask = ball_of(covidx.read_series(folder))
    with pytest.raises(CovidxError) as caught:
        read_source(folder, "original").on_own_grid(change(mask))
    assert caught.value.code == "MASK_GRID", how
    assert "(14, 40, 36)" in str(caught.value.expected)
    assert caught.value.actual


def test_rounding_of_another_program_is_no_shift(tmp_path: Path) -> None:
    folder = write(SERIES["double-oblique"], tmp_path / "series")
    mask = ball_of(covidx.read_series(folder)).canonical()
    assert mask.affine is not None
    near = replace(mask, affine=np.round(mask.affine, 4))
    source = read_source(folder, "original")
    np.testing.assert_array_equal(source.on_own_grid(near), source.on_own_grid(mask))

"""Heatmaps as DICOM: log-odds as a Parametric Map, and pictures whose contours lie in place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageColor
from pydicom import dcmread

import covidx
from benchmarks.dciodvfy import NETWORK, faults
from benchmarks.series import SERIES, write
from covidx.constants import EVIDENCE_COLOURS, EVIDENCE_FLOOR
from covidx.errors import InvalidInputError, StoreError
from covidx.export import SourceSeries, evidence_map, read_source, save, write_captures
from covidx.export.captures import BAND, LEAST, picture
from covidx.volume import Volume
from tests.export.conftest import frames_of

PATIENTS = ("PH0000-00000", "PH0000-00001", "PH0000-00002")
PLACE = (slice(4, 6), slice(20, 30), slice(60, 75))
"""Slices, rows and columns on the scanner's own grid."""


def heat(source: SourceSeries) -> np.ndarray:
    values = np.zeros(source.own.shape, np.float32)
    values[PLACE] = 2.0
    return values


@pytest.mark.parametrize("patient", PATIENTS)
def test_a_map_and_its_pictures_are_sound_and_in_place(
    patient: str, folders: dict[str, Path], dciodvfy: None, tmp_path: Path
) -> None:
    folder = folders[patient]
    source = read_source(folder, "pseudonymous")
    values = heat(source)
    path = save(evidence_map(values, "covid-19", source, NETWORK), tmp_path / "map.dcm")
    assert faults(path) == []
    ds = dcmread(path)
    found = {frame.source: frame.values for frame in frames_of(ds)}
    for index, header in enumerate(source.images):
        np.testing.assert_array_equal(found[header.SOPInstanceUID], values[index])
    (mapping,) = ds.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert mapping.LUTExplanation == "Log-odds for covid-19"
    image = covidx.read_series(folder)
    made = write_captures(values, image, "covid-19", source, NETWORK, tmp_path / "pictures")
    assert [one.name for one in made] == ["0005.dcm", "0006.dcm"]
    for one in made:
        assert faults(one) == []
        shown = dcmread(one)
        assert shown.PatientID == source.images[0].PatientID != patient
        assert shown.StudyInstanceUID == source.images[0].StudyInstanceUID
        assert "Research use only" in shown.SeriesDescription
        assert shown.BurnedInAnnotation == "NO"
        _in_place(shown.pixel_array, source.own.shape)
        towards = np.array(source.images[0].ImageOrientationPatient, float)
        assert shown.PatientOrientation[0] == ("L" if towards[0] > 0 else "R")
        assert shown.PatientOrientation[1] == ("P" if towards[4] > 0 else "A")
    uids = {(str(dcmread(one).SeriesInstanceUID), str(dcmread(one).SOPInstanceUID)) for one in made}
    assert len(uids) == 2 and len({series for series, _ in uids}) == 1


def _in_place(pixels: np.ndarray, shape: tuple[int, ...]) -> None:
    """The outermost contour lies on the edge of `PLACE`, to half a pixel of the source."""
    times = -(-LEAST // min(shape[1:]))
    assert pixels.shape == (2 * BAND + times * shape[1], times * shape[2], 3)
    colours = [ImageColor.getrgb(colour) for colour in EVIDENCE_COLOURS]
    coloured = np.argwhere((pixels[..., None, :] == colours).all(-1).any(-1))
    (top, left), (bottom, right) = coloured.min(axis=0), coloured.max(axis=0) + 1
    for edge, where in zip((top - BAND, bottom - BAND, left, right), (20, 30, 60, 75), strict=True):
        assert abs(edge / times - where) <= 0.5


@pytest.mark.parametrize("name", ["axial", "coronal", "sagittal", "oblique"])
def test_a_heatmap_on_the_canonical_grid_comes_back_to_the_scanner_s(
    name: str, tmp_path: Path
) -> None:
    folder = write(SERIES[name], tmp_path / "series")
    source, volume = read_source(folder, "pseudonymous"), covidx.read_series(folder)
    values = np.zeros(volume.array.shape, np.float32)
    values[2, 3, 4] = 1.5
    own = Volume(values, "OT", "unproven", volume.geometry, volume.affine)
    for given in (own, own.canonical()):
        np.testing.assert_array_equal(
            source.on_own_grid(given), source.on_own_grid(replace(own, array=values))
        )
        made = evidence_map(given, "covid-19", source, NETWORK)
        assert float(np.asarray(made.pixel_array).max()) == 1.5
        folder_of = tmp_path / f"p{given is own}"
        (one,) = write_captures(given, volume, "covid-19", source, NETWORK, folder_of)
        where = np.argwhere(source.on_own_grid(given) > 0)[0]
        assert one.name == f"{where[0] + 1:04d}.dcm"


def test_a_picture_by_hand() -> None:
    grey = np.full((4, 8), 100, np.uint8)
    values = np.zeros((4, 8), np.float32)
    values[1:3, 2:5] = 1.0
    levels = [EVIDENCE_FLOOR, 0.3, 0.5, 0.7]
    made = picture(grey, values, levels, ("L", "P"), ["one", "two"])
    assert made.shape == (2 * BAND + 512, 1024, 3)
    assert tuple(made[BAND + 256, 448]) == (100, 100, 100)  # inside of the contours
    assert tuple(made[BAND + 20, 20]) == (100, 100, 100)  # outside
    assert made[:BAND].max() == 255 and made[-BAND:].max() == 255  # the notice, and the text
    bare = picture(grey, values, levels, None, [])
    assert (made[BAND:-BAND] != bare[BAND:-BAND]).any(axis=-1).mean() < 0.01  # four letters


def test_what_cannot_be_written(folders: dict[str, Path], tmp_path: Path) -> None:
    source = read_source(folders[PATIENTS[0]], "original")
    image = covidx.read_series(folders[PATIENTS[0]])
    nothing = np.zeros(source.own.shape, np.float32)
    folder = tmp_path / "pictures"
    with pytest.raises(InvalidInputError, match="NO_EVIDENCE"):
        write_captures(nothing, image, "covid-19", source, NETWORK, folder)
    assert not folder.exists()
    for bad in (-1.0, np.nan):
        with pytest.raises(InvalidInputError, match="MASK_VALUES"):
            evidence_map(nothing + bad, "covid-19", source, NETWORK)
    with pytest.raises(InvalidInputError, match="MASK_GRID"):
        evidence_map(nothing[1:], "covid-19", source, NETWORK)
    folder.mkdir()
    (folder / "kept").touch()
    with pytest.raises(StoreError, match="FOLDER_TAKEN"):
        write_captures(heat(source), image, "covid-19", source, NETWORK, folder)
    assert [path.name for path in folder.iterdir()] == ["kept"]

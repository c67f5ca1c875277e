"""Lungs on one slice of unknown window: drawn by hand, and the phantom's under several windows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from covidx.errors import InvalidInputError
from covidx.imaging.preparation import window
from covidx.segmentation import dice, segment_slice_lungs

from .conftest import scan

Picture = NDArray[np.uint8]
ROWS, COLUMNS = 120, 160


def disc(row: int, column: int, high: int, wide: int) -> NDArray[np.bool_]:
    y, x = np.indices((ROWS, COLUMNS))
    found: NDArray[np.bool_] = ((y - row) / high) ** 2 + ((x - column) / wide) ** 2 <= 1
    return found


LUNGS = disc(60, 50, 32, 20) | disc(60, 110, 32, 20)


def chest(ground: int = 0, lung: int = 60, body: int = 200) -> Picture:
    """An oval body in air or on white paper, with two ovals of lung and a windpipe."""
    picture = np.full((ROWS, COLUMNS), ground, np.uint8)
    picture[disc(60, 80, 50, 70)] = body
    picture[LUNGS] = lung
    picture[disc(40, 80, 4, 4)] = lung // 2
    return picture


def framed(picture: Picture, grey: int) -> Picture:
    """With 20 lines of one grey on each side, and letters in them."""
    wider = np.pad(picture, 20, constant_values=grey)
    wider[6:12, 60:75] = 255 - grey
    return wider


@pytest.mark.parametrize("ground", [0, 255])
@pytest.mark.parametrize("lung", [0, 60, 120])
def test_two_ovals_in_a_bright_body(ground: int, lung: int) -> None:
    found = segment_slice_lungs(chest(ground, lung))
    assert dice(found, LUNGS) > 0.95  # the windpipe is none
    assert not found[:, 75:85].any()


@pytest.mark.parametrize("grey", [0, 255])
def test_a_frame_with_letters_is_none_of_it(grey: int) -> None:
    found = segment_slice_lungs(framed(chest(), grey))
    assert dice(found[20:-20, 20:-20], LUNGS) > 0.97
    found[20:-20, 20:-20] = False
    assert not found.any()


def test_lungs_may_be_cut_by_the_edge() -> None:
    crop = (slice(20, 100), slice(36, 124))  # some of each lung is beyond each side
    found = segment_slice_lungs(chest()[crop])
    assert dice(found, LUNGS[crop]) > 0.97
    assert found[:, [0, -1]].any(axis=0).all()


def test_vessels_and_small_opacities_are_lung() -> None:
    picture = chest()
    picture[58:60, 32:60] = 220
    picture[disc(70, 110, 6, 6)] = 200
    assert dice(segment_slice_lungs(picture), LUNGS) > 0.97


def test_fat_is_no_lung_in_a_mediastinal_window() -> None:
    """Black lungs, dark fat from them to the skin: half of the greys' range would join them."""
    picture = chest(lung=0, body=130)
    picture[disc(60, 80, 50, 70) & ~disc(60, 80, 40, 58) & ~LUNGS] = 40
    picture[disc(100, 80, 6, 8)] = 255
    picture[58:62, :30] = 40
    assert dice(segment_slice_lungs(picture), LUNGS) > 0.97


def one_lung() -> Picture:
    picture = chest()
    picture[LUNGS & (np.indices(picture.shape)[1] > 80)] = 200
    return picture


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (np.full((50, 60), 90, np.uint8), "NO_LUNGS"),  # one grey
        (np.where(disc(60, 80, 50, 70), 200, 0), "NO_LUNGS"),  # a body with nothing in it
        (one_lung(), "LUNGS_DOUBTFUL"),
        (255 - chest(), "LUNGS_DOUBTFUL"),  # a negative
        (np.where(disc(60, 80, 56, 76), 60, 200), "LUNGS_DOUBTFUL"),  # no heart, no spine
    ],
)
def test_what_is_no_pair_of_lungs_is_refused(picture: Picture, code: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        segment_slice_lungs(picture)
    assert error.value.code == code
    assert error.value.hint is not None and "--masks" in error.value.hint


@pytest.mark.parametrize("patient", [1, 3])
def test_a_phantoms_slice_under_any_window(patient: int) -> None:
    found = scan(patient)
    z = int((found.lung > 0).sum(axis=(1, 2)).argmax())
    hu, truth = found.hu[z], found.lung[z] > 0
    assert dice(segment_slice_lungs(hu), truth) > 0.95  # as it is, in HU
    for level, width in ((-600, 1500), (-450, 900), (40, 400)):
        picture = (window(hu, level, width) * 255).astype(np.uint8)
        assert dice(segment_slice_lungs(picture), truth) > 0.93, (level, width)

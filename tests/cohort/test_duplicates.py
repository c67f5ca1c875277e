"""Near-duplicates: planted ones are found, different patients are not taken for each other."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from covidx.cohort import find_duplicates, thumbnail
from covidx.imaging import window
from covidx.phantom import draw_patient, render

PATIENTS = 12
Picture = NDArray[np.uint8]


@cache
def scan(index: int) -> NDArray[np.int16]:
    return render(draw_patient(11, index)).hu


def picture(index: int, place: float = 0.5) -> Picture:
    """A slice of a phantom patient through the lung window."""
    hu = scan(index)
    return (window(hu[int(place * len(hu))], -600, 1500) * 255).astype(np.uint8)


def compressed(image: Picture) -> Picture:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=40)
    return np.asarray(Image.open(stream))


def brighter(image: Picture) -> Picture:
    return np.clip(image.astype(float) * 0.8 + 30, 0, 255).astype(np.uint8)


def smaller(image: Picture) -> Picture:
    return np.asarray(Image.fromarray(image).resize((128, 128), Image.Resampling.LANCZOS))


@pytest.mark.parametrize("change", [compressed, brighter, smaller])
@pytest.mark.parametrize("index", [0, 5])
def test_a_planted_copy_is_found_and_nothing_else(change: object, index: int) -> None:
    assert callable(change)
    thumbs = {f"p{i:02d}": thumbnail(picture(i)) for i in range(PATIENTS)}
    copy = thumbnail(change(picture(index)))
    result = find_duplicates(thumbs | {"copy": copy})
    assert [(pair.image_a, pair.image_b) for pair in result] == [("copy", f"p{index:02d}")]
    assert result[0].correlation >= 0.95


def test_different_patients_are_no_duplicates() -> None:
    thumbs = {
        f"p{i:02d}-{place}": thumbnail(picture(i, place))
        for i in range(PATIENTS)
        for place in (0.35, 0.5, 0.65)
    }
    assert find_duplicates(thumbs) == []


def test_an_identical_pair() -> None:
    thumb = thumbnail(picture(3))
    (pair,) = find_duplicates({"b": thumb, "a": thumb})
    assert (pair.image_a, pair.image_b, pair.hash_distance) == ("a", "b", 0)
    assert pair.correlation == pytest.approx(1)


def test_few_or_blank_images() -> None:
    assert find_duplicates({}) == []
    assert find_duplicates({"a": thumbnail(picture(0))}) == []
    blank = thumbnail(np.zeros((80, 90)))
    assert blank.shape == (64, 64) and find_duplicates({"a": blank, "b": blank}) == []


def test_a_thumbnail_spans_the_range_whatever_the_units() -> None:
    hu = picture(0).astype(np.int16) * 6 - 1350
    np.testing.assert_allclose(thumbnail(hu).astype(int), thumbnail(picture(0)), atol=1)
    assert thumbnail(hu).min() < 5 and thumbnail(hu).max() > 250

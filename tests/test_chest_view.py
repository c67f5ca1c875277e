"""Radiographs without a chest, other body parts, other resolutions: outside of a model's domain."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from covidx.chest_view import ChestView, chest_ranks, chest_view
from covidx.cohort import thumbnail
from covidx.domain import NO_CHEST, TrainedOn, outside_domain, outside_view
from tests.inference.conftest import make_bundle

FACTS = {"modality": "CT", "units": "hu", "kind": "volume", "manufacturer": "covidx phantom A"}


def chest(seed: int) -> NDArray[np.uint8]:
    """Two dark lungs beside a bright middle, drawn anew for each patient."""
    random = np.random.default_rng(seed)
    picture = random.normal(150, 12, (128, 128))
    wide, high = random.integers(28, 40), random.integers(50, 70)
    for centre in (36, 92):
        rows, columns = np.ogrid[:128, :128]
        inside = ((rows - 60) / high) ** 2 + ((columns - centre) / (wide / 2)) ** 2 < 1
        picture[inside] -= 90
    return picture.clip(0, 255).astype(np.uint8)


def leg() -> NDArray[np.uint8]:
    """A bright shaft on black."""
    picture = np.full((128, 128), 5, np.uint8)
    picture[:, 52:76] = 200
    return picture


@pytest.fixture(scope="module")
def view() -> ChestView:
    made = [thumbnail(chest(seed)) for seed in range(40)]
    found = chest_view(made[:30], made[30:])
    assert found is not None
    return found


def test_ranks_know_nothing_of_window_and_gamma() -> None:
    ramp = np.arange(64, dtype=np.uint8)[None].repeat(64, axis=0)
    ranks = chest_ranks(ramp).reshape(16, 16)
    # 16 greys, 16 pixels of each: the places 0 to 15 have the mean 7.5 of 255
    assert ranks[0, 0] == pytest.approx(7.5 / 255) and ranks[0, 15] == pytest.approx(247.5 / 255)
    squared = ((ramp / 63.0) ** 2 * 200 + 20).astype(np.uint8)
    assert np.corrcoef(chest_ranks(squared), ranks.ravel())[0, 1] > 0.99


def test_a_chest_is_like_the_others_and_a_leg_is_not(view: ChestView) -> None:
    assert view.images == 30 and view.calibrated_on == 10 and view.lowest == 0.4
    other = chest(99)
    assert view.likeness(thumbnail(other)) > 0.7
    assert view.likeness(thumbnail(other[:, ::-1])) > 0.7  # mirrored: still a chest
    assert view.likeness(thumbnail(leg())) < view.lowest
    assert view.likeness(thumbnail(255 - other)) < -0.7  # a negative is none
    assert view.likeness(np.zeros((64, 64), np.uint8)) == 0  # a blank picture


def test_the_limit_is_that_of_the_validation_images(view: ChestView) -> None:
    noise = [np.random.default_rng(k).integers(0, 255, (64, 64)).astype(np.uint8) for k in range(5)]
    train = [thumbnail(chest(seed)) for seed in range(30)]
    loose = chest_view(train, [*train[:5], *noise])
    assert loose is not None
    known = sorted(view.likeness(one) for one in noise)
    assert loose.lowest == pytest.approx(np.quantile([*known, *[0.9] * 5], 0.01), abs=0.02)
    assert chest_view(train[:19], train) is None  # of fewer images a mean may show a patient
    none = chest_view(train, [])
    assert none is not None and none.lowest == 0.4


def trained(**change: object) -> TrainedOn:
    return make_bundle().trained_on.model_copy(update=change)


def test_what_is_unlike_a_chest_is_marked(view: ChestView) -> None:
    with_view = trained(chest=view)
    (reason,) = outside_view(with_view, thumbnail(leg()))
    assert reason.startswith(NO_CHEST)
    assert outside_view(with_view, thumbnail(chest(7))) == []
    assert outside_view(trained(), thumbnail(leg())) == []  # a bundle that did not record it
    assert TrainedOn.model_validate_json(with_view.model_dump_json()) == with_view


@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        ({"body_part": "EXTREMITY"}, "by its header this image shows extremity"),
        ({"body_part": "CHEST"}, None),
        ({"body_part": None}, None),
        ({"body_part": "HEAD"}, None),  # the training had heads
        ({"pixel_spacing_mm": 0.6}, None),
        ({"pixel_spacing_mm": 0.5}, None),  # 0.7 / 1.5 = 0.467
        ({"pixel_spacing_mm": 3.0}, "pixels of 0.7 to 0.8 mm, these are 3"),
        ({"pixel_spacing_mm": 0.0}, None),  # a header that does not know
        ({"slice_spacing_mm": 10.0}, "steps between slices of 5 to 6 mm, these are 10"),
        ({"slice_spacing_mm": float("nan")}, None),
        ({"slice_thickness_mm": 1.0}, "slices of 5 to 7 mm, these are 1"),
    ],
)
def test_body_part_and_spacing(fact: dict[str, object], reason: str | None) -> None:
    known = trained(body_parts=["CHEST", "HEAD"], pixel_mm=(0.7, 0.8), step_mm=(5.0, 6.0))
    found = outside_domain(make_bundle(trained_on=known), FACTS | fact)
    if reason is None:
        assert found == []
    else:
        assert len(found) == 1 and reason in found[0]

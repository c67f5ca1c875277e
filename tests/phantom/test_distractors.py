"""What looks like an opacity and is none: asked for only, and no part of the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from covidx.errors import InvalidInputError
from covidx.phantom import draw_patient, generate_cohort, render
from covidx.phantom.distractors import MOVED, move
from covidx.phantom.fields import Grid


def test_patient_and_truth_are_the_same_with_them_and_without() -> None:
    patient = draw_patient(11, 1)
    plain, distracted = render(patient), render(patient, distractors=True)
    for name in ("lung", "lesion", "lobe"):
        assert np.array_equal(getattr(plain, name), getattr(distracted, name))
    assert np.array_equal(plain.affine, distracted.affine)
    healthy = (plain.lung > 0) & (plain.lesion == 0)
    denser = healthy & (distracted.hu.astype(int) - plain.hu > 300)
    assert denser.sum() * plain.grid.voxel_ml > 1.0  # ml that a threshold would take for ill
    # Nothing far from the lungs changes but by motion, which keeps the sum of a slice.
    assert np.array_equal(render(patient, distractors=True).hu, distracted.hu)


class _Chance(np.random.Generator):
    """Always the first of what may be drawn."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def random(self, *_: object) -> float:  # type: ignore[override]
        return 0.0

    def integers(self, low: int, high: int) -> int:  # type: ignore[override]
        return low

    def uniform(self, low: float, high: float) -> float:  # type: ignore[override]
        return low


def test_motion_shows_a_stretch_of_slices_twice_with_the_truth_between() -> None:
    grid = Grid((12, 20, 20), 1.0, 5.0, 5.0, 1, 0.0, (0.0, 0.0, 0.0))
    image = np.zeros(grid.shape, np.float32)
    image[:, 10, 7] = 100.0
    moved = move(image, grid, _Chance())  # slices 0 and 1; 4 mm apart: 2 rows to each side
    assert moved[0, 8, 7] == moved[0, 12, 7] == 50.0
    assert moved[0, 10, 7] == 0.0
    assert np.array_equal(moved[2:], image[2:])
    assert 0 < MOVED < 1  # some patients hold their breath


def test_a_cohort_with_them_is_another_one(tmp_path: Path) -> None:
    out = generate_cohort(tmp_path / "cohort", 1, 4, distractors=True, workers=1)
    assert generate_cohort(out, 1, 4, distractors=True, workers=1) == out
    with pytest.raises(InvalidInputError, match="OUTPUT_NOT_EMPTY"):
        generate_cohort(out, 1, 4, workers=1)
    with pytest.raises(InvalidInputError, match="PHANTOM_ARGUMENT"):
        generate_cohort(tmp_path / "radiographs", 1, 4, modality="cxr", distractors=True)

"""The benchmark of lungs on pictures: which slices count, and what is recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import picture_lungs
from benchmarks.picture_lungs import Slices, look_at_slices
from benchmarks.results import read_results


def test_slices_are_counted_by_what_they_show() -> None:
    """Two with both lungs, one of them with one lung filled; a little lung; none at all."""
    hu = np.full((4, 100, 140), 40.0)
    hu[:, :10] = hu[:, -10:] = hu[:, :, :10] = hu[:, :, -10:] = -1000
    lung = np.zeros(hu.shape, np.bool_)
    lung[:2, 25:75, 25:60] = lung[:2, 25:75, 80:115] = True
    lung[2, 45:50, 40:45] = True
    hu[lung] = -850
    hu[1, 25:75, 80:115] = 40
    found = look_at_slices(hu, lung, np.random.default_rng(0))
    assert len(found.dice) == 1 and found.dice[0] > 0.94
    assert (found.refused, found.empty, found.found_in_empty) == (1, 1, 0)


def test_the_mean_is_of_patients_and_refusals_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = {"a": Slices([1.0, 0.8], 1, 2, 1), "b": Slices([0.7] * 9, 0, 1, 0)}
    monkeypatch.setattr(picture_lungs, "_phantom", lambda: several)
    picture_lungs.picture_lungs(tmp_path, tmp_path / "results.json")
    ((name, one),) = read_results(tmp_path / "results.json").items()
    assert name == "phantom_picture_lung_dice"
    assert one.value == pytest.approx(0.8) and one.n == 2
    assert "0.700 (b), lowest slice 0.700 of 11; 1 more refused" in one.against
    assert "in 1 of 3 slices without any" in one.against

"""The benchmark of heatmaps, on two patients and a network that has learnt nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.explain import explain, true_positives
from benchmarks.results import read_results
from covidx.errors import InvalidInputError
from covidx.inference import Threshold
from tests.inference.conftest import make_bundle, make_predictor, write

ANY = Threshold(value=0.0, rule="none", origin="a test")


def test_it_records_how_maps_point(tmp_path: Path) -> None:
    write(tmp_path / "bundle", make_predictor(make_bundle(threshold=ANY)))
    explain(tmp_path / "bundle", tmp_path / "results.json", patients=2, seed=7)
    made = read_results(tmp_path / "results.json")
    assert made["pointing_game"].n == 2 and "within 15 mm" in made["pointing_game"].against
    assert 0 < made["attention_in_lung"].value < 1
    assert made["map_cell_mm"].n == made["explain_seconds_a_patient"].n == 2
    # 32 x 48 pixels of a pair of lungs, of which a cell has 8: a sixth of some 300 mm.
    assert 35 < made["map_cell_mm"].value < 75


def test_the_truth_lies_on_the_canonical_grid() -> None:
    found = next(true_positives(make_predictor(make_bundle(threshold=ANY)), 7))
    assert found.lesions.shape == found.lungs.shape == found.volume.canonical().array.shape
    hu = found.volume.canonical().array
    assert hu[found.lungs & ~found.lesions].mean() < -700 < hu[found.lesions].mean()


def test_a_seed_of_the_training_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "bundle", make_predictor())
    with pytest.raises(InvalidInputError, match="SEED_OF_TRAINING"):
        explain(tmp_path / "bundle", tmp_path / "results.json", patients=1, seed=2020)

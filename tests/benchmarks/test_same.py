"""The gate of a restructuring: what is not the same is noticed, and what is renamed is not."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from safetensors.numpy import load_file, save_file
from sklearn.ensemble import RandomForestClassifier

from benchmarks.same import Side
from benchmarks.same_kinds import KINDS
from benchmarks.same_runs import compare_numbers, compare_pipelines, compare_run_folders
from benchmarks.same_values import compare_tables, compare_tensors

PREDICTIONS = pd.DataFrame(
    {
        "arm": "p1",
        "fold": 0,
        "unit_id": ["a", "b", "c"],
        "run_id": "then",
        "prob_ill": [0.25, 0.5, np.nan],
    }
)
BOXES = pd.DataFrame(
    {
        "image_id": ["a", "a", "b"],
        "left": [1, 2, 3],
        "score": [0.9, 0.8, 0.7],
        "find": [0, 1, 0],
        "find_score": [0.95, 0.85, 0.75],
    }
)
WEIGHTS = {"head.weight": np.array([0.5, -0.0], np.float32), "head.steps": np.array([3])}


def test_rows_are_matched_by_name_whatever_their_order_and_run() -> None:
    other = PREDICTIONS.iloc[::-1].assign(run_id="now", more=1.0)
    comparison = compare_tables(PREDICTIONS, other, "predictions")
    assert comparison.equal and comparison.largest == 0
    assert (comparison.rows, comparison.values) == (3, 3)


def test_a_changed_value_is_noticed() -> None:
    other = PREDICTIONS.assign(prob_ill=[0.25, np.nextafter(0.5, 1), np.nan])
    comparison = compare_tables(PREDICTIONS, other, "predictions")
    assert not comparison.equal and 0 < comparison.largest < 1e-15
    assert comparison.differences[0].startswith("predictions.prob_ill: 1 of 3 values")
    unknown = compare_tables(PREDICTIONS, PREDICTIONS.assign(prob_ill=np.nan), "predictions")
    assert unknown.largest == math.inf


@pytest.mark.parametrize("table", [PREDICTIONS, BOXES])
def test_a_missing_row_is_noticed_on_either_side(table: pd.DataFrame) -> None:
    for old, new, run in ((table, table[1:], "old"), (table[1:], table, "new")):
        comparison = compare_tables(old, new, "table")
        assert comparison.largest == math.inf
        assert f"1 of 3 rows are of the {run} run alone" in comparison.differences[0]


def test_boxes_of_an_image_go_by_their_order() -> None:
    apart = compare_tables(BOXES, BOXES.iloc[[1, 0, 2]], "boxes")
    assert apart.largest == 1 and len(apart.differences) == 4
    assert compare_tables(BOXES, BOXES.iloc[[2, 0, 1]], "boxes").equal


def test_renamed_columns_are_compared_and_others_are_missing() -> None:
    columns = {"score": "slice_score", "find": "detection", "find_score": "score"}
    renamed = BOXES.rename(columns=columns)
    comparison = compare_tables(BOXES, renamed, "boxes")
    assert comparison.equal and comparison.values == 12
    changed = compare_tables(BOXES, renamed.assign(score=0.0), "boxes")
    assert changed.differences == ("boxes.find_score: 3 of 3 values differ, by up to 0.95",)
    lost = compare_tables(BOXES, BOXES.rename(columns={"left": "x"}), "boxes")
    assert lost.differences == ("boxes.left: the column is missing",)


def test_predicted_scores_may_be_called_so() -> None:
    old = pd.DataFrame({"image_id": ["a"], "extent_found": [3.2], "lesions_found": [2]})
    new = old.rename(columns={"extent_found": "extent_predicted"})
    assert compare_tables(old, new, "predictions").equal


def test_tensors_are_compared_bit_for_bit() -> None:
    copies = {name: array.copy() for name, array in WEIGHTS.items()}
    assert compare_tensors(WEIGHTS, copies).equal
    copies["head.weight"][1] = 0.0
    comparison = compare_tensors(WEIGHTS, copies)
    assert not comparison.equal and comparison.largest == 0
    copies["head.weight"][0] = 0.75
    assert compare_tensors(WEIGHTS, copies).largest == 0.25


def test_a_tensor_that_is_missing_new_or_of_another_type_is_noticed() -> None:
    part = {"head.weight": WEIGHTS["head.weight"]}
    assert compare_tensors(WEIGHTS, part).differences == ("head.steps: the array is missing",)
    assert compare_tensors(part, WEIGHTS).differences == ("head.steps: the array is new",)
    wider = {"head.weight": part["head.weight"].astype(np.float64)}
    assert "now float64 (2,)" in compare_tensors(part, wider).differences[0]


def test_pipelines_are_compared_by_their_parameters(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        forest = RandomForestClassifier(3, random_state=seed).fit(x, x[:, 0] > 0)
        skops.io.dump(forest, tmp_path / name)
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    assert one.read_bytes() != same.read_bytes()
    comparison = compare_pipelines(one, same, "p2")
    assert comparison.equal and comparison.tensors > 3
    lines = compare_pipelines(one, other, "p2").differences
    assert any("random_state" in line for line in lines)
    assert any(".threshold: " in line for line in lines)


def test_results_of_a_bundle_may_move_but_not_change() -> None:
    old = {"image": {"threshold": {"value": 0.4, "rule": "youden"}, "seed": 3}}
    assert compare_numbers(old, {"core": {"cut": 0.4}}).equal
    assert compare_numbers(old, {"core": {"cut": 0.5}}).differences == (
        "bundle.json: image.threshold.value = 0.4 is missing",
    )


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """A run and its copy."""
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "bundle").mkdir(parents=True)
    PREDICTIONS.to_parquet(old / "predictions.parquet")
    BOXES.to_csv(old / "boxes.csv", index=False)
    save_file(WEIGHTS, old / "bundle" / "weights.safetensors")
    (old / "bundle" / "bundle.json").write_text(json.dumps({"threshold": 0.4}))
    shutil.copytree(old, new)
    return old, new


def test_folders_of_runs_are_compared_whole(runs: tuple[Path, Path]) -> None:
    comparison = compare_run_folders(*runs)
    assert comparison.equal
    assert (comparison.rows, comparison.values, comparison.tensors) == (6, 3 + 12 + 1, 2)


def test_a_folder_that_lacks_a_part_is_noticed(runs: tuple[Path, Path]) -> None:
    old, new = runs
    weights = new / "bundle" / "weights.safetensors"
    save_file({"head.weight": load_file(weights)["head.weight"]}, weights)
    (new / "boxes.csv").unlink()
    assert compare_run_folders(old, new).differences == (
        "boxes.csv: the table is missing",
        "weights.safetensors:head.steps: the array is missing",
    )


def test_runs_without_anything_to_compare_are_not_equal(tmp_path: Path) -> None:
    assert len(compare_run_folders(tmp_path, tmp_path).differences) == 3


def test_settings_may_have_other_names_on_one_side(tmp_path: Path) -> None:
    dropped = ("detection", "parts=3", "")
    side = Side(tmp_path, (("detection", "volume.framing.", "volume.grid."), dropped))
    settings = side.settings("detection")
    assert "volume.grid.pixel_mm=6" in settings and "parts=3" not in settings
    assert side.settings("segmentation") == list(KINDS["segmentation"].settings)

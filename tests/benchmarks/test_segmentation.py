"""The segmentation benchmark: which run it takes, and what it makes of answers that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import segmentation
from covidx.files import write_json
from covidx.inference.segmenter import Segmenter
from covidx.segmentation import compare_masks
from covidx.volume import Volume


class _Everything:
    """Calls all of the picture lung and opacity."""

    def segment(self, volume: Volume) -> dict[str, np.ndarray]:
        whole = np.ones(volume.array.shape, np.uint8)
        return {"lung": whole, "opacity": whole}


def test_opacities_are_scored_in_the_ill_and_counted_in_the_well() -> None:
    segmenter: Segmenter = _Everything()  # type: ignore[assignment]
    found = segmentation.phantom(segmenter, -700.0, patients=4)
    table = segmentation.phantom_scores(segmenter, -700.0, patients=4)
    ill = {r.patient for r in table.itertuples() if r.name == "opacity" and r.scores.truth_ml > 0}
    assert 0 < len(ill) < 4  # both are there
    assert found["phantom_lung_dice"].n == 4
    assert found["phantom_opacity_dice"].n == len(ill)
    assert found["phantom_threshold_opacity_dice"].n == len(ill)
    for name, key in (("opacity", "phantom_opacity_dice"), ("lung", "phantom_lung_dice")):
        dice = [
            r.scores.dice
            for r in table.itertuples()
            if r.name == name and (name == "lung" or r.patient in ill)
        ]
        assert found[key].value == pytest.approx(np.mean(dice), abs=1e-4)
    assert f"{4 - len(ill)} patients without any" in found["phantom_opacity_dice"].against


def test_the_newest_finished_run_of_a_data_set_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "train_segmentation"
    for name, dataset, state in (
        ("20260101T000000-1", "phantom", "finished"),
        ("20260102T000000-1", "phantom", "failed"),
        ("20260103T000000-1", "covid-chestxray", "finished"),
    ):
        (runs / name).mkdir(parents=True)
        write_json(runs / name / "run.json", {"state": state, "data": {"dataset": dataset}})
    (runs / "20260104T000000-1").mkdir()
    write_json(runs / "20260104T000000-1" / "run.json", {"state": "failed"})  # before its data
    assert segmentation.finished_run(tmp_path, "phantom") == runs / "20260101T000000-1"
    assert segmentation.finished_run(tmp_path, "other") is None
    assert "skipped: no run on other" in capsys.readouterr().out


def test_radiographs_count_by_patient(tmp_path: Path) -> None:
    square = np.zeros((1, 10, 10), bool)
    square[0, 2:8, 2:8] = True
    half = square.copy()
    half[0, 2:5] = False
    rows = []
    for patient, mask in (("1", square), ("1", square), ("2", half)):
        scores = compare_masks(mask, square, (1.0, 1.0, 1.0), tolerance_mm=3.0)
        rows.append({"image_id": "x", "patient_id": patient, "structure": "lungs", **vars(scores)})
    pd.DataFrame(rows).to_csv(tmp_path / "scores.csv", index=False)
    write_json(tmp_path / "run.json", {"git_commit": "abc"})
    found = segmentation.radiographs(tmp_path)
    assert found.value == pytest.approx((1 + 2 / 3) / 2, abs=1e-4)
    assert (found.n, found.commit) == (2, "abc")
    assert "lowest patient 0.667" in found.against

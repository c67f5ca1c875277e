"""The detection benchmark with answers that are known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import detection
from covidx.evaluate.detection import at_threshold, detection_estimates
from covidx.imaging.frames import VolumeFraming, make_frame
from covidx.inference.detector import DetectedBoxes, Detector
from covidx.pipelines.detection.scores import compare_scans
from covidx.segmentation.instances import lesion_boxes
from covidx.volume import Volume

FRAMING = VolumeFraming(input="volume", pixel_mm=4.0, slab_mm=5.0, level=-350, width=1300)


class _Knowing:
    """Finds exactly what is there, in patients of the benchmark's seed."""

    bundle = SimpleNamespace(recipe=SimpleNamespace(smallest=3))

    def __init__(self, patients: int) -> None:
        self.truths = iter([one[3] for one in detection.fresh_scans(patients)])

    def detect(self, volume: Volume) -> DetectedBoxes:
        frame = make_frame(volume, FRAMING, 2)
        opaque = frame.labels(next(self.truths), 2) > 0
        table, masks = lesion_boxes(opaque, 3)
        found = table.rename(columns={"lesion": "detection"}).assign(box_score=0.9, score=0.9)
        return DetectedBoxes(frame, found, masks)


def test_who_finds_all_has_one(tmp_path: Path) -> None:
    detector: Detector = _Knowing(4)  # type: ignore[assignment]
    boxes, masks = compare_scans(detector, detection.fresh_scans(4))
    assert masks is not None
    found = detection_estimates(boxes, 0) | at_threshold(boxes, 0.5, "by hand", 0)
    results = detection.results_of(boxes, found, detection_estimates(masks, 0)["map50"])
    assert results["detection_map50"].value == 1
    assert results["detection_map50"].n == len(boxes.truth) > 0
    assert results["detection_froc_1"].value == 1
    assert 0 < boxes.truth["image_id"].nunique() < len(boxes.scans) == 4
    assert "of masks 1.00" in results["detection_map50"].against


def test_no_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    detection.detection(tmp_path, tmp_path / "results.json")
    assert "skipped: no run on phantom" in capsys.readouterr().out
    assert not (tmp_path / "results.json").exists()

"""Phantoms laid out like COVID-19-CT-Seg: boxed, trained on for an epoch, reported, used again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from covidx.cli import app
from covidx.config import load_config
from covidx.errors import CovidxError
from covidx.evaluate.boxes import BOX
from covidx.files import read_json
from covidx.imaging.frames import VolumeFraming, make_frame
from covidx.inference.detector import Detector
from covidx.pipelines.detection.cases import boxes_on_grid
from covidx.pipelines.detection.config import TRAIN_DETECTION, TrainDetection
from covidx.pipelines.detection.train import train_detection
from covidx.pipelines.run import TrainedRun
from covidx.volume import Volume
from tests.pipelines.ct_seg import TINY_DETECTION, Layout, lay, source


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return lay(tmp_path_factory.mktemp("ct-seg"))


@pytest.fixture(scope="module")
def trained(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    place = tmp_path_factory.mktemp("run")
    settings = load_config(TRAIN_DETECTION, TrainDetection, TINY_DETECTION)
    return train_detection(settings, source(layout), work=place / "data", runs=place / "runs")


def test_a_run_leaves_its_hand_overs(trained: TrainedRun) -> None:
    folder = trained.folder
    record = read_json(folder / "run.json")
    assert record["state"] == "finished"
    bundle = read_json(folder / "bundle" / "bundle.json")
    assert record["bundle_sha256"] == bundle["sha256"]
    assert record["details"]["anchors"]["edges"] == bundle["anchors"]
    assert "validation scan" in bundle["threshold"]["origin"]
    metrics = read_json(folder / "metrics.json")
    truth = pd.read_csv(folder / "truth.csv")
    assert metrics["map50"]["n"] == len(truth) > 0
    lesions = len(truth.drop_duplicates(["image_id", "lesion"]))
    assert metrics["froc_1"]["n"] == metrics["sensitivity"]["n"] == lesions
    assert 0 <= metrics["map50_95"]["value"] <= metrics["map50"]["value"] <= 1
    assert metrics["sensitivity"]["threshold"] == bundle["threshold"]["value"]
    assert {"mask_map50", "mask_map50_95", "froc_mean"} <= set(metrics)
    page = (folder / "report.html").read_text()
    assert "Research use only" in page and "false positives a scan" in page
    assert (folder / "figures" / "froc.png").is_file()
    assert (folder / "figures" / "many.png").is_file()
    assert "Known limits" in (folder / "bundle" / "MODEL_CARD.md").read_text()
    assert 'href="cases/001/index.html"' in page and "Lesions detected" in page
    case = (folder / "cases" / "001" / "index.html").read_text()
    assert f"of {lesions} detected" in case and "predicted boxes" in case


def test_boxes_lie_on_the_images_grid() -> None:
    affine = np.diag([-1.0, -1.0, 5.0, 1.0])
    image = Volume(np.zeros((8, 40, 60), np.int16), "CT", "hu", "proven", affine)
    framing = VolumeFraming(input="volume", pixel_mm=2.0, slab_mm=5.0)
    boxes = pd.DataFrame({"slice": [2], "left": [5], "top": [4], "right": [11], "bottom": [8]})
    filled = boxes_on_grid(make_frame(image, framing, 2), boxes)
    expected = np.zeros((8, 40, 60), bool)
    expected[2, 8:16, 10:22] = True  # pixels of 2 mm on one of 1 mm
    np.testing.assert_array_equal(filled, expected)


@pytest.fixture
def lenient(trained: TrainedRun, tmp_path: Path) -> Path:
    """The run's network with a threshold that each of its boxes reaches."""
    made = Detector.load(trained.folder / "bundle")
    low = made.bundle.threshold.model_copy(update={"value": 0.0})
    changed = made.bundle.model_copy(update={"threshold": low})
    replace(made, bundle=changed).save(tmp_path / "lenient")
    return tmp_path / "lenient"


def test_the_bundle_boxes_new_images(layout: Layout, lenient: Path, tmp_path: Path) -> None:
    scan = next((layout.folder / "ct_scans").glob("corona*"))
    out = tmp_path / "boxes"
    said = CliRunner().invoke(
        app,
        ["detect", str(scan), str(tmp_path / "none"), "--out", str(out), "--bundle", str(lenient)],
    )
    assert said.exit_code == 1  # the second path is none
    assert "Research use only" in said.output
    answer = read_json(out / "detection.json")
    assert "LPS" in answer["convention"]["x, y, z"]
    first, second = answer["images"]
    assert second["problem"] and first["problem"] is None
    boxes = pd.read_csv(out / "boxes.csv")
    assert len(first["detections"]) == boxes["detection"].nunique() > 0
    assert set(boxes["image_id"]) == {first["image_id"]}
    for found in first["detections"]:
        part = boxes[boxes["detection"] == found["detection"]]
        assert found["slices"] == [part["slice"].min(), part["slice"].max()]
        assert found["z_min"] == pytest.approx(part["z_min"].min(), abs=0.01)
    assert (boxes["right"] > boxes["left"]).all()
    assert np.isfinite(boxes[[*BOX, "x_min", "x_max"]]).all(axis=None)


def test_what_cannot_be_trained_on_is_refused(layout: Layout, tmp_path: Path) -> None:
    settings = load_config(TRAIN_DETECTION, TrainDetection, TINY_DETECTION)
    given = source(layout)
    assert given.card is not None and given.card.masks is not None
    lungs = [one for one in given.card.masks.files if one.kind == "lung"]
    card = given.card.model_copy(
        update={"masks": given.card.masks.model_copy(update={"files": lungs})}
    )
    with pytest.raises(CovidxError, match="OPACITIES_UNMASKED"):
        train_detection(
            settings, replace(given, card=card), work=tmp_path / "data", runs=tmp_path / "runs"
        )

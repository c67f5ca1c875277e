"""The layout of COVID-19-CT-Seg, made of phantoms: read, trained on for an epoch, reported."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from covidx.config import load_config
from covidx.errors import CovidxError
from covidx.files import read_json
from covidx.inference.segmenter import Segmenter
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.masked_cohort import link_masks
from covidx.pipelines.progress import silent
from covidx.pipelines.run import TrainedRun
from covidx.pipelines.segmentation.config import TRAIN_SEGMENTATION, TrainSegmentation
from covidx.pipelines.segmentation.train import train_segmentation
from covidx.pipelines.source import Source
from covidx.tables import MANIFEST, MASKS, read_table
from tests.pipelines.ct_seg import SCANS, TINY_SEGMENTATION, Layout, lay, source


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return lay(tmp_path_factory.mktemp("ct-seg"))


@pytest.fixture(scope="module")
def cohort(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return link_masks(source(layout), tmp_path_factory.mktemp("work"), silent)


def test_scans_meet_their_masks_by_name(cohort: Cohort) -> None:
    assert len(cohort.manifest) == 3
    assert cohort.notes == ["1 image left out: without a mask"]
    assert cohort.groups == {
        "lung": ["none", "right-lung", "left-lung"],
        "opacity": ["none", "opacity"],
    }
    assert set(cohort.manifest["modality"]) == {"CT"}
    assert set(cohort.manifest["units"]) == {"hu"}
    assert sorted(cohort.masks["kind"].unique()) == ["lung", "opacity"]


@pytest.mark.parametrize("scan", SCANS)
def test_sides_come_from_place_and_hu_from_the_window(
    cohort: Cohort, layout: Layout, scan: str
) -> None:
    image_id = next(i for i in cohort.manifest["image_id"] if cohort.true_masks.stem(i) == scan)
    row = cohort.manifest.set_index("image_id", drop=False).loc[image_id].to_dict()
    volume, made = cohort.load(row), layout.scans[scan]
    truth = cohort.mask_labels(image_id, volume.canonical())
    back = nib.as_closest_canonical(nib.Nifti1Image(made.lung.transpose(2, 1, 0), made.affine))
    # RAS to reading order: columns to the left, rows to the back.
    expected = np.asarray(back.dataobj)[::-1, ::-1].transpose(2, 1, 0)
    assert np.array_equal(truth["lung"], expected)
    assert truth["opacity"].sum() == ((made.lesion == 1) | (made.lesion == 2)).sum()
    assert volume.units == "hu"
    shares = [5, 25, 50, 75, 95]
    step = 1500 / 255 if scan.startswith("radio") else 0
    known = np.clip(made.hu, -1250, 250) if step else made.hu
    apart = np.percentile(volume.array, shares) - np.percentile(known, shares)
    assert np.abs(apart).max() <= step


@pytest.fixture(scope="module")
def trained(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    place = tmp_path_factory.mktemp("run")
    settings = load_config(TRAIN_SEGMENTATION, TrainSegmentation, TINY_SEGMENTATION)
    return train_segmentation(settings, source(layout), work=place / "data", runs=place / "runs")


def test_a_run_leaves_its_hand_overs(trained: TrainedRun) -> None:
    folder = trained.folder
    record = read_json(folder / "run.json")
    assert record["state"] == "finished"
    assert record["data"]["dataset"] == "covid-19-ct-seg"
    assert len(read_table(folder / "manifest.parquet", MANIFEST)) == 3
    assert len(read_table(folder / "masks.parquet", MASKS)) == 6
    scores = pd.read_csv(folder / "scores.csv")
    assert list(scores["structure"]) == [
        "lungs", "right-lung", "left-lung", "opacity", "opacity by threshold",
    ]  # fmt: skip
    assert scores["dice"].between(0, 1).all()
    metrics = read_json(folder / "metrics.json")
    assert metrics["lungs.dice"]["n"] == 1
    assert metrics["lungs.dice"]["value"] == pytest.approx(scores["dice"].iloc[0], abs=1e-5)
    page = (folder / "report.html").read_text()
    assert "opacity by threshold" in page
    assert "Research use only" in page
    assert (folder / "figures" / "worst.png").is_file()
    assert 'href="cases/001/index.html"' in page and "Dice of opacity" in page
    case = (folder / "cases" / "001" / "index.html").read_text()
    dice = scores.set_index("structure").loc["lungs", "dice"]
    assert f"<dt>lungs</dt><dd>{dice:.3f}" in case
    assert "predicted opacity" in case and 'data-part="reader"' not in case
    assert "Known limits" in (folder / "bundle" / "MODEL_CARD.md").read_text()


def test_the_bundle_gives_what_was_scored(
    trained: TrainedRun, layout: Layout, tmp_path: Path
) -> None:
    segmenter = Segmenter.load(trained.folder / "bundle")
    cohort = link_masks(source(layout), tmp_path, silent)
    scores = pd.read_csv(trained.folder / "scores.csv")
    row = cohort.manifest.set_index("image_id", drop=False).loc[scores["image_id"].iloc[0]]
    volume = cohort.load(row.to_dict())
    found = segmenter.segment(volume)["lung"] > 0
    assert volume.voxel_ml is not None
    assert found.sum() * volume.voxel_ml == pytest.approx(scores["volume_ml"].iloc[0], rel=1e-4)


def refused(code: str, given: Source, tmp_path: Path) -> None:
    with pytest.raises(CovidxError) as caught:
        train_segmentation(
            load_config(TRAIN_SEGMENTATION, TrainSegmentation, TINY_SEGMENTATION),
            given,
            work=tmp_path / "data",
            runs=tmp_path / "runs",
        )
    assert caught.value.code == code


def test_what_cannot_be_trained_on_is_refused(layout: Layout, tmp_path: Path) -> None:
    refused("MASKS_UNDESCRIBED", Source(layout.folder, None, None), tmp_path)
    bare = tmp_path / "bare"
    shutil.copytree(layout.folder / "ct_scans", bare / "ct_scans")
    refused("MASKS_MISSING", Source(bare, None, source(layout).card), tmp_path)


def test_a_patch_that_does_not_fit_the_network_is_refused() -> None:
    for change in ("volume.learning.patch=[30,32]", "volume.learning.patch=[8,32,32]"):
        with pytest.raises(CovidxError, match="CONFIG_INVALID"):
            load_config(TRAIN_SEGMENTATION, TrainSegmentation, [change])

"""Lungs and opacities on a study's page: whose voxels, how much, and what cannot be measured."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from covidx.cli import main
from covidx.inference import ImagePredictor
from covidx.inference.masks import LabelMaps
from covidx.inference.reading import Inputs
from covidx.inference.segmenter import Segmenter
from covidx.ingest import Identities
from covidx.ingest.records import ReadImage
from covidx.pipelines.image.opacities import find_opacities
from covidx.pipelines.image.study import StudyPages
from covidx.volume import Volume
from tests.cli.test_segment import untrained
from tests.conftest import Run
from tests.inference.test_segmenter import ByGrey, bundle

SHAPE = (10, 20, 24)
VOXEL_ML = 2 * 2 * 4 / 1000


@dataclass(frozen=True, eq=False)
class Planted(Segmenter):
    """Gives the masks that it was made with."""

    lung: np.ndarray | None = None
    opacity: np.ndarray | None = None

    def label_maps(self, volume: Volume, probabilities: Collection[str] = ()) -> LabelMaps:
        assert self.lung is not None and self.opacity is not None
        chances = {"opacity": np.where(self.opacity > 0, 0.5, 0).astype(np.float32)}
        return LabelMaps({"lung": self.lung, "opacity": self.opacity}, chances)


@pytest.fixture(scope="module")
def read(trained: Run) -> ReadImage:
    study = sorted((trained.phantom / "dicom").iterdir())[0]
    (_, image, _), *_ = Inputs.of(study, identities=Identities.public()).images()
    assert image is not None
    return image


def chest(read: ReadImage) -> tuple[ReadImage, np.ndarray, np.ndarray]:
    """An image of 10 x 20 x 24 voxels of 2 x 2 x 4 mm: lungs of 240 voxels, opacities in one."""
    lung, opacity = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    lung[2:7, 4:12, 2:8], lung[2:7, 4:12, 14:20] = 1, 2
    opacity[3:5, 8:12, 4:7] = 1
    opacity[5:6, 8:12, 4:7] = 2
    affine = np.diag([-2.0, -2.0, 4.0, 1.0])
    volume = Volume(np.full(SHAPE, -800, np.int16), "CT", "hu", "proven", affine)
    return replace(read, volume=volume), lung, opacity


def test_volumes_shares_and_scores_are_those_of_the_masks(read: ReadImage) -> None:
    image, lung, opacity = chest(read)
    found = find_opacities(Planted(bundle(), ByGrey(), False, lung, opacity), image)
    facts = dict(found.section.facts)
    ml = VOXEL_ML
    assert facts["Lungs"] == f"{480 * ml:.0f} ml"
    assert facts["Opacity"] == f"{36 * ml:.1f} ml, 7.5 % of the lungs"
    assert facts["Right lung"] == "15.0 % opaque" and facts["Left lung"] == "0.0 % opaque"
    assert facts["Ground glass"] == f"{24 * ml:.1f} ml"
    assert facts["Consolidation"] == f"{12 * ml:.1f} ml"
    assert facts["Corona score"] == f"{18 * ml:.1f} cm³, weighted by probability"
    assert facts["In the posterior half"].startswith("100 % of the opacities, 50 % of the lungs")
    assert any("by classes" in note for note in found.section.notes)
    assert any(bundle().sha256[:12] in note for note in found.section.notes)


def test_masks_lie_on_the_canonical_grid(read: ReadImage) -> None:
    image, lung, opacity = chest(read)
    # Stored from head to feet, with the patient's left first.
    affine = np.array([[2.0, 0, 0, 0], [0, -2.0, 0, 0], [0, 0, -4.0, 0], [0, 0, 0, 1]])
    turned = replace(image.volume, affine=affine)
    segmenter = Planted(bundle(), ByGrey(), False, lung[::-1, :, ::-1], opacity[::-1, :, ::-1])
    found = find_opacities(segmenter, replace(image, volume=turned))
    lungs, opacities = found.masks
    assert (lungs.style, opacities.style) == ("model-organ", "model-lesion")
    np.testing.assert_array_equal(lungs.mask, lung > 0)
    np.testing.assert_array_equal(opacities.mask, opacity > 0)


def test_what_cannot_be_segmented_or_measured_is_said(read: ReadImage) -> None:
    image, lung, opacity = chest(read)
    none = find_opacities(Planted(bundle(), ByGrey(), False, 0 * lung, opacity), image)
    assert not none.masks and not none.section.facts
    assert none.section.notes[0].startswith("No masks: ") and "NO_LUNGS" in none.section.notes[0]
    unscaled = replace(image, volume=replace(image.volume, units="unproven"))
    found = find_opacities(Planted(bundle(), ByGrey(), False, lung, opacity), unscaled)
    assert len(found.masks) == 2
    assert found.section.notes[0].startswith("Opacity burden not measured: ")
    assert dict(found.section.facts)["right lung"] == f"{240 * VOXEL_ML:.1f} ml"


def test_a_study_page_has_outlines_and_the_prediction_stays_what_it_was(
    trained: Run, tmp_path: Path
) -> None:
    study = sorted((trained.phantom / "dicom").iterdir())[0]
    predictor = ImagePredictor.load(trained.bundle)
    inputs = Inputs.of(study, identities=Identities.public())
    (expected,) = predictor.predictions(inputs)
    segmenter = Segmenter.load(untrained(tmp_path / "segmenter", "volume"))
    (found,) = StudyPages(predictor, tmp_path / "pages", segmenter=segmenter).predictions(inputs)
    assert found == expected
    page = (tmp_path / "pages" / "cases" / "001" / "index.html").read_text()
    assert "<h2>Lungs and opacities</h2>" in page and "CT severity score" in page
    layers = (tmp_path / "pages" / "cases" / "001" / "layers.js").read_text()
    masks = re.search(r"\{.*\}", layers, re.DOTALL)
    assert masks is not None
    kinds = [mask["style"] for mask in json.loads(masks[0])["masks"]]
    assert kinds == ["model-organ", "model-lesion"]


def test_report_writes_the_page_and_predict_takes_no_segmenter_without_one(
    trained: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = sorted((trained.phantom / "dicom").iterdir())[0]
    segmenter, out = str(untrained(tmp_path / "segmenter", "volume")), tmp_path / "pages"
    bundles = ["--bundle", str(trained.bundle), "--segmenter", segmenter]
    monkeypatch.setattr("sys.argv", ["covidx", "report", str(study), "--out", str(out), *bundles])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "covid-19" in capsys.readouterr().out
    assert "Lungs and opacities" in (out / "cases" / "001" / "index.html").read_text()
    words = ["covidx", "predict", str(trained.bundle), str(study), "--segmenter", segmenter]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as refused:
        main()
    assert refused.value.code == 2
    assert "SEGMENTER_NOT_TAKEN" in capsys.readouterr().err

"""From a path to an answer: every input gets one, with a score or with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import MRImageStorage

from covidx.constants import RESEARCH_NOTICE
from covidx.errors import InvalidInputError
from covidx.imaging import Preprocessing
from covidx.inference import ImagePredictor, ImageRecipe, Prediction
from covidx.ingest import Identities
from covidx.phantom import draw_patient, generate_cohort, render

from .conftest import TINY, make_bundle, make_predictor

SHARED = Path(__file__).parents[3] / "shared" / "data"


def ask(path: Path, predictor: ImagePredictor | None = None) -> list[Prediction]:
    predictor = predictor or make_predictor()
    return list(predictor.stream(path, identities=Identities.public()))


@pytest.fixture(scope="module")
def chest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The DICOM series of a phantom patient, without what lies beside it in its study."""
    root = tmp_path_factory.mktemp("phantom")
    return generate_cohort(root / "out", 1, 5, workers=1) / "dicom"


@pytest.fixture(scope="module")
def nifti(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nifti") / "chest.nii.gz"
    scan = render(draw_patient(5, 0))
    image = nib.Nifti1Image(scan.hu.transpose(2, 1, 0), scan.affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(scan.affine, 1)
    nib.save(image, path)
    return path


def test_a_phantom_is_scored_inside_its_domain(chest: Path) -> None:
    (answer,) = ask(chest)
    assert answer.problem is None and answer.outside == ()
    assert answer.score == answer.probabilities["covid-19"]
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer.threshold == make_bundle().threshold
    assert answer.receipts[0]["image_id"] == answer.source.image_id
    told = json.loads(json.dumps(answer.to_json()))
    assert told["interpretable"] is True and told["notice"] == RESEARCH_NOTICE


@pytest.mark.parametrize(("threshold", "decision"), [(0.0, "covid-19"), (1.0, "not covid-19")])
def test_the_decision_is_the_bundles(chest: Path, threshold: float, decision: str) -> None:
    point = make_bundle().threshold.model_copy(update={"value": threshold})
    (answer,) = ask(chest, make_predictor(make_bundle(threshold=point)))
    assert answer.decision == decision


def test_a_nifti_of_no_phantom_is_outside(nifti: Path) -> None:
    (answer,) = ask(nifti)
    assert answer.score is not None and answer.problem is None
    assert answer.outside == ("the model was trained on simulated scans, this is not one",)
    assert answer.to_json()["interpretable"] is False


def test_a_picture_beside_a_volume_model_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 40), 90, np.uint8)).save(tmp_path / "a.png")
    (answer,) = ask(tmp_path / "a.png")
    assert answer.score is None and answer.problem is not None


def test_a_picture_goes_into_a_model_of_slices(tmp_path: Path) -> None:
    Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40).astype(np.uint8)).save(
        tmp_path / "a.png"
    )
    how = Preprocessing(input="slice", slices=1, rows=32, columns=32)
    recipe = ImageRecipe(preprocessing=how, architecture=TINY)
    seen = make_bundle().trained_on.model_copy(
        update={"units": "hu", "kind": "slice", "slice_thickness_mm": None}
    )
    (answer,) = ask(tmp_path, make_predictor(make_bundle(recipe=recipe, trained_on=seen)))
    assert answer.score is not None
    assert any("values in hu, these are display" in reason for reason in answer.outside)


def test_an_empty_folder_and_no_path(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nowhere"):
        (answer,) = ask(path)
        assert answer.score is None and answer.source.image_id is None
        assert answer.problem is not None and ": " in answer.problem
        assert answer.source.path == str(path)


def test_a_folder_without_images_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    (answer,) = ask(tmp_path)
    assert answer.problem is not None and "NOT_AN_IMAGE (2 files)" in answer.problem


def test_an_mr_is_refused(chest: Path, tmp_path: Path) -> None:
    for path in series(chest):
        image = pydicom.dcmread(path)
        if "AXIAL" in image.ImageType:
            image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = MRImageStorage
            image.Modality = "MR"
            image.save_as(tmp_path / path.name)
    (answer,) = ask(tmp_path)
    assert (
        answer.score is None
        and answer.problem == "NOT_CT: This is not a CT. Found MR, expected CT."
    )
    assert "trained on CT, this is MR" in answer.outside


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"no shared data at {SHARED}")
    return SHARED


def series(folder: Path) -> list[Path]:
    """Files of the largest series: those of one folder."""
    return sorted(p for p in folder.rglob("*") if p.is_file())


def test_a_truncated_file_gets_an_answer(chest: Path, tmp_path: Path) -> None:
    source = series(chest)[len(series(chest)) // 2]
    (tmp_path / "cut.dcm").write_bytes(source.read_bytes()[:900])
    (answer,) = ask(tmp_path)
    assert answer.score is None and answer.problem is not None


def test_a_damaged_file_beside_a_good_series_is_told_too(chest: Path, tmp_path: Path) -> None:
    for path in series(chest):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "zz-cut.nii.gz").write_bytes(b"\x1f\x8b\x08 cut")
    good, bad = ask(tmp_path)
    assert good.score is not None and bad.score is None
    assert "(1 file)" in str(bad.problem)


def test_an_error_while_reading_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise InvalidInputError("BROKEN", "It broke.")

    monkeypatch.setattr("covidx.ingest.reader.read_images", fail)
    (answer,) = ask(Path("x"))
    assert answer.problem == "BROKEN: It broke."


def test_an_abdomen_has_no_lungs_in_view(shared: Path) -> None:
    folder = shared / "dicom" / "abdomen-ct-siemens"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    (answer,) = ask(folder)
    assert str(answer.problem).startswith("NO_LUNGS: There are no lungs in view. Found ")
    assert " ml, expected at least 1000 ml of aerated lung. Use a chest CT" in str(answer.problem)
    assert answer.score is None and answer.decision is None

"""Studies of several patients in one folder: each prediction says whose it is, and what decided."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from covidx.imaging import Bag
from covidx.inference import Prediction, Predictions
from covidx.inference.formatting import format_predictions
from covidx.ingest import Identities, read_images, read_series
from covidx.phantom import generate_cohort
from covidx.volume import Volume

from .conftest import make_predictor

PATIENTS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients' files in one flat folder, named by nobody's rule, and a fourth's below it."""
    made = generate_cohort(tmp_path_factory.mktemp("p") / "out", PATIENTS + 1, 5, workers=1)
    flat = tmp_path_factory.mktemp("Doe_Jane") / "all"
    flat.mkdir()
    studies = sorted((made / "dicom").iterdir())
    for number, study in enumerate(studies[:-1]):
        for file in (path for path in study.rglob("*") if path.is_file()):
            shutil.copy(file, flat / f"{number}-{file.name}")
    shutil.copytree(studies[-1], flat / "Roe_Richard")
    return flat


@pytest.fixture(scope="module")
def found(folder: Path) -> Predictions:
    return make_predictor().predict(folder, identities=Identities(bytes(32)))


def test_each_study_has_a_row_of_its_own(found: Predictions, folder: Path) -> None:
    assert len(found) == PATIENTS + 1 and found.complete
    for name in ("patient_id", "study_uid", "series_uid", "image_id"):
        assert len({getattr(one.source, name) for one in found}) == PATIENTS + 1, name
    assert all(one.source.series_uid.startswith("2.25.") for one in found)
    below = [one for one in found if one.source.place != "."]
    assert len(below) == 1 and below[0].source.path == str(folder / "Roe_Richard")


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_what_is_written_names_nobody(found: Predictions, form: str, folder: Path) -> None:
    text = format_predictions(found, form)  # type: ignore[arg-type]
    for secret in ("Doe", "Jane", "Roe", "Richard", str(folder)):
        assert secret not in text
    for one in found:
        for value in (one.source.patient_id, one.source.study_uid, one.source.series_uid):
            assert str(value) in text
    assert "Roe_Richard" in format_predictions(found, "table", terminal=True)
    assert "deciding" in text or '"slices"' in text


def test_public_ids_are_shown_as_they_are(folder: Path) -> None:
    first = next(make_predictor().stream(folder / "Roe_Richard", identities=Identities.public()))
    header = dcmread(next(path for path in (folder / "Roe_Richard").rglob("*") if path.is_file()))
    assert first.source.study_uid == header.StudyInstanceUID
    assert first.source.series_description


def test_slices_have_their_instance_and_place(found: Predictions, folder: Path) -> None:
    """The instance of a slice lies where its file says."""
    one = next(one for one in found if one.source.place != ".")
    deciding = one.payload.deciding
    assert deciding and sum(part.weight for part in deciding) == pytest.approx(1)
    places = {}
    for path in (folder / "Roe_Richard").rglob("*"):
        header = dcmread(path) if path.is_file() else None
        if header is not None and header.SeriesNumber == one.source.series_number:
            places[int(header.InstanceNumber)] = float(header.ImagePositionPatient[2])
    for part in one.payload.slices:
        assert part.position_mm[2] == pytest.approx(places[part.instance], abs=0.01)


def _turned(volume: Volume) -> Volume:
    """The same voxels, slices from head to feet."""
    assert volume.affine is not None
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, 2] * (len(volume.array) - 1)
    affine[:3, 2] *= -1
    return replace(volume, array=np.ascontiguousarray(volume.array[::-1]), affine=affine)


def test_the_order_of_the_files_does_not_move_a_slice(folder: Path) -> None:
    """By `canonical()`, as the README has it, a slice is the same whatever the order of slices."""
    volume = read_series(folder / "Roe_Richard")
    turned, predictor = _turned(volume), make_predictor()
    bags: list[Bag] = []
    for one in (volume, turned):
        bag, _ = predictor.score_volume(one)
        bags.append(bag)
    assert np.array_equal(bags[0].pixels, bags[1].pixels)
    np.testing.assert_allclose(bags[0].positions_mm, bags[1].positions_mm)
    for number, position in zip(bags[1].slices, bags[1].positions_mm, strict=True):
        shown = turned.canonical().array[number]
        assert np.array_equal(shown, volume.canonical().array[number])
        back = np.linalg.inv(volume.affine) @ [*(position * [-1, -1, 1]), 1]
        assert np.array_equal(volume.array[round(back[2])].shape, shown.shape)
        z = (volume.affine @ [back[0], back[1], round(back[2]), 1])[2]
        assert z == pytest.approx(position[2], abs=1e-6)


def test_instances_follow_slices_in_either_order(folder: Path) -> None:
    (image,) = read_images(folder / "Roe_Richard", identities=Identities.public())
    predictor = make_predictor()
    other = replace(
        image, volume=_turned(image.volume), instance_numbers=image.instance_numbers[::-1]
    )
    source = next(predictor.stream(folder / "Roe_Richard", identities=Identities.public())).source
    one, two = (predictor.of_image(each, Prediction(source)) for each in (image, other))
    assert one.payload.slices == two.payload.slices
    assert all(part.instance is not None for part in one.payload.slices)


def test_counts_are_whole_beside_an_input_without_a_result(
    folder: Path, tmp_path: Path, found: Predictions
) -> None:
    (tmp_path / "letter.txt").write_text("no image")
    failed = make_predictor().predict(tmp_path)
    table = Predictions([*found, *failed], found.bundle).to_frame()
    assert len(table) == PATIENTS + 2 and table["problem"].notna().sum() == 1
    text = table.to_csv(index=False)
    for name in ("n_slices", "series_number", "files", "input"):
        assert f"{table[name].iloc[0]}" == f"{int(table[name].iloc[0])}", name
    assert ".0," not in text

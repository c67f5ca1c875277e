"""The folder of a radiograph cohort: DICOM as in life, one patient a row, the same bytes again."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image

from covidx.ingest import Identities, read_images, read_series
from covidx.phantom import DETECTORS, draw_patient, generate_cohort, render_radiograph

from .conftest import SEED

PATIENTS = 9
FRONTAL = ("PA", "AP")


@pytest.fixture(scope="module")
def radiographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort written by two processes."""
    out = tmp_path_factory.mktemp("radiographs") / "out"
    return generate_cohort(out, PATIENTS, SEED, modality="cxr", workers=2)


@pytest.fixture(scope="module")
def headers(radiographs: Path) -> list[pydicom.Dataset]:
    paths = sorted(p for p in (radiographs / "dicom").rglob("*") if p.is_file())
    return [pydicom.dcmread(path) for path in paths]


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_same_seed_same_bytes_for_any_number_of_workers(radiographs: Path, tmp_path: Path) -> None:
    again = generate_cohort(tmp_path / "again", PATIENTS, SEED, modality="cxr", workers=1)
    assert _digests(again) == _digests(radiographs)


def test_patients_are_those_of_the_ct_cohort(radiographs: Path, cohort: Path) -> None:
    for name in ("labels.csv", "clinical.csv"):
        theirs = pd.read_csv(cohort / name)
        ours = pd.read_csv(radiographs / name).head(len(theirs))
        pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)
    truth = pd.read_csv(radiographs / "truth.csv")
    ct = pd.read_csv(cohort / "truth.csv")
    columns = ["patient_id", "label", "finding", "pattern", "days_since_onset"]
    pd.testing.assert_frame_equal(truth.head(len(ct))[columns], ct[columns])


def test_ingest_gives_what_the_renderer_gives(
    radiographs: Path, headers: list[pydicom.Dataset]
) -> None:
    """Pixel for pixel, through DICOM, for every detector and both projections."""
    patients = {p.patient_id: p for p in (draw_patient(SEED, i) for i in range(PATIENTS))}
    shown = set()
    for ds in headers:
        if ds.get("ViewPosition") in FRONTAL:
            image = render_radiograph(patients[ds.PatientID])
            volume = read_series(Path(ds.filename))
            np.testing.assert_array_equal(volume.array[0], image.greys)
            assert volume.array.dtype == image.greys.dtype
            assert (volume.units, volume.geometry) == ("display", "spacing_only")
            shown.add((image.detector.key, image.view))
    assert {key for key, _ in shown} == set(DETECTORS)
    assert {view for _, view in shown} == set(FRONTAL)


def test_what_ingest_makes_of_each_file(radiographs: Path) -> None:
    """The dose page is set aside; a lateral radiograph is kept, and its view says what it is."""
    reader = read_images(radiographs / "dicom", identities=Identities.public())
    fields = pd.DataFrame([image.fields for image in reader])
    assert reader.quarantine["code"].tolist() == ["SECONDARY_CAPTURE"] * PATIENTS
    frontal = fields[fields["view"].isin(FRONTAL)]
    assert frontal["patient_id"].nunique() == len(frontal) == PATIENTS
    assert set(fields["view"]) == {"PA", "AP", "LL"}
    truth = pd.read_csv(radiographs / "truth.csv").set_index("patient_id")
    views = frontal.set_index("patient_id")["view"]
    assert (views == truth["view"].loc[views.index]).all()
    assert set(frontal["kind"]) == {"radiograph"}
    assert set(frontal["mode"]) == {"MONOCHROME1", "MONOCHROME2"}


def test_tags_agree_with_the_picture(headers: list[pydicom.Dataset]) -> None:
    for ds in headers:
        if ds.Modality not in ("CR", "DX"):
            continue
        assert ds.PatientOrientation == (["P", "F"] if ds.ViewPosition == "LL" else ["L", "F"])
        assert ds.get("Laterality") is None  # the chest is not one of a pair
        if ds.Modality == "DX":
            inverted = ds.PhotometricInterpretation == "MONOCHROME1"
            assert ds.PresentationLUTShape == ("INVERSE" if inverted else "IDENTITY")
            assert ds.PixelIntensityRelationshipSign == (1 if inverted else -1)
            assert ds.ImageLaterality == "U"
    syntaxes = {
        str(ds.file_meta.TransferSyntaxUID) for ds in headers if ds.Modality in ("CR", "DX")
    }
    assert syntaxes == {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.80"}
    assert any("VOILUTSequence" in ds for ds in headers)


def test_masks_and_landmark_lie_on_the_radiograph(
    radiographs: Path, headers: list[pydicom.Dataset]
) -> None:
    truth = pd.read_csv(radiographs / "truth.csv").set_index("patient_id")
    for ds in headers:
        if ds.get("ViewPosition") not in FRONTAL:
            continue
        row = truth.loc[ds.PatientID]
        assert row["sop_instance_uid"] == ds.SOPInstanceUID
        lung, lesion = (
            np.asarray(Image.open(radiographs / "masks" / f"{ds.PatientID}_{kind}.png"))
            for kind in ("lung", "lesion")
        )
        assert lung.shape == lesion.shape == (ds.Rows, ds.Columns)
        assert set(np.unique(lung)) == {0, 1, 2}
        assert np.mean(lung > 0) == pytest.approx(row["lung_share"], abs=1e-3)
        assert (row["finding"] == "normal") == (not lesion.any())
        assert row["landmark_column"] > ds.Columns / 2 and row["landmark_row"] < ds.Rows / 2


def test_another_modality_is_another_cohort(radiographs: Path, tmp_path: Path) -> None:
    from covidx.errors import CovidxError

    with pytest.raises(CovidxError) as error:
        generate_cohort(radiographs, PATIENTS, SEED)
    assert error.value.code == "OUTPUT_NOT_EMPTY"
    with pytest.raises(CovidxError):
        generate_cohort(tmp_path / "x", 1, 1, modality="mr")  # type: ignore[arg-type]


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
def test_dciodvfy_finds_no_errors(headers: list[pydicom.Dataset]) -> None:
    for ds in headers:
        command = ["dciodvfy", "-new", str(ds.filename)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = (result.stdout + result.stderr).splitlines()
        assert not [line for line in lines if line.startswith("Error")]

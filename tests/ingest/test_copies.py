"""Copies of a hospital's folder: every file accounted for, and no identity anywhere."""

from __future__ import annotations

import shutil
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pydicom.uid import SecondaryCaptureImageStorage, XRayRadiationDoseSRStorage

from covidx.cli import main
from covidx.errors import InvalidInputError, StoreError
from covidx.files import locked
from covidx.ingest import Identities, deidentify, ingest, read_images, read_linkage

from .conftest import chest_values, plane, save, write_series
from .leaks import leaks, leaks_below

SECRETS = (
    "Zwiebelfisch",
    "Rosamunde",
    "4711-0815-42",
    "Waldkrankenhaus",
    "Tränkebach",
    "1.2.276.0.99",
    "20200401",
    "2020-04-01",
    "19500228",
)
STUDY = "1.2.276.0.99.1"
NAMED = {
    "SpecificCharacterSet": "ISO_IR 192",
    "PatientName": "Zwiebelfisch^Rosamunde^Tränkebach",
    "PatientID": "4711-0815-42",
    "PatientBirthDate": "19500228",
    "PatientAge": "104Y",
    "StudyDate": "20200401",
    "InstitutionName": "Waldkrankenhaus Nord",
    "AccessionNumber": "ZWIEBELFISCH-1",
    "Manufacturer": "Rosamunde Ltd",
    "ManufacturerModelName": "Model 7",
    "SeriesDescription": "Thorax Rosamunde B30f",
    "ViewPosition": "ROSAMUNDE",
    "StudyInstanceUID": STUDY,
    "ConvolutionKernel": "Rosamunde",
}


def write_named(folder: Path, number: int, **changes: object) -> list[Path]:
    return write_series(
        folder,
        **{**NAMED, "SeriesInstanceUID": f"{STUDY}.{number}", "SeriesNumber": number, **changes},
    )


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    """A folder as it may come, with a name in everything."""
    root = tmp_path / "Zwiebelfisch_Rosamunde"
    write_named(root / "Waldkrankenhaus" / "4711-0815-42", 1)
    for path in write_named(root / "loose", 2, Modality="GEHEIM Rosamunde"):
        path.rename(path.with_name(f"Rosamunde {path.name}"))
    capture = plane(0, **NAMED, SeriesInstanceUID=f"{STUDY}.3")
    capture.SOPClassUID = SecondaryCaptureImageStorage
    save(capture, root / "Rosamunde.dcm", chest_values(1)[0])
    burnt = plane(0, **NAMED, SeriesInstanceUID=f"{STUDY}.4", BurnedInAnnotation="YES")
    save(burnt, root / "burnt", chest_values(1)[0])
    (root / "Zwiebelfisch.txt").write_text("Rosamunde Zwiebelfisch")
    (root / "cut Rosamunde").write_bytes((root / "burnt").read_bytes()[:700])
    _archives(root, tmp_path)
    _directory(root)
    return root


def _archives(root: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    files = write_named(packed / "Zwiebelfisch", 5)
    with zipfile.ZipFile(root / "Rosamunde.zip", "w") as archive:
        for path in files:
            archive.write(path, f"Waldkrankenhaus/{path.name}")
    with tarfile.open(root / "Tränkebach.tar.gz", "w:gz") as archive:
        archive.add(packed / "Zwiebelfisch", "Zwiebelfisch")
    shutil.rmtree(packed)


def _directory(root: Path) -> None:
    files = FileSet()
    files.ID = "ROSAMUNDE"
    for path in (root / "Waldkrankenhaus").rglob("*"):
        if path.is_file():
            ds = pydicom.dcmread(path)
            ds.StudyTime, ds.StudyID = "120000", "1"
            files.add(ds)
    files.write(root / "media")


Copied = tuple[Path, Path, str]


@pytest.fixture
def handed_on(
    hospital: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Copied]:
    """Copies and a store of the folder, made on the command line, and what that printed."""
    copies, store = tmp_path / "copies", tmp_path / "store"
    capfd.readouterr()
    caplog.clear()  # of what was said of the files when they were made
    for verb, out in (("deidentify", copies), ("ingest", store)):
        given = ["covidx", verb, str(hospital), "--out", str(out), "--workers", "1"]
        monkeypatch.setattr("sys.argv", given)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
    printed = "".join(capfd.readouterr()) + caplog.text
    yield copies, store, printed.replace(str(tmp_path), "")


def test_no_identity_is_written_or_said(key: Path, handed_on: Copied, tmp_path: Path) -> None:
    copies, store, printed = handed_on
    assert leaks_below(copies, SECRETS) == []
    assert leaks_below(store, SECRETS) == []
    assert leaks(printed.encode(), SECRETS) == []
    linked = [path for path in key.parent.iterdir() if leaks(path.read_bytes(), SECRETS[:1])]
    assert len(linked) == 2  # the linkages of both, which would else be found empty here
    assert {stat.S_IMODE(path.stat().st_mode) for path in linked} == {0o600}


def test_every_file_is_accounted_for(handed_on: Copied, hospital: Path) -> None:
    copies, _, printed = handed_on
    account = pd.read_csv(copies / "account.csv", keep_default_na=False)
    archives = 2  # each holds 8 files, counted in its place
    files = [path for path in hospital.rglob("*") if path.is_file()]
    assert len(account) == len(files) - archives + 2 * 8
    refused = account[account["kind"] != "copied"].groupby("code").size().to_dict()
    assert refused == {
        "BURNED_IN": 1,
        "DICOMDIR": 1,
        "HEADER_INCOMPLETE": 1,
        "INSTANCE_CONFLICT": 8,  # of the medium, whose files say other things of the study
        "INSTANCE_DUPLICATE": 8,  # the archives hold the same
        "MODALITY_UNSUPPORTED": 8,
        "NOT_DICOM": 1,
        "SECONDARY_CAPTURE": 1,
    }
    written = {path.relative_to(copies).as_posix() for path in copies.rglob("*.dcm")}
    assert written == set(account.loc[account["kind"] == "copied", "copy"])
    assert "BURNED_IN: 1" in printed


def test_copies_bear_the_pseudonyms_of_ingest(handed_on: Copied) -> None:
    copies, store, _ = handed_on
    columns = ["patient_id", "study_uid", "series_uid", "acquired", "age", "sex"]
    ours = pd.read_parquet(store / "manifest.parquet")[columns]
    theirs = pd.DataFrame(
        image.fields for image in read_images(copies, identities=Identities.public())
    )
    assert theirs[columns].to_dict("records") == ours.to_dict("records")
    assert ours["age"].tolist() == [90]


def test_the_linkage_leads_back(handed_on: Copied, hospital: Path) -> None:
    copies, store, _ = handed_on
    links = read_linkage(copies)
    links = links[links["patient_id"].notna()]
    assert set(links["patient_id"]) == {"4711-0815-42"}
    for row in links.to_dict("records"):
        ds = pydicom.dcmread(copies / row["path"])
        [original] = row["instances"]
        assert ds.SOPInstanceUID == Identities.keyed().uid(original)
        assert row["source_path"].startswith(str(hospital))
    [image] = read_linkage(store).dropna(subset="image_id").to_dict("records")
    planes = [pydicom.dcmread(path) for path in image["sources"] if Path(path).is_file()]
    if planes:  # in slice order
        assert [ds.SOPInstanceUID for ds in planes] == list(image["instances"])
        places = [ds.ImagePositionPatient[2] for ds in planes]
        assert places == sorted(places)


def test_the_same_bytes_again_with_any_number_of_workers(hospital: Path, tmp_path: Path) -> None:
    def content(out: Path) -> dict[str, bytes]:
        found = (path for path in out.rglob("*") if path.is_file())
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}

    first = deidentify(hospital, tmp_path / "one", workers=1)
    before = content(first.out)
    deidentify(hospital, tmp_path / "one", workers=1)
    assert content(first.out) == before
    for index in range(210):  # above the number that is done in one process
        (hospital / f"{index}.txt").write_text("-")
    deidentify(hospital, tmp_path / "two", workers=1)
    deidentify(hospital, tmp_path / "three", workers=2)
    assert content(tmp_path / "two") == content(tmp_path / "three")


def test_a_study_that_is_gone_is_not_handed_on(hospital: Path, tmp_path: Path) -> None:
    deidentify(hospital, tmp_path / "out")
    other = write_series(tmp_path / "other")
    deidentify(tmp_path / "other", tmp_path / "out")
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == len(other)


def test_captures_are_copied_when_asked_for(hospital: Path, tmp_path: Path) -> None:
    reasons = deidentify(hospital, tmp_path / "out", captures=True).reasons
    assert "BURNED_IN" not in reasons and "SECONDARY_CAPTURE" not in reasons


def test_a_report_without_pixels_is_no_capture(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", slices=2)
    ds = pydicom.dcmread(paths[0])
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = XRayRadiationDoseSRStorage
    for name in ("Rows", "Columns", "PixelData"):
        delattr(ds, name)
    ds.save_as(paths[0])
    made = deidentify(tmp_path / "in", tmp_path / "out", captures=True)
    assert made.reasons == {"DOSE_REPORT": 1} and made.kinds["copied"] == 1


def test_an_overlay_among_the_pixels(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "in", slices=2)
    ds = pydicom.dcmread(paths[0])
    ds.add_new(0x60000102, "US", 12)
    ds.add_new(0x60000100, "US", 16)
    ds.save_as(paths[0])
    assert deidentify(tmp_path / "in", tmp_path / "out").reasons == {"OVERLAY_EMBEDDED": 1}


def test_two_files_that_claim_one_instance(tmp_path: Path) -> None:
    [path] = write_series(tmp_path / "in", slices=1)
    shutil.copy(path, tmp_path / "in" / "same")
    other = pydicom.dcmread(path)
    other.PixelData = bytes(len(other.PixelData))
    other.save_as(tmp_path / "in" / "zzz")
    reasons = deidentify(tmp_path / "in", tmp_path / "out").reasons
    assert reasons == {"INSTANCE_CONFLICT": 1, "INSTANCE_DUPLICATE": 1}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SOPClassUID": "1.2.3.4"}, "CLASS_UNKNOWN"),
        ({"StudyInstanceUID": None}, "UIDS_ABSENT"),
    ],
)
def test_what_cannot_be_copied(tmp_path: Path, changes: dict[str, object], code: str) -> None:
    write_series(tmp_path / "in", slices=1)
    ds = pydicom.dcmread(next((tmp_path / "in").iterdir()))
    for name, value in changes.items():
        setattr(ds, name, value) if value else delattr(ds, name)
    ds.SOPInstanceUID = "1.2.3.9"
    ds.save_as(tmp_path / "in" / "odd")
    result = deidentify(tmp_path / "in", tmp_path / "out")
    assert result.reasons == {code: 1}
    assert result.kinds == {"copied": 1, "set_aside": 0, "quarantined": 1}


def test_nothing_to_copy(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "text").write_text("-")
    with pytest.raises(InvalidInputError) as caught:
        deidentify(tmp_path / "in", tmp_path / "out")
    assert caught.value.code == "NO_COPIES"


def test_a_folder_in_use(tmp_path: Path) -> None:
    write_series(tmp_path / "in", slices=1)
    with locked(tmp_path / "out"), pytest.raises(StoreError) as caught:
        deidentify(tmp_path / "in", tmp_path / "out")
    assert caught.value.code == "IN_USE"


def test_a_name_in_what_ingest_quotes(key: Path, tmp_path: Path) -> None:
    write_named(tmp_path / "in", 1, RescaleType="ROSAMUNDE", PatientSex="ROSAMUNDE")
    result = ingest(tmp_path / "in", tmp_path / "out")
    row = result.manifest.iloc[0]
    assert pd.isna(row["kernel"]) and pd.isna(row["manufacturer"]) and pd.isna(row["sex"])
    assert row["units"] == "unproven"
    assert leaks_below(tmp_path / "out", SECRETS) == []


def test_image_ids_tell_nobody_whose_they_are(key: Path, tmp_path: Path) -> None:
    """Who knows the pixels and guesses the UID could else confirm the guess."""
    write_named(tmp_path / "in", 1)
    one = ingest(tmp_path / "in", tmp_path / "one").manifest["image_id"].iloc[0]
    again = ingest(tmp_path / "in", tmp_path / "again").manifest["image_id"].iloc[0]
    key.unlink()
    other = ingest(tmp_path / "in", tmp_path / "other").manifest["image_id"].iloc[0]
    assert one == again != other


def _errors(path: Path | str) -> set[str]:
    command = ["dciodvfy", "-new", str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
    return {line for line in found.stderr.splitlines() if line.startswith("Error")}


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
@pytest.mark.parametrize("retain", ["default", "none"])
def test_dciodvfy_finds_no_new_error(shared: Path, tmp_path: Path, retain: str) -> None:
    source = tmp_path / "in"
    for folder in ("chest-ct-two-kernels", "cxr", "covid-ct-slices", "pydicom", "conversion"):
        files = sorted(path for path in (shared / "dicom" / folder).rglob("*") if path.is_file())
        for path in files[:: max(1, len(files) // 12)]:
            place = source / folder / path.relative_to(shared / "dicom" / folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)
    options = {} if retain == "default" else {"retain": frozenset[str]()}
    result = deidentify(source, tmp_path / "out", **options)
    assert result.kinds["copied"] > 25
    links = read_linkage(result.out)
    for row in links[links["patient_id"].notna()].to_dict("records"):
        new = _errors(result.out / row["path"]) - _errors(row["source_path"])
        assert not new, row["source_path"]
        before = pydicom.dcmread(row["source_path"], force=True)
        after = pydicom.dcmread(result.out / row["path"])
        assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
        if not before.file_meta.TransferSyntaxUID.is_compressed:
            assert after.PixelData == before.PixelData
            assert np.array_equal(_values(after, "PixelSpacing"), _values(before, "PixelSpacing"))


def _values(ds: Dataset, name: str) -> list[float]:
    return [float(value) for value in ds.get(name) or []]

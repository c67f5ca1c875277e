"""Two modes: what an object says of its patient, and that nothing else says it."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from benchmarks.dciodvfy import NETWORK
from covidx.errors import CovidxError
from covidx.export import (
    Mode,
    binary_segmentation,
    measurement_report,
    parametric_map,
    read_source,
    save,
)
from covidx.ingest import deidentify, ingest
from tests.export.conftest import frames_of
from tests.ingest.conftest import write_series
from tests.ingest.leaks import leaks

SECRETS = (
    "Zwiebelfisch",
    "Rosamunde",
    "4711-0815",
    "Waldkrankenhaus",
    "1.2.276.0.99",
    "20200401",
    "19500228",
)
STUDY = "1.2.276.0.99.1"


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    """A hospital's series."""
    folder = tmp_path / "hospital"
    write_series(
        folder,
        PatientName="Zwiebelfisch^Rosamunde",
        PatientID="4711-0815",
        PatientBirthDate="19500228",
        StudyDate="20200401",
        InstitutionName="Waldkrankenhaus Nord",
        AccessionNumber="ZWIEBELFISCH-1",
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=f"{STUDY}.2",
        FrameOfReferenceUID=f"{STUDY}.3",
    )
    return folder


@pytest.fixture
def copies(originals: Path, tmp_path: Path) -> Path:
    return deidentify(originals, tmp_path / "copies", workers=1).out


@pytest.fixture
def receipt(originals: Path, tmp_path: Path) -> Path:
    ingest(originals, tmp_path / "store", workers=1)
    (path,) = (tmp_path / "store" / "receipts").iterdir()
    return path


def objects(series: Path, mode: Mode, out: Path) -> list[Path]:
    source = read_source(series, mode)
    mask = np.zeros(source.own.shape, np.uint8)
    for index in range(1, len(mask)):
        mask[index, 4, index] = 1
    seg = binary_segmentation(mask, {1: "opacity"}, source, NETWORK)
    made = (seg, parametric_map(mask, "opacity", source, NETWORK), measurement_report(seg))
    return [save(one, out / f"{n}.dcm") for n, one in enumerate(made)]


def who(ds: Dataset) -> tuple[str, ...]:
    names = ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "AccessionNumber")
    return tuple(str(ds.get(name, "")) for name in names)


def instances(folder: Path) -> dict[str, Dataset]:
    paths = [path for path in folder.rglob("*") if path.suffix != ".csv" and path.is_file()]
    heads = [dcmread(path, force=True) for path in paths if path.name not in (".lock",)]
    return {str(ds.SOPInstanceUID): ds for ds in heads if "SOPInstanceUID" in ds}


def test_pseudonymous_objects_belong_to_the_copies(
    originals: Path, copies: Path, tmp_path: Path
) -> None:
    heads = instances(copies)
    one = next(iter(heads.values()))
    for name, series in (("o", originals), ("c", copies)):
        paths = objects(series, "pseudonymous", tmp_path / name)
        for path in paths:
            ds = dcmread(path)
            assert who(ds) == who(one)
            assert leaks(path.read_bytes(), SECRETS) == []
            assert ds.PatientIdentityRemoved == "YES"
            assert stat.S_IMODE(path.stat().st_mode) & 0o044
        seg = dcmread(paths[0])
        assert seg.FrameOfReferenceUID == one.FrameOfReferenceUID
        check_frames(seg, heads)


@pytest.mark.parametrize("series", ["originals", "copies", "receipt"])
def test_original_objects_belong_to_the_originals(
    series: str, originals: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    heads = instances(originals)
    paths = objects(request.getfixturevalue(series), "original", tmp_path / "out")
    expected = ("4711-0815", "Zwiebelfisch^Rosamunde", STUDY, "20200401", "ZWIEBELFISCH-1")
    for path in paths:
        ds = dcmread(path)
        assert who(ds) == expected
        assert ds.PatientBirthDate == "19500228"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    seg = dcmread(paths[0])
    check_frames(seg, heads)


def check_frames(seg: Dataset, heads: dict[str, Dataset]) -> None:
    """Each slice but the lowest has its mark in the column of its number; they lie 5 mm apart."""
    frames = list(frames_of(seg))
    assert len(frames) == len(heads) - 1
    for frame in frames:
        position = list(heads[frame.source].ImagePositionPatient)
        assert list(frame.position) == position
        assert np.argwhere(frame.values).tolist() == [[4, (position[2] - 100) / 5]]


def test_copies_need_neither_key_nor_linkage(copies: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "secret")
    objects(copies, "pseudonymous", tmp_path / "out")
    assert not (tmp_path / "secret").exists()


def test_only_the_mode_original_reads_the_linkage(
    originals: Path, copies: Path, receipt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: Any) -> Any:
        raise AssertionError("the linkage was read")

    monkeypatch.setattr("covidx.export.locate.read_linkage", read)
    objects(originals, "pseudonymous", tmp_path / "a")
    objects(copies, "pseudonymous", tmp_path / "b")
    with pytest.raises(CovidxError) as caught:
        read_source(receipt, "pseudonymous")
    assert caught.value.code == "RECEIPT_NEEDS_ORIGINAL"
    with pytest.raises(AssertionError, match="was read"):
        read_source(receipt, "original")


def test_nothing_is_said_of_the_patient(
    originals: Path,
    copies: Path,
    receipt: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    for number, series in enumerate((originals, copies, receipt)):
        objects(series, "original", tmp_path / str(number))
        assert leaks(repr(read_source(series, "original")).encode(), SECRETS) == []
    record = "".join((caplog.text, *capfd.readouterr(), *(str(w.message) for w in recwarn)))
    assert leaks(record.encode(), SECRETS) == []


def test_originals_that_are_gone_or_others_are_missed_without_a_name(
    originals: Path, copies: Path, receipt: Path, tmp_path: Path
) -> None:
    renamed = tmp_path / "Zwiebelfisch"
    originals.rename(renamed)
    for series in (copies, receipt):
        with pytest.raises(CovidxError) as caught:
            read_source(series, "original")
        assert caught.value.code == "ORIGINALS_MISSING"
        assert leaks(str(caught.value).encode(), SECRETS) == []
    renamed.rename(originals)
    paths = sorted(originals.iterdir())
    shutil.copy(paths[0], paths[1])
    with pytest.raises(CovidxError) as caught:
        read_source(receipt, "original")
    assert caught.value.code == "ORIGINALS_MISSING"
    assert leaks(str(caught.value).encode(), SECRETS) == []


def test_originals_that_changed_places(originals: Path, receipt: Path) -> None:
    for path in originals.iterdir():
        ds = dcmread(path)
        ds.ImagePositionPatient[2] = -ds.ImagePositionPatient[2]
        ds.save_as(path)
    with pytest.raises(CovidxError) as caught:
        read_source(receipt, "original")
    assert caught.value.code == "ORIGINALS_CHANGED"


def test_copies_without_their_linkage(copies: Path, receipt: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "secret")
    for series in (copies, receipt):
        with pytest.raises(CovidxError) as caught:
            read_source(series, "original")
        assert caught.value.code == "LINKAGE_MISSING"
    (copies / "deidentify.json").unlink()
    with pytest.raises(CovidxError) as caught:
        read_source(copies, "original")
    assert caught.value.code == "ORIGINALS_MISSING"


def test_an_error_of_highdicom_quotes_no_value(
    originals: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """A sex that is none, and an age, a time and a comment that are no values of their VR."""
    for path in originals.iterdir():
        ds = dcmread(path)
        ds.PatientSex = "ZWIEBELFISCH"
        ds.save_as(path)
    source = read_source(originals, "original")
    with pytest.raises(CovidxError) as caught:
        binary_segmentation(np.zeros(source.own.shape, np.uint8), {1: "lung"}, source, NETWORK)
    assert caught.value.code == "HEADER_UNFIT"
    assert caught.value.__suppress_context__
    assert leaks((str(caught.value) + caplog.text).encode(), SECRETS) == []


def test_malformed_values_are_left_out_but_not_the_ids(originals: Path, tmp_path: Path) -> None:
    long = "4711-0815" * 9  # a LO has 64 characters at most
    for path in originals.iterdir():
        data = dcmread(path)
        data.PatientAge = None
        data.PatientID = long
        data["PatientAge"]._value = "62 years"
        data.EthnicGroup = ""
        data.save_as(path)
    seg = dcmread(objects(originals, "original", tmp_path / "out")[0])
    assert seg.PatientID == long
    assert "PatientAge" not in seg
    assert "EthnicGroup" not in seg

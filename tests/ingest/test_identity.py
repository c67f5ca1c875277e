"""Pseudonyms, the key's place and mode, and that no identity is written."""

from __future__ import annotations

import stat
from pathlib import Path

import pandas as pd
import pydicom
import pytest

from covidx.errors import InvalidInputError, StoreError
from covidx.ingest import Identities, deidentify, ingest, read_linkage

from .conftest import write_series


def test_pseudonyms_are_stable_and_of_their_form(key: Path) -> None:
    one, again = Identities.keyed(), Identities.keyed(key)
    assert one.patient(" MRN-4711 ") == again.patient("MRN-4711")
    assert one.patient("MRN-4711").startswith("P-") and len(one.patient("MRN-4711")) == 14
    uid = one.uid("1.2.3")
    assert uid is not None and uid.startswith("2.25.") and len(uid) <= 64
    assert one.uid("1.2.3#4") == f"{uid}#4"
    assert one.uid("") is None
    assert one.patient("x") != Identities.keyed(key.with_name("other")).patient("x")


def test_public_keeps_everything() -> None:
    ids = Identities.public()
    assert (ids.patient("A"), ids.uid("1.2"), ids.path("a/b.dcm")) == ("A", "1.2", "a/b.dcm")
    assert ids.date("2020-04-01", "A") == "2020-04-01"


def test_dates_keep_their_intervals(key: Path) -> None:
    ids = Identities.keyed(key)
    first, second = ids.date("2020-04-01", "A"), ids.date("2020-04-11", "A")
    assert first != "2020-04-01"
    assert (pd.Timestamp(second) - pd.Timestamp(first)).days == 10


def test_paths_keep_depth_and_a_harmless_extension(key: Path) -> None:
    ids = Identities.keyed(key)
    shown = ids.path("Doe_Jane/study.1/slice.Doe.dcm")
    assert shown.count("/") == 2
    assert shown.endswith(".dcm")
    assert "Doe" not in shown
    assert ids.path("scan.nii.gz").endswith(".nii.gz")


def test_the_key_is_made_private(key: Path) -> None:
    Identities.keyed()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 32
    assert repr(Identities.keyed()) == "Identities()"


def test_an_exposed_key_is_refused(key: Path, tmp_path: Path) -> None:
    Identities.keyed()
    key.chmod(0o640)
    with pytest.raises(InvalidInputError) as caught:
        Identities.keyed()
    assert caught.value.code == "KEY_EXPOSED"
    with pytest.raises(InvalidInputError) as caught:
        Identities.keyed(tmp_path / "out" / "key", out=tmp_path / "out")
    assert caught.value.code == "KEY_EXPOSED"


def test_a_short_key_is_refused(key: Path) -> None:
    key.write_bytes(b"short")
    key.chmod(0o600)
    with pytest.raises(InvalidInputError) as caught:
        Identities.keyed()
    assert caught.value.code == "KEY_INVALID"


SECRETS = [b"Doe", b"Jane", b"4711", b"Mercy", b"Roe", b"1.2.3.1", b"2020-04-01", b"20200401"]


def test_no_identity_in_what_is_written_but_in_the_linkage(key: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "Doe_Jane_4711", tmp_path / "out"
    write_series(source / "Mercy")
    (source / "Doe.txt").write_text("letter")
    (source / "broken-Jane").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 20)
    result = ingest(source, out)
    assert result.quarantine["code"].tolist().count("NOT_AN_IMAGE") == 1
    for path in out.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [secret for secret in SECRETS if secret in data], path
            assert not [s for s in SECRETS if s.decode() in str(path.relative_to(out))]
    shown = result.manifest.to_csv() + result.quarantine.to_csv() + repr(result.manifest)
    assert not [secret for secret in SECRETS if secret.decode() in shown]
    [linkage] = key.parent.glob("linkage-*.parquet")
    assert stat.S_IMODE(linkage.stat().st_mode) == 0o600
    links = read_linkage(out)
    assert len(links) == 1 + 2
    [row] = links.dropna(subset="image_id").to_dict("records")
    assert row["patient_id"] == "MRN-4711"
    assert row["source_path"] == str(source / "Mercy")
    assert Identities.keyed().patient(row["patient_id"]) == result.manifest["patient_id"].iloc[0]


def test_linkage_missing(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        read_linkage(tmp_path)
    assert caught.value.code == "LINKAGE_MISSING"


@pytest.mark.parametrize(
    ("name", "charset"),
    [
        ("WU^LI", "ISO_IR 100"),
        ("王^小明", "GB18030"),
        ("Wang^XiaoMing=王^小明", "ISO_IR 192"),
        ("Иванов^Иван", "ISO_IR 144"),
        ("Παπαδόπουλος^Νίκος", "ISO_IR 126"),
        ("김^철수", "ISO_IR 192"),
    ],
)
def test_a_name_in_any_script_is_written_nowhere(
    tmp_path: Path, key: Path, name: str, charset: str
) -> None:
    """In attributes that are kept as they are, in a file's name, and in what is said of it."""
    spoken = name.split("=")[-1].replace("^", " ")
    where = ("ConvolutionKernel", "Manufacturer", "RescaleType", "StationName")
    write_series(
        tmp_path / "in" / spoken,
        SpecificCharacterSet=charset,
        PatientName=name,
        **dict.fromkeys(where, spoken),
    )
    (tmp_path / "in" / f"{spoken}.dcm").write_bytes(b"")
    result = ingest(tmp_path / "in", tmp_path / "out")
    assert (result.accepted_files, result.quarantined) == (8, 1)
    deidentify(tmp_path / "in", tmp_path / "copies")
    assert result.manifest[["manufacturer", "kernel"]].isna().all(axis=None)
    said = result.manifest.to_json(force_ascii=False) + result.quarantine.to_json(force_ascii=False)
    files = [p for top in ("out", "copies") for p in (tmp_path / top).rglob("*") if p.is_file()]
    said += "".join(p.read_text() for p in files if p.suffix in (".json", ".csv"))
    said += "".join(str(pydicom.dcmread(p)) for p in files if p.suffix == ".dcm")
    said += "".join(str(p.relative_to(tmp_path)) for p in files)
    assert len([p for p in files if p.suffix == ".dcm"]) == 8
    for part in (*spoken.split(), *name.replace("=", "^").split("^")):
        assert len(part) < 2 or part not in said, part


def test_terms_of_the_standard_are_no_names(tmp_path: Path, key: Path) -> None:
    """Hu is a name, and HU a unit; C. T. has the initials of a modality."""
    write_series(tmp_path / "in", PatientName="HU^C T")
    row = ingest(tmp_path / "in", tmp_path / "out").manifest.iloc[0]
    assert (row["units"], row["modality"]) == ("hu", "CT")
    deidentify(tmp_path / "in", tmp_path / "copies")
    ds = pydicom.dcmread(next((tmp_path / "copies").rglob("*.dcm")))
    assert (ds.RescaleType, ds.Modality) == ("HU", "CT")

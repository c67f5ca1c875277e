"""``covidx phantom``, ``ingest`` and ``card``."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from pydicom.data import get_testdata_file

from covidx.tables import QUARANTINE, read_table
from tests.cli.conftest import Call


def test_phantom_then_ingest(covidx: Call, tmp_path: Path) -> None:
    made = covidx("phantom", tmp_path / "p", "--patients", "1", "--seed", "5", "--workers", "1")
    assert made.code == 0
    assert "1 simulated patients" in made.out
    read = covidx("ingest", tmp_path / "p" / "dicom", "--out", tmp_path / "s", "--card", "phantom")
    assert read.code == 0
    assert "1 image in" in read.out
    assert "LOCALIZER: 1" in read.out
    quarantine = read_table(tmp_path / "s" / "quarantine.parquet", QUARANTINE)
    assert set(quarantine["kind"]) == {"set_aside"}


def test_phantom_radiographs_then_ingest(covidx: Call, tmp_path: Path) -> None:
    how = ("--patients", "1", "--seed", "5", "--modality", "cxr", "--workers", "1")
    assert covidx("phantom", tmp_path / "p", *how).code == 0
    read = covidx("ingest", tmp_path / "p" / "dicom", "--out", tmp_path / "s", "--card", "phantom")
    assert read.code == 0
    assert "SECONDARY_CAPTURE: 1" in read.out
    manifest = pd.read_parquet(tmp_path / "s" / "manifest.parquet")
    assert set(manifest["kind"]) == {"radiograph"}
    assert set(manifest["view"]) & {"PA", "AP"}


def test_phantom_refuses_a_flaw_that_it_does_not_know(covidx: Call, tmp_path: Path) -> None:
    for flaw, code in (("ages", "FLAW_UNKNOWN"), ("age=2", "FLAW_STRENGTH")):
        answer = covidx("phantom", tmp_path / "p", "--patients", "1", "--flaw", flaw)
        assert answer.code == 2
        assert code in answer.err
    assert not (tmp_path / "p").exists()


def test_ingest_of_real_dicom_without_a_card_is_pseudonymous(
    covidx: Call, real_data: Path, tmp_path: Path
) -> None:
    answer = covidx("ingest", real_data / "dicom/chest-ct-two-kernels", "--out", tmp_path / "s")
    assert answer.code == 0
    assert "60 files seen = 30 accepted + 30 set aside + 0 quarantined" in answer.out
    manifest = pd.read_parquet(tmp_path / "s" / "manifest.parquet")
    assert manifest["patient_id"].str.startswith("P-").all()


def test_ingest_keeps_every_series_on_request(
    covidx: Call, real_data: Path, tmp_path: Path
) -> None:
    source = real_data / "dicom/chest-ct-two-kernels"
    answer = covidx("ingest", source, "--out", tmp_path / "s", "--all-series")
    assert "2 images in" in answer.out


@pytest.mark.parametrize("card", ["covid-ct", "covid-chestxray", "darkcovidnet", "phantom"])
def test_a_card_exports_as_croissant(covidx: Call, tmp_path: Path, card: str) -> None:
    import mlcroissant

    out = tmp_path / "card.json"
    answer = covidx("card", "export", card, "--format", "croissant", "--out", out)
    assert answer.code == 0
    found = json.loads(out.read_text())
    assert any(url.startswith("http://mlcommons.org/croissant/") for url in found["conformsTo"])
    dataset = mlcroissant.Dataset(jsonld=str(out))
    assert not dataset.metadata.ctx.issues.errors


def test_whoever_holds_the_key_finds_each_file(covidx: Call, tmp_path: Path) -> None:
    """By the pseudonym that the quarantine table shows; of predictions likewise."""
    source = tmp_path / "Müller"
    source.mkdir()
    shutil.copy(get_testdata_file("CT_small.dcm"), source / "good.dcm")
    (source / "bad 王小明.dcm").write_bytes(b"")
    read = covidx("ingest", source, "--out", tmp_path / "s")
    assert f"covidx linkage {tmp_path / 's'}" in read.out
    quarantine = read_table(tmp_path / "s" / "quarantine.parquet", QUARANTINE)
    shown = covidx("linkage", tmp_path / "s", "--of", quarantine["path"].iloc[0])
    (row,) = pd.read_csv(io.StringIO(shown.out)).to_dict("records")
    assert row["source_path"] == str(source / "bad 王小明.dcm")
    assert row["code"] == quarantine["code"].iloc[0] == "FILE_DAMAGED"
    rows = pd.read_csv(io.StringIO(covidx("linkage", tmp_path / "s").out)).set_index("source_path")
    good = rows.loc[str(source / "good.dcm")]
    assert good["patient_id"] == "1CT1" and good["pseudonym"].startswith("P-")
    assert "PSEUDONYM_UNKNOWN" in covidx("linkage", tmp_path / "s", "--of", "x").err
    assert "LINKAGE_MISSING" in covidx("linkage", tmp_path / "other").err


def test_a_card_is_drafted_once(covidx: Call, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("file,finding\na.png,covid-19\nb.png,normal\n")
    how = ("card", "init", "--labels", tmp_path / "list.csv", "--out", tmp_path / "card.yaml")
    first = covidx(*how)
    assert first.code == 0 and "to be filled in before it can be used: modality" in first.out
    assert "CARD_EXISTS" in covidx(*how).err
    (tmp_path / "card.yaml").unlink()
    assert "can be used as it is" in covidx(*how, "--modality", "CXR").out

"""``covidx phantom``, ``ingest`` and ``card``."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

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

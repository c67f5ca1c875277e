"""A hospital's export, without a card: it trains, and no name leaves the ingest."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from covidx.audit.run.folder import read_run
from covidx.audit.run.identity import identity_finding, originals_of
from covidx.cli import app
from covidx.config import load_config
from covidx.errors import CovidxError
from covidx.files import read_json
from covidx.pipelines.image.config import TRAIN_CT, TrainCT
from covidx.pipelines.image.train import train_image
from covidx.pipelines.source import Source
from covidx.pipelines.source_record import recall_source, store_of
from covidx.runs import read_record
from covidx.tracking import tracking_uri
from tests.conftest import CHANGES, Run
from tests.ingest.leaks import leaks
from tests.pipelines.hospital import NAMES, SECRET, export, hospital_id

PATIENTS = 20
SOUND = PATIENTS
"""The truncated file is a copy of an instance that is there whole, and costs nothing."""


@dataclass(frozen=True)
class Export:
    folder: Path
    work: Path
    runs: Path
    printed: str

    @property
    def run(self) -> Path:
        return (self.runs / "train_ct" / "latest").resolve()


@pytest.fixture(scope="module")
def exported(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Export:
    from typer.testing import CliRunner

    place = tmp_path_factory.mktemp("hospital")
    table = export(trained.phantom, place / "data", PATIENTS)
    table["label"] = table["label"].map(lambda name: int(name == "covid-19"))
    table["age"] = range(40, 40 + PATIENTS)
    gone = {"patient_id": "gone", "path": "gone", "label": 0, "age": 40 + PATIENTS}
    table.loc[len(table)] = {**gone, "name": NAMES[0], "remark": NAMES[1]}
    columns = ["path", "label", "age", "name", "remark"]
    table[columns].to_csv(place / "labels.csv", index=False)
    arguments = ["train", "ct", "--data", str(place / "data"), "--labels"]
    arguments += [str(place / "labels.csv"), "--positive", "1"]
    arguments += ["--work", str(place / "work"), "--runs", str(place / "runs")]
    for change in (*CHANGES, "unmatched=exclude"):
        arguments += ["--set", change]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return Export(place / "data", place / "work", place / "runs", result.output)


def _content(path: Path) -> bytes:
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_csv().encode()
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def test_every_file_is_accounted_for(exported: Export) -> None:
    account = json.loads(next(exported.work.glob("store-*/ingest.json")).read_text())
    files = [p for p in exported.folder.rglob("*") if p.is_file()]
    parts = [account[name] for name in ("accepted_files", "set_aside", "quarantined")]
    assert account["files_seen"] == len(files) == sum(parts)
    assert account["images"] == SOUND
    assert {"SLICE_DUPLICATE", "LOCALIZER", "NOT_AN_IMAGE"} <= account["reasons"].keys()


def test_labels_by_path_reach_their_patients(exported: Export) -> None:
    predictions = pd.read_parquet(exported.run / "predictions.parquet")
    assert set(predictions["label"]) == {"0", "1"}
    assert predictions["patient_id"].str.fullmatch(r"P-[0-9a-f]{12}").all()
    bundle = json.loads((exported.run / "bundle" / "bundle.json").read_text())
    assert bundle["classes"] == ["0", "1"]
    assert bundle["positive"] == "1"
    assert bundle["trained_on"]["domain"] == "real"


def test_clinical_columns_come_along(exported: Export) -> None:
    clinical = pd.read_parquet(exported.run / "clinical.parquet")
    assert clinical["patient_id"].str.startswith("P-").all()
    assert clinical["age"].between(40, 40 + PATIENTS).all()


def test_no_planted_name_or_id_is_written_anywhere(exported: Export) -> None:
    found = []
    for folder in (exported.work, exported.runs):
        for path in (p for p in folder.rglob("*") if p.is_file()):
            assert SECRET not in str(path.relative_to(folder))
            content = _content(path)
            found += [path for secret in (SECRET, *NAMES) if leaks(content, [secret])]
            assert not leaks(str(path.relative_to(folder)).encode(), NAMES)
    assert found == []
    assert not leaks(exported.printed.encode(), [SECRET, *NAMES])
    for column in ("name", "remark"):
        assert f"column {column} left out: it may tell who a patient is" in exported.printed


def test_no_name_is_in_any_field_of_mlflow(exported: Export) -> None:
    """Name, description, tags, parameters, data sets and every artifact; of a failed run too."""
    bad = exported.work.parent / "bad.csv"
    bad.write_text(f"path,label\n{NAMES[2]} 00000002,1\n{SECRET}/x,0\n")
    config = load_config(TRAIN_CT, TrainCT, CHANGES)
    source = Source(exported.folder, bad, positive="1")
    with pytest.raises(CovidxError, match=r"LABEL_WITHOUT_IMAGE|IMAGE_WITHOUT_LABEL"):
        train_image(config, source, work=exported.work, runs=exported.runs)
    client = mlflow.MlflowClient(tracking_uri(exported.runs))
    experiment = client.get_experiment_by_name("train_ct")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED", "FAILED"}
    fields = str([run.to_dictionary() for run in runs]) + str([run.inputs for run in runs])
    assert "WITHOUT_" in fields and not leaks(fields.encode(), [SECRET, *NAMES])
    for path in (exported.runs / "mlartifacts").rglob("*"):
        content = _content(path) if path.is_file() else b""
        assert not leaks(path.name.encode() + content, [SECRET, *NAMES])


def test_no_original_id_stands_in_a_table_or_page(exported: Export) -> None:
    ids = [hospital_id(index).encode() for index in range(PATIENTS)]
    kinds = {".parquet", ".html", ".json", ".md", ".csv"}
    for folder in (exported.work, exported.runs):
        for path in (p for p in folder.rglob("*") if p.suffix in kinds):
            cells = _content(path).replace(b"<", b",").replace(b'"', b",").split(b",")
            assert not set(ids) & {cell.strip() for cell in cells}, path


def test_what_was_left_out_is_told(exported: Export) -> None:
    assert "1 label row left out: without an accepted image" in exported.printed
    assert "No data card describes this cohort" in exported.printed


def test_the_audit_of_the_run_looks_for_the_originals(exported: Export, tmp_path: Path) -> None:
    store = store_of(read_record(exported.run), exported.work)
    assert store is not None
    run, originals = read_run(exported.run), originals_of(store)
    assert originals is not None and hospital_id(0) in originals.ids
    assert identity_finding(run, originals).verdict == "pass"
    study = next(iter(originals.uids))
    planted = {
        "of a patient": hospital_id(5),
        "odd": hospital_id(2),
        "folder": f"{SECRET}, Anna 0",
        "in a path": f"see a/b/1/CT and {SECRET}, Anna 0/scan.dcm",
        "uid": f"series {study}",
    }
    for what, words in planted.items():
        copy = tmp_path / what
        shutil.copytree(exported.run, copy)
        (copy / "notes.txt").write_text(words)
        finding = identity_finding(read_run(copy), originals)
        assert finding.verdict == "fail", what
        assert {row["place"] for row in finding.rows} == {"notes.txt line 1"}
        assert SECRET not in str(finding.to_json()) and words not in str(finding.to_json())


def test_patient_ids_that_are_no_pseudonyms_are_found(exported: Export, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(exported.run, copy)
    table = pd.read_parquet(copy / "predictions.parquet")
    table.loc[2, "patient_id"] = "7"
    table.to_parquet(copy / "predictions.parquet", index=False)
    finding = identity_finding(read_run(copy), None)
    (row,) = finding.rows
    assert row == {
        "place": "predictions.parquet row 3",
        "what": "a patient_id that is no pseudonym",
    }


def test_where_the_data_lay_stays_on_this_machine(exported: Export) -> None:
    record = read_json(exported.run / "run.json")
    assert str(exported.folder) not in json.dumps(record)
    given = recall_source(read_record(exported.run), exported.work)
    assert given is not None and given.data == exported.folder and given.positive == "1"

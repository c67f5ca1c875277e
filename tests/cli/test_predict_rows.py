"""``covidx predict`` with a clinical bundle."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from covidx.cards import load_card
from covidx.clinical import load_bundle
from covidx.config import load_config
from covidx.constants import RESEARCH_NOTICE
from covidx.phantom import clinical_table
from covidx.pipelines.clinical.config import TRAIN_CLINICAL, TrainClinical
from covidx.pipelines.clinical.train import train_clinical
from covidx.pipelines.run import TrainedRun
from tests.cli.conftest import Call


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    folder = tmp_path_factory.mktemp("rows")
    changes = ["phantom.patients=200", "recipes=[{name: logistic, kind: logistic}]"]
    config = load_config(TRAIN_CLINICAL, TrainClinical, changes)
    return train_clinical(config, work=folder / "data", runs=folder / "runs")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "new.csv"
    clinical_table(5, 77).drop(columns="label").to_csv(path, index=False)
    return path


def test_a_line_a_row_in_words(
    covidx: Call, run: TrainedRun, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVIDX_KEY", str(table.parent / "secret" / "key"))
    answer = covidx("predict", run.folder / "bundle", table)
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    titles = [line for line in lines if line.startswith(str(table))]
    for number, title in enumerate(titles, 2):
        assert title.startswith(f"{table}, row {number}, patient P-")
    assert len(titles) == 5 and answer.out.count("score for covid-19") == 5
    for part in (
        "youden on out-of-fold, n = ",
        "trained on phantom: simulated clinical rows",
        "NOT INTERPRETABLE: the model was trained on simulated patients",
        "not a patient's probability of disease",
        RESEARCH_NOTICE,
    ):
        assert part in answer.out


def test_json_and_csv_say_what_the_bundle_scores(
    covidx: Call, run: TrainedRun, table: Path, tmp_path: Path
) -> None:
    asked = ("predict", run.folder / "bundle", table, "--card", "phantom")
    found = json.loads(covidx(*asked, "--format", "json").out, parse_constant=pytest.fail)
    rows = list(csv.DictReader(io.StringIO(covidx(*asked, "--format", "csv").out)))
    bundle, fitted = load_bundle(run.folder / "bundle")
    drawn = clinical_table(5, 77)
    plain = drawn[[column.name for column in bundle.columns]].replace({"M": 1, "F": 0})
    expected = fitted.score(plain.astype(float))
    assert [one["score"] for one in found] == pytest.approx(expected.tolist())
    assert [float(row["prob_covid-19"]) for row in rows] == pytest.approx(expected.tolist())
    assert [row["patient_id"] for row in rows] == list(drawn["patient_id"])  # public, by the card
    assert [row["decision"] for row in rows] == [one["decision"] for one in found]
    assert rows[0]["bundle_sha256"] == bundle.sha256 and rows[0]["notice"] == RESEARCH_NOTICE


def test_a_table_that_cannot_be_read_stops_no_other(
    covidx: Call, run: TrainedRun, table: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text(table.read_text().replace("age_years", "age"))
    out = tmp_path / "answers" / "rows.json"
    asked = ("predict", run.folder / "bundle", broken, tmp_path / "no.csv", table)
    answer = covidx(*asked, "--card", "phantom", "--format", "json", "--out", out)
    assert answer.code == 1 and answer.out == ""
    found = json.loads(out.read_text())
    assert found[0]["problem"].startswith("COLUMN_MISSING: ") and "age_years" in found[0]["problem"]
    assert found[1]["problem"].startswith("TABLE_UNREADABLE: ")
    assert len(found) == 7 and all(one["score"] is not None for one in found[2:])
    words = covidx(*asked, "--card", "phantom")
    assert "no result: COLUMN_MISSING" in words.out and words.code == 1


def test_a_damaged_clinical_bundle_is_refused(
    covidx: Call, run: TrainedRun, table: Path, tmp_path: Path
) -> None:
    for file in (run.folder / "bundle").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    said = json.loads((tmp_path / "bundle.json").read_text())
    (tmp_path / "bundle.json").write_text(json.dumps(said | {"patient_column": None}))
    answer = covidx("predict", tmp_path, table)
    assert answer.code == 2 and "[BUNDLE_CHANGED]" in answer.err


def test_the_bundle_has_its_model_card(run: TrainedRun) -> None:
    text = (run.folder / "bundle" / "MODEL_CARD.md").read_text()
    card = load_card(Path("phantom"))
    units = {c.name: c.unit for c in card.clinical_columns().values()}
    for part in (
        "# covidx P2: covid-19 on clinical rows",
        RESEARCH_NOTICE,
        "logistic: logistic, l2, gaps: median",
        "Input: clinical rows\n",
        "**covid-19** is positive, against rest",
        "## Columns",
        f"in {units['wbc_10e9_l']}",
        "a score on a real patient is not interpretable",
        "On 40 test patients",
        "| auroc | ",
    ):
        assert part in text, part
    for word in ("intensities", "Manufacturers", "scanner", "Hounsfield"):
        assert word not in text

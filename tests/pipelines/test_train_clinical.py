"""`covidx train clinical`: from a table to a report."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

from covidx.audit.run import Places, audit_run, read_run
from covidx.audit.run.evidence_kinds import ClinicalEvidence
from covidx.cards import CARD_FOLDER, load_card
from covidx.cli import app
from covidx.clinical import load_bundle
from covidx.cohort import Splits
from covidx.errors import ConfigError, CovidxError, InvalidInputError
from covidx.evaluate import Rows, auroc_estimate, choose_operating_point
from covidx.phantom import clinical_table
from covidx.pipelines.clinical.config import find_table
from covidx.pipelines.source import Source
from covidx.pipelines.source_record import table_of
from covidx.runs import read_record
from covidx.tables import CLINICAL, OUT_OF_FOLD, PREDICTIONS, read_table

QUICK = (
    "recipes=[{name: logistic, kind: logistic}, {name: boosting, kind: boosting, missing: native}, "
    "{name: menni, kind: menni}]"
)
SHARED = Path(__file__).parents[2] / "../shared/data/clinical"


def _train(folder: Path, *arguments: str) -> Result:
    places = ["--runs", str(folder / "runs"), "--work", str(folder / "data")]
    return CliRunner().invoke(app, ["train", "clinical", "--set", QUICK, *places, *arguments])


@dataclass(frozen=True)
class Phantom:
    folder: Path
    output: str


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    folder = tmp_path_factory.mktemp("clinical")
    result = _train(folder, "--set", "phantom.patients=400")
    assert result.exit_code == 0, result.output + str(result.exception)
    return Phantom(folder / "runs" / "train_clinical" / "latest", result.output)


def test_the_run_is_whole(phantom: Phantom) -> None:
    names = {path.name for path in phantom.folder.iterdir()}
    assert {
        "bundle",
        "clinical.parquet",
        "figures",
        "importance.json",
        "metrics.json",
        "models.json",
        "models.parquet",
        "odds_ratios.json",
        "partial_dependence.json",
        "predictions.parquet",
        "report.html",
        "run.json",
        "splits.parquet",
    } <= names
    record = json.loads((phantom.folder / "run.json").read_text())
    assert record["state"] == "finished" and record["data"]["dataset"] == "phantom"
    assert not list(phantom.folder.rglob("*.pkl"))
    (logged,) = (phantom.folder.parents[1] / "mlartifacts").rglob("MLmodel")
    assert "wbc_10e9_l" in logged.read_text() and "prob_covid-19" in logged.read_text()
    kept = next(logged.parent.rglob("bundle.json")).read_bytes()
    assert kept == (phantom.folder / "bundle" / "bundle.json").read_bytes()
    assert "drift.json" not in names  # the phantom has no dates
    assert "nested.json" not in names  # none was asked for


def test_the_audit_of_the_run_passes_and_finds_a_changed_table(
    phantom: Phantom, tmp_path: Path
) -> None:
    runs = phantom.folder.resolve().parents[2]
    table = table_of(read_record(phantom.folder), runs / "data")
    assert table is not None
    found = audit_run(phantom.folder, Places(table=table))
    assert {finding.verdict for finding in found.findings} == {"pass"}
    changed = tmp_path / "clinical.csv"
    changed.write_bytes(table.read_bytes().replace(b"F,", b"M,", 1))
    copy = tmp_path / "run"
    shutil.copytree(phantom.folder.resolve(), copy)
    again = next(f for f in found.findings if f.name == "predictions_recompute")
    assert "400 predictions scored again" in again.found  # out-of-fold rows by models fitted anew
    values = pd.read_parquet(copy / "clinical.parquet")
    values.loc[0, "temperature_c"] = 41.0
    values.to_parquet(copy / "clinical.parquet", index=False)
    found = audit_run(copy, Places(table=changed))
    faults = {finding.name for finding in found.findings if finding.verdict == "fail"}
    assert faults == {"data_unchanged", "predictions_recompute"}


def test_predictions_say_what_metrics_say(phantom: Phantom) -> None:
    table = read_table(phantom.folder / "predictions.parquet", PREDICTIONS)
    assert set(table["arm"]) == {"p2"} and set(table["label"]) == {"rest", "covid-19"}
    rows = Rows.of(table[table["role"] == "test"], "covid-19")
    metrics = json.loads((phantom.folder / "metrics.json").read_text())
    assert metrics["auroc"]["value"] == pytest.approx(auroc_estimate(rows.scores, rows.truth).value)
    assert metrics["auroc"]["low"] > 0.5
    point = choose_operating_point(table[table["role"] == OUT_OF_FOLD], "covid-19")
    assert point.origin.startswith("out-of-fold, n = 320")
    assert metrics["sensitivity"]["threshold"] == point.threshold
    splits = Splits.load(phantom.folder / "splits.parquet")
    assert set(table["split_sha256"]) == {splits.sha256}
    assert table["role"].value_counts().to_dict() == {OUT_OF_FOLD: 320, "test": 80}


def test_the_checklists_count_training_and_test_patients_alone(phantom: Phantom) -> None:
    evidence = ClinicalEvidence(read_run(phantom.folder), [], ".")
    division, numbers, people = (evidence(k) for k in ("division", "numbers", "characteristics"))
    assert division is not None and "seed 0: 320 train, 80 test groups" in division
    assert numbers is not None and people is not None
    table = read_table(phantom.folder / "predictions.parquet", PREDICTIONS)
    positive = int(((table["role"] == OUT_OF_FOLD) & (table["label"] == "covid-19")).sum())
    assert f"train: {positive} covid-19, {320 - positive} rest" in numbers
    assert "train: median age" in people and "validation" not in people + numbers + division


def test_patients_that_choose_the_threshold_may_be_kept_from_training(tmp_path: Path) -> None:
    few = ["--set", "phantom.patients=150", "--set", "inner_folds=3"]
    result = _train(tmp_path, *few, "--set", "division={by: patient, parts: 5, validation: 0.25}")
    assert result.exit_code == 0, result.output + str(result.exception)
    run = tmp_path / "runs" / "train_clinical" / "latest"
    table = read_table(run / "predictions.parquet", PREDICTIONS)
    assert table["role"].value_counts().to_dict() == {"train": 90, "validation": 30, "test": 30}
    bundle, _ = load_bundle(run / "bundle")
    assert bundle.threshold.origin.startswith("validation, n = 30")
    found = audit_run(run, Places(table=table_of(read_record(run), tmp_path / "data")))
    assert {finding.verdict for finding in found.findings} == {"pass"}


def test_the_bundle_gives_the_predictions(phantom: Phantom) -> None:
    bundle, fitted = load_bundle(phantom.folder / "bundle")
    clinical = read_table(phantom.folder / "clinical.parquet", CLINICAL).set_index("patient_id")
    table = read_table(phantom.folder / "predictions.parquet", PREDICTIONS)
    assert set(table["bundle_sha256"]) == {bundle.sha256}
    test = table[table["role"] == "test"]
    scores = fitted.score(clinical.loc[test["patient_id"]])
    np.testing.assert_array_equal(scores, test["prob_covid-19"])
    units = {column.name: column.unit for column in bundle.columns}
    assert units["wbc_10e9_l"] == "10^9/L"


def test_models_stand_beside_each_other_on_the_same_rows(phantom: Phantom) -> None:
    models = json.loads((phantom.folder / "models.json").read_text())
    assert {one["name"] for one in models[:2]} == {"logistic", "boosting"}
    assert models[0]["inner_auroc"] == max(one["inner_auroc"] for one in models[:2])
    assert models[2]["name"] == "menni" and models[2]["auroc"]["n"] < 80  # some do not answer
    assert models[3]["name"].startswith("missingness")
    assert models[3]["auroc"]["low"] < 0.5 < models[3]["auroc"]["high"]  # missing at random
    table = read_table(phantom.folder / "models.parquet", PREDICTIONS)
    assert set(table["role"]) == {OUT_OF_FOLD, "test"}
    assert set(table["arm"]) == {f"p2-{one['name']}" for one in models[1:]}
    page = (phantom.folder / "report.html").read_text()
    assert "are simulated" in page and "Research use only" in page
    assert "which values are missing" in page
    for name in re.findall(r'src="(figures/[^"]+)"', page):
        assert (phantom.folder / name).is_file()
    assert "logistic" in phantom.output and "missingness" in phantom.output


def test_the_phantoms_loss_of_smell_is_its_strongest_sign(phantom: Phantom) -> None:
    odds = json.loads((phantom.folder / "odds_ratios.json").read_text())
    found = odds["loss_of_smell_or_taste"]
    # 0.6503 against 0.2171: the odds ratio that it was drawn with is 6.7.
    assert found["low"] < 6.71 < found["high"]
    importance = json.loads((phantom.folder / "importance.json").read_text())
    assert next(iter(importance)) in ("loss_of_smell_or_taste", "wbc_10e9_l")


def _dated(folder: Path, *, outcome: bool = False, informative: bool = False) -> tuple[Path, Path]:
    """A table of a hospital's own with dates, and its card."""
    table = clinical_table(400, 3)
    covid = table["label"] == "covid-19"
    days = pd.Timestamp("2020-03-02") + pd.to_timedelta(np.arange(400) % 28, unit="D")
    table = table.assign(day=days.strftime("%Y-%m-%d"))
    late = table["day"] >= "2020-03-23"
    table.loc[late, "age_years"] = None
    if informative:
        rng = np.random.default_rng(0)
        table.loc[~covid & (rng.random(400) < 0.95), "wbc_10e9_l"] = None
        table.loc[covid, "wbc_10e9_l"] = 5.0
    path = folder / "own.csv"
    table.to_csv(path, index=False)
    card = yaml.safe_load((CARD_FOLDER / "phantom.yaml").read_text())
    card["clinical"] |= {"table": "own.csv", "label": "label", "date": "day"}
    if informative:
        card["clinical"]["features"] = ["wbc_10e9_l", "age_years"]
    card |= {"identifier": "own", "public_ids": False, "domain": "real"}
    for column in card["columns"]:
        column.pop("table", None)
        if outcome and column["name"] == "fever":
            column["timing"] = "outcome"
    card["columns"] = list({column["name"]: column for column in card["columns"]}.values())
    card["columns"].append({"name": "day", "meaning": "day", "type": "date"})
    (folder / "own.yaml").write_text(yaml.safe_dump(card))
    return path, folder / "own.yaml"


BY_DATE = (
    "division={by: date, train: [2020-03-02, 2020-03-15], test: [2020-03-16, 2020-03-29], "
    "validation: 0.3}"
)


def test_a_table_of_ones_own_by_date(tmp_path: Path) -> None:
    table, card = _dated(tmp_path)
    result = _train(
        tmp_path,
        "--data",
        str(table),
        "--card",
        str(card),
        "--set",
        BY_DATE,
        "--set",
        "inner_folds=3",
    )
    assert result.exit_code == 0, result.output + str(result.exception)
    run = tmp_path / "runs" / "train_clinical" / "latest"
    weeks = json.loads((run / "drift.json").read_text())
    assert [week["week"] for week in weeks] == ["2020-03-16", "2020-03-23"]
    assert [week["columns"]["age_years"]["state"] for week in weeks] == ["stable", "lost"]
    assert (run / "figures" / "drift.png").is_file()
    clinical = read_table(run / "clinical.parquet", CLINICAL)
    assert clinical["patient_id"].str.startswith("P-").all()
    assert "day" not in clinical
    told = result.output + (run / "report.html").read_text() + (run / "run.json").read_text()
    assert "PH0003" not in told


def test_a_model_of_who_was_measured_is_called_that(tmp_path: Path) -> None:
    table, card = _dated(tmp_path, informative=True)
    result = _train(tmp_path, "--data", str(table), "--card", str(card))
    assert result.exit_code == 0, result.output + str(result.exception)
    assert "may have learned who was measured" in " ".join(result.output.split())
    assert "menni was left out" in result.output and "cough" in result.output


def test_a_category_goes_through_the_pipeline_in_words(tmp_path: Path) -> None:
    path, described = _dated(tmp_path)
    table = pd.read_csv(path)
    rng = np.random.default_rng(0)
    told = (table["label"] == "covid-19") & (rng.random(len(table)) < 0.8)
    others = rng.choice(["bones", "heart", "lungs"], len(table), p=[0.7, 0.2, 0.1])
    table["ward"] = np.where(told, "lungs", others)
    table.loc[::10, "ward"] = None
    table.to_csv(path, index=False)
    card = yaml.safe_load(described.read_text())
    card["columns"].append({"name": "ward", "meaning": "ward", "type": "category"})
    card["clinical"]["features"] = ["ward", "age_years"]
    described.write_text(yaml.safe_dump(card))
    result = _train(tmp_path, "--data", str(path), "--card", str(described))
    assert result.exit_code == 0, result.output + str(result.exception)
    run = tmp_path / "runs" / "train_clinical" / "latest"
    curve = json.loads((run / "partial_dependence.json").read_text())["ward"]
    assert [one["value"] for one in curve] == ["bones", "heart", "lungs", None]
    assert max(curve, key=lambda one: one["score"])["value"] == "lungs"
    odds = json.loads((run / "odds_ratios.json").read_text())
    assert {name for name in odds if name.startswith("ward:")} == {
        "ward: heart against bones",
        "ward: lungs against bones",
    }
    assert odds["ward: lungs against bones"]["low"] > 1
    assert "`ward`, ward: bones, heart, lungs" in (run / "bundle" / "MODEL_CARD.md").read_text()
    new = tmp_path / "new.csv"
    new.write_text("ward,age_years\nlungs,40\nkidneys,40\n")
    answer = CliRunner().invoke(app, ["predict", str(run / "bundle"), str(new)])
    assert answer.exit_code == 1 and "CODE_UNKNOWN" in answer.output
    assert "row 3: kidneys" in answer.output


def test_a_threshold_for_a_sensitivity(tmp_path: Path) -> None:
    rule = "operating_point={rule: sensitivity, target: 0.95}"
    result = _train(tmp_path, "--set", "phantom.patients=100", "--set", rule)
    assert result.exit_code == 0, result.output
    run = tmp_path / "runs" / "train_clinical" / "latest"
    bundle, _ = load_bundle(run / "bundle")
    assert bundle.threshold.rule == "sensitivity >= 0.95"
    table = read_table(run / "predictions.parquet", PREDICTIONS)
    mine = table[(table["role"] == OUT_OF_FOLD) & (table["label"] == "covid-19")]
    assert (mine["prob_covid-19"] >= bundle.threshold.value).mean() >= 0.95


@pytest.mark.parametrize(
    "rule",
    ["{rule: sensitivity}", "{rule: youden, target: 0.9}", "{rule: best}", "youden"],
    ids=["no target", "one too many", "unknown", "not a mapping"],
)
def test_a_rule_that_makes_no_sense_is_refused(tmp_path: Path, rule: str) -> None:
    result = _train(tmp_path, "--set", f"operating_point={rule}")
    assert isinstance(result.exception, ConfigError)
    assert "operating_point" in str(result.exception)


def test_nested_folds_stand_beside_the_one_division(tmp_path: Path) -> None:
    few = ["--set", "phantom.patients=150", "--set", "inner_folds=3"]
    result = _train(tmp_path, *few, "--set", "nested_folds=3")
    assert result.exit_code == 0, result.output + str(result.exception)
    run = tmp_path / "runs" / "train_clinical" / "latest"
    found = json.loads((run / "nested.json").read_text())
    assert (found["outer_folds"], found["inner_folds"]) == (3, 3)
    for name in ("P2", "missingness control"):
        assert found[name]["auroc"]["n"] == 150 and len(found[name]["chosen_by_fold"]) == 3
    assert set(found["P2"]["chosen_by_fold"]) <= {"logistic", "boosting"}
    parts = json.loads((run / "mlflow.json").read_text())["parts"]  # below the run, in MLflow
    assert [part["name"] for part in parts] == ["fold 0", "fold 1", "fold 2"]
    by_fold = [part["metrics"]["auroc"] for part in parts]
    assert by_fold == found["P2"]["auroc_by_fold"] and all(0.5 < auroc <= 1 for auroc in by_fold)
    # The phantom's gaps are at random, its values are not.
    assert found["P2"]["auroc"]["low"] > found["missingness control"]["auroc"]["value"]
    page = (run / "report.html").read_text()
    assert "Nested cross-validation, 3 outer folds" in page
    assert f"{found['P2']['auroc']['value']:.3f}" in page
    assert _code(_train(tmp_path, "--set", "nested_folds=1")) == "CONFIG_INVALID"


def _code(result: Result) -> str:
    assert result.exit_code != 0
    assert isinstance(result.exception, CovidxError)
    return result.exception.code


def test_errors_have_a_code_and_leave_no_run(tmp_path: Path) -> None:
    table, card = _dated(tmp_path, outcome=True)
    named = ["--data", str(table), "--card", str(card)]
    assert _code(_train(tmp_path, *named)) == "FEATURE_IS_OUTCOME"
    assert _code(_train(tmp_path, "--data", str(table))) == "CARD_MISSING"
    assert _code(_train(tmp_path, "--card", str(card))) == "DATA_MISSING"
    assert _code(_train(tmp_path, *named[:1], str(tmp_path / "no.csv"), *named[2:])) == (
        "TABLE_MISSING"
    )
    assert _code(
        _train(tmp_path, *named, "--set", "features=[cough]", "--set", "require=[sex]")
    ) == ("FEATURE_UNKNOWN")
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data/clinical is absent")
@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("einstein.xlsx", "einstein"),
        ("israel-moh-tests.csv.zip", "israel-moh-tests"),
        ("../covid-chestxray", "covid-chestxray"),
        ("../hannover", "hannover"),
    ],
)
def test_a_public_table_finds_its_card(name: str, card: str) -> None:
    assert find_table(Source(SHARED / name)).card.identifier == card


def test_a_folder_stands_for_the_table_of_its_card(tmp_path: Path) -> None:
    (tmp_path / "clinical.csv").write_text("patient_id\n1\n")
    found = find_table(Source(tmp_path, card=load_card(Path("phantom"))))
    assert found.table == tmp_path / "clinical.csv"
    with pytest.raises(InvalidInputError, match="CARD_MISSING"):
        find_table(Source(tmp_path))

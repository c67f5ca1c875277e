"""`covidx train fusion`, small: two arms of the same patients, to a report and to `predict`."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from pydicom import dcmread
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner, Result

import benchmarks.fusion
import benchmarks.phantom
from covidx.audit.run import Places, audit_run
from covidx.cards import CARD_FOLDER
from covidx.cli import app
from covidx.cohort import Splits
from covidx.errors import BundleError
from covidx.fusion import FusionPredictor
from covidx.pipelines.fusion.results import MAIN
from covidx.pipelines.source_record import table_of
from covidx.runs import read_record
from covidx.tables import CLINICAL, MANIFEST, OUT_OF_FOLD, PREDICTIONS, read_table
from covidx.tracking import tracking_uri
from tests.pipelines.hospital import SECRET, export, hospital_id

P1 = '["volume.learning.epochs=1","volume.learning.slices=4","volume.preprocessing.slices=8"]'
P2 = (
    '["inner_folds=2","recipes=[{name: logistic, kind: logistic},'
    '{name: boosting, kind: boosting, missing: native}]"]'
)
FUSIONS = (
    "[{name: late, kind: late},{name: stacking, kind: stacking},"
    "{name: joint, kind: joint, learning: {epochs: 3}},"
    "{name: end-to-end, kind: gated, learning: {epochs: 1, batch: 4, end_to_end: true}}]"
)
LATE_ALONE = "[{name: late, kind: late}]"
POINT = "operating_point={rule: sensitivity, target: 0.9}"
SMALL = ["phantom.patients=60", f"p1={P1}", f"p2={P2}", "inner_folds=2", "parts=4", POINT]


def _train(folder: Path, changes: list[str], *arguments: str) -> Result:
    said = [word for change in changes for word in ("--set", change)]
    places = ["--work", str(folder / "work"), "--runs", str(folder / "runs")]
    return CliRunner().invoke(app, ["train", "fusion", *places, *said, *arguments])


@dataclass(frozen=True)
class Fused:
    run: Path
    work: Path
    output: str

    @property
    def bundle(self) -> Path:
        return self.run / "bundle"

    @property
    def phantom(self) -> Path:
        return next(self.work.glob("phantom-ct-60-*"))

    def json(self, name: str) -> Any:
        return json.loads((self.run / name).read_text(), parse_constant=pytest.fail)

    def test_rows(self, arm: str) -> pd.DataFrame:
        table = read_table(self.run / "models.parquet", PREDICTIONS)
        return table[(table["arm"] == arm) & (table["role"] == "test")].set_index("patient_id")


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Fused:
    folder = tmp_path_factory.mktemp("fusion")
    result = _train(folder, [*SMALL, f"recipes={FUSIONS}"])
    assert result.exit_code == 0, result.output + str(result.exception)
    latest = (folder / "runs" / "train_fusion" / "latest").resolve()
    return Fused(latest, folder / "work", result.output)


def test_the_audit_of_the_run_passes_and_finds_a_changed_score(
    fused: Fused, tmp_path: Path
) -> None:
    table = table_of(read_record(fused.run), fused.work)
    at = Places(fused.phantom / "store", table, fused.work / "cache")
    found = audit_run(fused.run, at)
    assert {finding.verdict for finding in found.findings} == {"pass"}
    copy = tmp_path / "run"
    shutil.copytree(fused.run, copy)
    scores = pd.read_parquet(copy / "predictions.parquet")
    lines = [scores.index[(scores["arm"] == arm) & (scores["role"] == "test")][0] for arm in MAIN]
    scores.loc[lines, ["prob_rest", "prob_covid-19"]] = (0.25, 0.75)
    scores.to_parquet(copy / "predictions.parquet", index=False)
    (finding,) = (
        one for one in audit_run(copy, at).findings if one.name == "predictions_recompute"
    )
    assert {row["place"] for row in finding.rows} == {
        f"predictions.parquet row {line + 1}" for line in lines
    }


def test_the_run_is_whole(fused: Fused) -> None:
    for name in (
        "report.html",
        "metrics.json",
        "arms.json",
        "missing_arms.json",
        "contributions.csv",
        "evaluation/evaluation.html",
        "evaluation/incremental.json",
        "bundle/bundle.json",
        "bundle/MODEL_CARD.md",
        "bundle/image/weights.safetensors",
        "figures/contributions.png",
        "splits.parquet",
        "thumbnails.npz",
    ):
        assert (fused.run / name).is_file(), name
    assert fused.json("run.json")["state"] == "finished"
    read_table(fused.run / "manifest.parquet", MANIFEST)
    read_table(fused.run / "clinical.parquet", CLINICAL)
    assert not list(fused.work.rglob("*.ckpt"))
    assert not [path for path in fused.run.rglob("*") if path.suffix in (".pkl", ".pt")]


def test_one_rule_for_the_threshold_of_every_arm(fused: Fused) -> None:
    predictor = FusionPredictor.load(fused.bundle)
    (clinical,) = (fused.bundle / "clinical").glob("*/bundle.json")
    assert predictor.bundle.threshold.rule == "sensitivity >= 0.9"
    assert predictor.image.bundle.threshold.rule == "sensitivity >= 0.9"
    assert json.loads(clinical.read_text())["threshold"]["rule"] == "sensitivity >= 0.9"
    for name, arm in (("p1", predictor.image.bundle), ("p3", predictor.bundle)):
        table = read_table(fused.run / "predictions.parquet", PREDICTIONS)
        mine = table[(table["arm"] == name) & (table["role"] == OUT_OF_FOLD)]
        found = mine.loc[mine["label"] == "covid-19", "prob_covid-19"] >= arm.threshold.value
        assert found.mean() >= 0.9
        assert arm.threshold.origin.startswith(f"out-of-fold, n = {len(mine)}")
        assert len(mine) == 45  # three of four parts: nobody is kept from training
    assert "sensitivity &gt;= 0.9" in (fused.run / "evaluation/evaluation.html").read_text()


def test_every_arm_has_the_same_test_patients(fused: Fused) -> None:
    names = ("p3", "p1", "p2", "p2-missingness")
    arms = {line["arm"]: line for line in fused.json("arms.json")}
    assert arms.keys() >= set(names) and len(arms) == 3 + 3 + 1
    patients = [tuple(sorted(fused.test_rows(name).index)) for name in arms]
    assert len(set(patients)) == 1
    splits = Splits.load(fused.run / "splits.parquet").table
    assert set(patients[0]) == set(splits.loc[splits["role"] == "test", "patient_id"])
    truth = fused.test_rows("p1")["label"] == "covid-19"
    for name in names:
        area = roc_auc_score(truth, fused.test_rows(name).loc[truth.index, "prob_covid-19"])
        assert arms[name]["metrics"]["auroc"]["value"] == pytest.approx(area)
        assert (arms[name]["p3_minus_it"] is None) == (name == "p3")


def test_parts_of_a_score_sum_to_it(fused: Fused) -> None:
    moved = pd.read_csv(fused.run / "contributions.csv")
    told = moved[["base", "image", "clinical"]].sum(axis=1)
    assert expit(told).to_numpy() == pytest.approx(moved["score"].to_numpy(), abs=1e-4)
    assert list(moved["score"]) == sorted(moved["score"], reverse=True)


def test_missing_arms_are_measured_on_the_same_patients(fused: Fused) -> None:
    found = fused.json("missing_arms.json")
    assert list(found) == ["image and clinical data", "image alone", "clinical data alone"]
    assert {entry["auroc"]["n"] for entry in found.values()} == {15}
    assert found["image and clinical data"]["auroc"] == fused.json("metrics.json")["auroc"]


def test_the_page_says_what_each_arm_adds(fused: Fused) -> None:
    page = (fused.run / "report.html").read_text()
    for words in (
        "What each arm does on the same test patients",
        "What a missing arm costs",
        "Contributions to each score",
        "joint network of Mei et al.",
        "The patients of this cohort are simulated",
        'href="evaluation/evaluation.html"',
    ):
        assert words in page
    assert "P3 minus it" in fused.output and "clinical data alone" in fused.output


def test_pages_of_patients_have_p1_p2_and_p3(fused: Fused) -> None:
    page = (fused.run / "report.html").read_text()
    rows = fused.test_rows("p3")
    cases = sorted((fused.run / "cases").glob("*/index.html"))
    assert cases and page.count("cases/") >= len(cases)
    for path in cases:
        case = path.read_text()
        name = re.search("<h1>Patient (.*?)</h1>", case)
        assert name is not None
        patient = html.unescape(name[1])
        positive = rows.loc[patient, "prob_covid-19"]
        assert f"score <b>{positive:.3f}</b>" in case  # P3's, not P1's
        assert "P1, P2 and P3" in case and "Log-odds of P3, by part" in case
    assert (fused.run / "cases" / "exam.json").is_file()


def test_the_evaluation_has_normal_cts_and_presentation(fused: Fused) -> None:
    strata = read_table(fused.run / "strata.parquet", CLINICAL)
    assert {"sex", "age_years", "days_since_onset", "ct_normal"} <= set(strata.columns)
    assert set(strata["sex"].dropna()) == {"M", "F"}
    normal = fused.json("evaluation/incremental.json")["normal_ct"]
    assert {"p1", "p2", "p3"} <= set(normal)


def _predict(fused: Fused, *arguments: str | Path) -> Result:
    words = ["predict", str(fused.bundle), "--card", "phantom", "--format", "json"]
    return CliRunner().invoke(app, [*words, *map(str, arguments)])


def _studies(fused: Fused) -> dict[str, Path]:
    """Test patients, and where their study lies."""
    folders = sorted((fused.phantom / "dicom").iterdir())
    by_patient = {dcmread(next(iter(f.iterdir()))).PatientID: f for f in folders[:60]}
    return {who: by_patient[who] for who in fused.test_rows("p3").index[:2]}


def _rows(fused: Fused, patients: list[str]) -> pd.DataFrame:
    table = pd.read_csv(fused.phantom / "clinical.csv", dtype=str)
    return table[table["patient_id"].isin(patients)]


def test_predict_gives_the_scores_of_the_run(fused: Fused, tmp_path: Path) -> None:
    studies, table = _studies(fused), tmp_path / "rows.csv"
    who = list(studies)
    other = fused.test_rows("p3").index[2]
    _rows(fused, [who[0], other]).to_csv(table, index=False)
    result = _predict(fused, *studies.values(), "--clinical", table)
    assert result.exit_code == 0, result.output
    found = {one["patient_id"]: one for one in json.loads(result.stdout)}
    assert {name: one["arms_used"] for name, one in found.items()} == {
        who[0]: "p1+p2",
        who[1]: "p1",
        other: "p2",
    }
    both = found[who[0]]
    expected = fused.test_rows("p3").loc[who[0], "prob_covid-19"]
    assert both["score"] == pytest.approx(expected, abs=1e-5)
    assert logit(both["score"]) == pytest.approx(both["base"] + both["image"] + both["clinical"])
    assert both["row"] and both["receipts"] and both["notice"]
    assert found[who[1]]["clinical"] == 0 and found[who[1]]["p2"] is None


def test_one_row_without_an_id_is_of_the_one_patient(fused: Fused, tmp_path: Path) -> None:
    (who, study), table = next(iter(_studies(fused).items())), tmp_path / "row.csv"
    _rows(fused, [who]).drop(columns="patient_id").to_csv(table, index=False)
    (one,) = json.loads(_predict(fused, study, "--clinical", table).stdout)
    assert (one["patient_id"], one["arms_used"]) == (who, "p1+p2")
    rows = _rows(fused, list(fused.test_rows("p3").index[:3])).drop(columns="patient_id")
    rows.to_csv(table, index=False)
    result = CliRunner().invoke(
        app, ["predict", str(fused.bundle), str(study), "--clinical", str(table)]
    )
    assert result.exit_code != 0
    assert "PATIENT_COLUMN_MISSING" in str(result.exception)


def _one(frame: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    return frame.assign(**{column: value})


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda t: _one(t, "temperature_c", "101.3"), "VALUE_IMPOSSIBLE"),
        (lambda t: _one(t, "sex", "female"), "CODE_UNKNOWN"),
        (lambda t: t.drop(columns="cough"), "COLUMN_MISSING"),
        (lambda t: _one(t, "patient_id", "stranger"), "NOBODY_HAS_BOTH"),
    ],
)
def test_mistakes_in_a_clinical_row(fused: Fused, tmp_path: Path, spoil: Any, code: str) -> None:
    (who, study), table = next(iter(_studies(fused).items())), tmp_path / "rows.csv"
    spoil(_rows(fused, [who])).to_csv(table, index=False)
    result = _predict(fused, study, "--clinical", table)
    assert code in str(result.exception)
    if code == "VALUE_IMPOSSIBLE":
        assert "degree Fahrenheit" in str(result.exception)


def test_the_benchmark_in_memory_scores_as_the_run_did(fused: Fused) -> None:
    predictor = FusionPredictor.load(fused.bundle)
    how = predictor.image.bundle.recipe.preprocessing
    fresh = [benchmarks.phantom._one(how, 2020, index) for index in range(12)]
    found = benchmarks.fusion.table_of(predictor, fresh)
    found.index = [one.patient_id for one in fresh]
    written = read_table(fused.run / "predictions.parquet", PREDICTIONS)
    written = written[written["role"] == "test"]  # of training patients, they are out of fold
    seen = 0
    for arm, rows in written.groupby("arm"):
        mine = rows.set_index("patient_id")["prob_covid-19"]
        both = mine.index.intersection(found.index)
        # Outside of the circle of reconstruction DICOM has padding, not noise: of a patient
        # whose lungs reach the circle, some pixels differ by a few greys.
        np.testing.assert_allclose(found.loc[both, arm], mine[both], rtol=0, atol=1e-3)
        seen += len(both)
    assert seen >= 3
    mixed = benchmarks.fusion.table_of(predictor, fresh, shuffle=1)
    assert (mixed["p1"].to_numpy() == found["p1"].to_numpy()).all()
    assert sorted(mixed["p2"]) == pytest.approx(sorted(found["p2"]))
    assert (mixed["p2"].to_numpy() != found["p2"].to_numpy()).any()


def test_an_unreadable_study_is_answered_and_the_clinic_speaks(
    fused: Fused, tmp_path: Path
) -> None:
    who, table = next(iter(_studies(fused))), tmp_path / "rows.csv"
    _rows(fused, [who]).to_csv(table, index=False)
    result = _predict(fused, tmp_path / "nowhere", "--clinical", table)
    assert result.exit_code == 1
    spoke, missing = json.loads(result.stdout)
    assert (spoke["patient_id"], spoke["arms_used"]) == (who, "p2")
    assert missing["score"] is None and missing["problem"]


def test_in_words_and_as_csv(fused: Fused, tmp_path: Path) -> None:
    (who, study), table = next(iter(_studies(fused).items())), tmp_path / "rows.csv"
    _rows(fused, [who]).to_csv(table, index=False)
    words = CliRunner().invoke(
        app,
        ["predict", str(fused.bundle), str(study), "--clinical", str(table), "--card", "phantom"],
    )
    for part in ("image and clinical row are available", "in log odds: base", "by itself: P1", who):
        assert part in words.stdout
    result = CliRunner().invoke(
        app,
        ["predict", str(fused.bundle), str(study), "--card", "phantom", "--format", "csv"],
    )
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert row["arms_used"] == "p1" and row["input"] == "1" and row["patient_id"] == who


def test_the_logged_model_gives_the_scores_of_the_bundle(fused: Fused) -> None:
    (folder,) = (fused.run.parents[1] / "mlartifacts").rglob("MLmodel")
    mlflow.set_tracking_uri(tracking_uri(fused.run.parents[1]))
    model = mlflow.pyfunc.load_model(str(folder.parent))
    who, study = next(iter(_studies(fused).items()))
    rows = _rows(fused, [who]).drop(columns=["patient_id", "days_since_onset", "ct_normal"])
    words = ["sex"]
    rows = rows.astype(dict.fromkeys(rows.columns.difference(words), float))
    both = pd.concat([rows.assign(path=str(study)), rows.assign(path=None)])
    found = model.predict(both)
    expected = fused.test_rows("p3").loc[who, "prob_covid-19"]
    assert found["prob_covid-19"].iloc[0] == pytest.approx(expected, abs=1e-5)
    assert found["arms_used"].tolist() == ["p1+p2", "p2"]
    assert list(found) == model.metadata.signature.outputs.input_names()


def test_tables_belong_to_fusion_bundles(fused: Fused) -> None:
    image = str(fused.bundle / "image")
    for words, code in (
        ([image, "x", "--clinical", "y.csv"], "CLINICAL_NOT_TAKEN"),
        ([image], "NOTHING_ASKED"),
        ([str(fused.bundle)], "NOTHING_ASKED"),
    ):
        assert code in str(CliRunner().invoke(app, ["predict", *words]).exception)


@pytest.mark.parametrize("name", ["bundle.json", "image/bundle.json", "clinical/*/bundle.json"])
def test_a_bundle_that_was_changed_is_refused(fused: Fused, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(fused.bundle, copy)
    path = next(copy.glob(name))
    said = json.loads(path.read_text())
    said["positive"] = said["classes"][0]
    path.write_text(json.dumps(said))
    with pytest.raises(BundleError, match="BUNDLE_CHANGED"):
        FusionPredictor.load(copy)


def test_a_hospitals_own_cohort_with_patients_who_lack_an_arm(fused: Fused, tmp_path: Path) -> None:
    """Renamed studies, a table in degrees Fahrenheit, patients without row, without CT."""
    labels = export(fused.phantom, tmp_path / "dicoms", 40)
    clinical = pd.read_csv(fused.phantom / "clinical.csv", dtype=str).head(50)
    names = [hospital_id(i) for i in range(50)]
    clinical = clinical.assign(patient_id=names)
    celsius = clinical["temperature_c"].astype(float)
    table = clinical[["patient_id", "age_years"]].assign(fever=(celsius * 1.8 + 32).round(1))
    table[3:].to_csv(tmp_path / "table.csv", index=False)
    truth = pd.read_csv(fused.phantom / "labels.csv").head(50).assign(patient_id=names)
    truth.to_csv(tmp_path / "labels.csv", index=False)
    card = yaml.safe_load((CARD_FOLDER / "phantom.yaml").read_text()) | {
        "identifier": "our-hospital",
        "domain": "real",
        "public_ids": False,
        "clinical": {
            "table": "table.csv",
            "patient": "patient_id",
            "features": ["fever", "age_years"],
        },
        "columns": [
            {"name": "patient_id", "meaning": "patient", "table": "table.csv"},
            {
                "name": "age_years",
                "meaning": "age",
                "type": "number",
                "unit": "year",
                "low": 0,
                "high": 120,
                "concept": "age_years",
                "table": "table.csv",
            },
            {
                "name": "fever",
                "meaning": "body temperature",
                "type": "number",
                "unit": "degree Celsius",
                "source_unit": "degree Fahrenheit",
                "low": 34,
                "high": 43,
                "table": "table.csv",
            },
        ],
    }
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card))
    # Of two folds, each might leave fewer than five patients of a class with both arms.
    changes = [*SMALL[1:3], "inner_folds=3", SMALL[4], f"recipes={LATE_ALONE}"]
    asked = {"data": "dicoms", "labels": "labels.csv", "clinical": "table.csv", "card": "card.yaml"}
    words = [word for name, place in asked.items() for word in (f"--{name}", str(tmp_path / place))]
    result = _train(tmp_path, changes, *words)
    assert result.exit_code == 0, result.output + str(result.exception)
    run = (tmp_path / "runs" / "train_fusion" / "latest").resolve()
    table = read_table(run / "predictions.parquet", PREDICTIONS)
    used = set(table.loc[table["arm"] == "p3", "arms_used"])
    assert {"p1+p2", "p2"} <= used
    record = json.loads((run / "run.json").read_text())
    assert record["state"] == "finished"
    assert "10 of 50 patients have no image" in result.output
    assert "3 of 50 patients have no clinical row" in result.output
    values = read_table(run / "clinical.parquet", CLINICAL)
    assert values["fever"].dropna().between(34, 43).all()
    for path in run.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert SECRET.encode() not in content and b"0007010" not in content, path
    assert len(labels) == 40 and np.isfinite(table["prob_covid-19"]).all()

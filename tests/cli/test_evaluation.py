"""`covidx evaluate` and `covidx compare`, from files to pages."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from covidx.constants import RESEARCH_NOTICE
from covidx.tables import PREDICTIONS, write_table
from tests.cli.conftest import Call
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions, three_classes
from tests.evaluate.test_evaluation import two_roles
from tests.evaluate.test_incremental import CALLED, arm_rows, clinical

QUICK = ("--resamples", "100")


class _Sound(HTMLParser):
    void = frozenset({"meta", "img", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.pictures.append(str(dict(attrs)["src"]))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _page(path: Path) -> str:
    """The text of a page whose tags close and whose pictures are there."""
    text = path.read_text(encoding="utf-8")
    parser = _Sound()
    parser.feed(text)
    assert parser.open == []
    assert RESEARCH_NOTICE in text
    for name in parser.pictures:
        Image.open(path.parent / name).verify()
    return text


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Two arms with validation rows, a clinical table, reads, and another system's CSV."""
    arms = pd.concat([two_roles(ref.SCORES_A), two_roles(ref.SCORES_B, "p2")])
    write_table(arms, tmp_path / "arms.parquet", PREDICTIONS)
    patients = [f"p{i}" for i in range(120)]
    truth = np.repeat(ref.TRUTH, 2)
    pd.DataFrame(
        {
            "patient_id": patients,
            "sex": np.where(np.arange(120) % 8 < 4, "F", "M"),
            "site": np.where(truth, "ward", "clinic"),
            "finding": np.where(np.arange(120) % 4 < 2, "normal", "abnormal"),
        }
    ).to_csv(tmp_path / "clinical.csv", index=False)
    reads = pd.DataFrame({"patient_id": patients, "reader": "Ada & Co", "read": truth * 3 + 1})
    reads.to_csv(tmp_path / "reads.csv", index=False)
    few = {"patient_id": [f"p{i}" for i in range(60)], "label": np.where(ref.TRUTH, "ill", "well")}
    pd.DataFrame({**few, "prob_ill": ref.SCORES_A}).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame({**few, "prob_ill": ref.SCORES_B}).to_csv(tmp_path / "b.csv", index=False)
    return tmp_path


def test_everything_at_once(covidx: Call, tables: Path) -> None:
    out = tables / "out"
    answer = covidx(
        "evaluate", tables / "arms.parquet", "--arm", "p1", "--out", out, *QUICK,
        "--calibrate", "platt", "--clinical", tables / "clinical.csv",
        "--normal-ct", "finding=normal", "--readers", tables / "reads.csv",
        "--prevalence", "0.05",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert "auroc        0.72" in answer.out
    assert "warning: site and the label" in answer.out
    metrics = json.loads((out / "metrics.json").read_text())
    needed = {"value", "low", "high", "n", "method", "prevalence", "missing"}
    assert all(needed <= set(entry) for entry in metrics.values())
    assert metrics["auroc"]["value"] == pytest.approx(ref.PROC_A[0])
    assert metrics["sensitivity"]["threshold_origin"].startswith("youden on validation, n = 60")
    assert len(pd.read_csv(out / "metrics.csv")) == len(metrics)
    for name in ("calibration", "readers", "normal_ct", "incremental", "subgroups", "abstention"):
        json.loads((out / f"{name}.json").read_text())
    text = _page(out / "evaluation.html")
    for words in ("Beside human readers", "Ada &amp; Co", "but a normal CT", "What each arm adds",
                  "Recalibration", "Subgroups", "Is acting on the score worth it",
                  "nearly the same variable"):  # fmt: skip
        assert words in text, words
    record = json.loads((out / "evaluation.json").read_text())
    assert len(record["inputs"]) == 3
    assert not [p for p in out.rglob("*") if ".tmp." in p.name]


def test_what_each_of_three_arms_adds(covidx: Call, tmp_path: Path) -> None:
    arms, out = tmp_path / "arms.parquet", tmp_path / "out"
    write_table(pd.concat(map(arm_rows, CALLED)), arms, PREDICTIONS)
    clinical().to_csv(tmp_path / "clinical.csv", index=False)
    how = ("--threshold", "0.5", "--threshold-origin", "the maker", *QUICK)
    answer = covidx(
        "evaluate", arms, "--arm", "p3", "--clinical", tmp_path / "clinical.csv",
        "--normal-ct", "ct_normal=1", "--out", out, *how,
    )  # fmt: skip
    assert answer.code == 0, answer.err
    record = json.loads((out / "incremental.json").read_text())
    assert (record["n"], record["left_out"]) == (20, {"p3": 4, "p1": 4, "p2": 0})
    assert record["normal_ct"]["p2"]["normal CT"]["sensitivity"]["value"] == 1
    assert json.loads((out / "metrics.json").read_text())["sensitivity"]["n"] == 12
    assert "What each arm adds" in _page(out / "evaluation.html")
    write_table(arm_rows("p3"), arms, PREDICTIONS)
    assert covidx("evaluate", arms, "--out", out, *how).code == 0
    assert not (out / "incremental.json").exists()
    assert not (out / "figures" / "arms.png").exists()
    assert "What each arm adds" not in _page(out / "evaluation.html")


def test_another_systems_csv_and_what_was_assumed(covidx: Call, tables: Path) -> None:
    out = tables / "out"
    answer = covidx("evaluate", tables / "a.csv", "--out", out, *QUICK)
    assert answer.code == 0, answer.err
    assert "ill against the rest, 60 test patients" in answer.out
    assert "sensitivity  undefined (no threshold" in answer.out
    assert "assumed: No group_id" in answer.out
    text = _page(out / "evaluation.html")
    assert "There is no threshold" in text
    assert "Assumed, since the tables do not state it" in text
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["sensitivity"]["value"] is None
    assert "no threshold" in metrics["sensitivity"]["reason"]
    assert metrics["auroc"]["value"] == pytest.approx(ref.PROC_A[0])


def test_nothing_of_an_earlier_call_stays(covidx: Call, tables: Path) -> None:
    out = tables / "out"
    covidx("evaluate", tables / "arms.parquet", "--arm", "p1", "--out", out, *QUICK)
    assert (out / "abstention.json").exists()
    assert (out / "figures" / "risk_coverage.png").exists()
    covidx("evaluate", tables / "a.csv", "--out", out, *QUICK)
    assert not (out / "abstention.json").exists()
    assert not (out / "figures" / "risk_coverage.png").exists()


def test_three_classes(covidx: Call, tmp_path: Path) -> None:
    table = three_classes(per_group=3)
    role = np.where(np.arange(90) // 3 % 2 == 0, "validation", "test")
    write_table(table.assign(role=role), tmp_path / "t.parquet", PREDICTIONS)
    answer = covidx("evaluate", tmp_path / "t.parquet", "--out", tmp_path / "out", *QUICK)
    assert answer.code == 0, answer.err
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert "cluster jackknife" in metrics["auroc"]["method"]
    assert metrics["f1_normal"]["prevalence"] == pytest.approx(1 / 3)
    assert metrics["f1_macro"]["prevalence"] is None
    text = _page(tmp_path / "out" / "evaluation.html")
    assert "They form 15 groups" in text
    assert "F1, mean of all classes" in text


def test_a_given_threshold_and_exact_intervals(covidx: Call, tables: Path) -> None:
    answer = covidx(
        "evaluate", tables / "a.csv", "--out", tables / "out", *QUICK, "--exact",
        "--threshold", "0.5", "--threshold-origin", "the maker, on 2019 patients",
    )  # fmt: skip
    assert "threshold    0.500, fixed beforehand: the maker, on 2019 patients" in answer.out
    metrics = json.loads((tables / "out" / "metrics.json").read_text())
    assert "Clopper-Pearson" in metrics["sensitivity"]["method"]


def test_compare_two_systems(covidx: Call, tables: Path) -> None:
    out = tables / "out"
    answer = covidx("compare", tables / "a.csv", tables / "b.csv", "--out", out, *QUICK)
    assert answer.code == 0, answer.err
    assert "a minus b" in answer.out
    assert "p = 0.3" in answer.out
    assert "assumed: a.csv, b.csv: No group_id" in answer.out
    (one,) = json.loads((out / "comparison.json").read_text())
    assert one["tests"]["auroc"]["p"] == pytest.approx(ref.PROC_TEST[1])
    assert one["differences"]["sensitivity"]["value"] is None
    assert "DeLong" in _page(out / "comparison.html")


def test_systems_of_one_name_are_told_apart(covidx: Call, tables: Path) -> None:
    (tables / "x").mkdir()
    (tables / "x" / "a.csv").write_text((tables / "b.csv").read_text())
    for other, name in ((tables / "x" / "a.csv", "x/a other"), (tables / "a.csv", "other (2)")):
        answer = covidx("compare", tables / "a.csv", other, "--out", tables / "out", *QUICK)
        assert answer.code == 0, answer.err
        (one,) = json.loads((tables / "out" / "comparison.json").read_text())
        assert name in one["second"]


def test_compare_arms_of_one_table(covidx: Call, tables: Path) -> None:
    table = tables / "arms.parquet"
    answer = covidx(
        "compare", table, table, "--arm", "p1", "--arm", "p2", "--out", tables / "out", *QUICK
    )
    assert answer.code == 0, answer.err
    (one,) = json.loads((tables / "out" / "comparison.json").read_text())
    assert (one["first"], one["second"]) == ("arms p1", "arms p2")
    assert one["tests"]["sensitivity"]["n"] == 20


MISTAKES = [
    ("evaluate nowhere.csv --out {tmp}/o", "TABLE_UNREADABLE", "nowhere.csv"),
    ("evaluate {tmp}/empty.csv --out {tmp}/o", "TABLE_EMPTY", "empty.csv"),
    ("evaluate {tmp}/one.csv --out {tmp}/o", "ONE_CLASS", "one class"),
    ("evaluate {tmp}/arms.parquet --out {tmp}/o", "ARM_UNKNOWN", "--arm"),
    ("evaluate {tmp}/a.csv --out {tmp}/a.csv", "UNWRITABLE", "a.csv"),
    ("evaluate {tmp}/a.csv --out {tmp}/o --positive flu", "CLASS_UNKNOWN", "flu"),
    ("evaluate {tmp}/a.csv --out {tmp}/o --threshold 0.5", "THRESHOLD_ORIGIN", "belong together"),
    ("evaluate {tmp}/a.csv --out {tmp}/o --calibrate platt", "CALIBRATION_NO_ROWS", "validation"),
    ("evaluate {tmp}/a.csv --out {tmp}/o --readers {tmp}/a.csv", "COLUMNS_MISSING", "reader"),
    ("evaluate {tmp}/a.csv --out {tmp}/o --manifest {tmp}/a.csv", "TABLE_INVALID", "image_id"),
    ("evaluate {tmp}/a.csv --out {tmp}/o --prevalence 1.5", "PREVALENCE_RANGE", "1.5"),
    ("evaluate {tmp}/arms.parquet --arm p1 --rule cost --out {tmp}/o", "TARGET_INVALID", "ratio"),
    ("compare {tmp}/a.csv --out {tmp}/o", "ONE_SYSTEM", "two"),
    ("compare {tmp}/a.csv {tmp}/few.csv --out {tmp}/o", "UNEQUAL_PATIENTS", "p58, p59"),
    ("compare {tmp}/a.csv {tmp}/b.csv --arm x --out {tmp}/o", "ARMS_COUNT", "each table"),
]


@pytest.mark.parametrize(("line", "code", "told"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_ends_with_its_code_and_writes_no_page(
    covidx: Call, tables: Path, line: str, code: str, told: str
) -> None:
    a = (tables / "a.csv").read_text().splitlines()
    (tables / "empty.csv").write_text(a[0] + "\n")
    (tables / "one.csv").write_text("\n".join([a[0], *(x for x in a if ",well," in x)]))
    (tables / "few.csv").write_text("\n".join(a[:-2]))
    answer = covidx(*line.format(tmp=tables).split(), *QUICK)
    assert answer.code == 2
    assert f"[{code}]" in answer.err
    assert told in answer.err
    assert not list(tables.rglob("*.html"))


def test_given_thresholds_of_test_rows_are_refused(covidx: Call, tables: Path) -> None:
    answer = covidx(
        "evaluate", tables / "a.csv", "--out", tables / "o", "--threshold", "0.5",
        "--threshold-origin", "best on the test set",
    )  # fmt: skip
    assert answer.code == 2
    assert "[THRESHOLD_ON_TEST]" in answer.err


def test_neither_torch_nor_mlflow_is_needed(tables: Path) -> None:
    script = (
        "import sys\n"
        f"sys.argv = ['covidx', 'evaluate', {str(tables / 'a.csv')!r}, '--out', "
        f"{str(tables / 'o')!r}, '--resamples', '100']\n"
        "from covidx.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    assert not stop.code\n"
        "print([n for n in ('torch', 'mlflow') if n in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().endswith("[]")
    assert (tables / "o" / "evaluation.html").exists()


def test_the_truth_of_the_first_table_is_that_of_all(covidx: Call, tables: Path) -> None:
    changed = predictions(ref.SCORES_B, ~ref.TRUTH).assign(role="test")
    write_table(changed, tables / "c.parquet", PREDICTIONS)
    write_table(predictions(ref.SCORES_A, ref.TRUTH), tables / "d.parquet", PREDICTIONS)
    answer = covidx("compare", tables / "d.parquet", tables / "c.parquet", "--out", tables / "o")
    assert "[UNEQUAL_TRUTH]" in answer.err


def test_the_positive_class_is_named_or_asked_for(covidx: Call, tables: Path) -> None:
    table = pd.read_csv(tables / "a.csv").rename(columns={"prob_ill": "prob_1"})
    table["label"] = (table["label"] == "ill").astype(int)
    table.assign(prob_0=1 - table["prob_1"]).to_csv(tables / "n.csv", index=False)
    answer = covidx("evaluate", tables / "n.csv", "--out", tables / "out", *QUICK)
    assert "1 against the rest, 60 test patients" in answer.out
    assert "Positive is 1, by its name" in answer.out
    table["label"] = table["label"].map({0: "x", 1: "z"})
    both = table.assign(prob_x=1 - table["prob_1"], prob_z=table["prob_1"]).drop(columns="prob_1")
    both.to_csv(tables / "n.csv", index=False)
    answer = covidx("evaluate", tables / "n.csv", "--out", tables / "out", *QUICK)
    assert answer.code == 2 and "POSITIVE_UNKNOWN" in answer.err
    assert covidx(
        "evaluate", tables / "n.csv", "--positive", "z", "--out", tables / "out", *QUICK
    ).code == 0  # fmt: skip
    answer = covidx("compare", tables / "a.csv", tables / "b.csv", "--out", tables / "c", *QUICK)
    assert answer.out.startswith("ill against the rest, 60 test patients")


def test_words_in_square_brackets_stand_in_the_help(
    covidx: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rich takes them for markup and leaves a full stop, unless help is Markdown."""
    monkeypatch.setenv("COLUMNS", "200")
    assert "[all cores, if it pays]" in covidx("ingest", "--help").out
    assert "[RUN/audit/run]" in covidx("audit", "run", "--help").out
    assert "Which class is positive" in covidx("evaluate", "--help").out


def test_the_pages_of_a_runs_predictions_quote_its_known_limits(
    covidx: Call, tables: Path, tmp_path: Path
) -> None:
    run = tmp_path / "a-run"
    run.mkdir()
    limit = {"origin": "data card", "text": "The class is the source."}
    (run / "run.json").write_text("{}")
    (run / "limits.json").write_text(
        json.dumps({"bundle_sha256": "b", "limits": [limit], "schema_version": 1})
    )
    table = run / "predictions.parquet"
    table.write_bytes((tables / "arms.parquet").read_bytes())
    out, words = tmp_path / "out", "Known limit of the model, data card: The class is the source."
    asked = ("--arm", "p1", *QUICK, "--out", out)
    answer = covidx("evaluate", table, *asked)
    assert answer.code == 0, answer.err
    assert words in _page(out / "evaluation.html")
    covidx("evaluate", tables / "arms.parquet", *asked)
    assert words not in _page(out / "evaluation.html")

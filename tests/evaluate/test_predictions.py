from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as pq
import pytest

from covidx.errors import InvalidInputError, InvalidTableError
from covidx.evaluate import Rows, read_predictions
from covidx.pipelines.evaluation import Input
from covidx.tables import PREDICTIONS, write_table
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions


def _csv(folder: Path, text: str) -> Path:
    path = folder / "system.csv"
    path.write_text(text)
    return path


def test_a_full_table_is_taken_as_it_is(tmp_path: Path) -> None:
    table = predictions(ref.SCORES_A, ref.TRUTH)
    write_table(table, tmp_path / "full.parquet", PREDICTIONS)
    table.to_csv(tmp_path / "full.csv", index=False)
    for name in ("full.parquet", "full.csv"):
        read = read_predictions(tmp_path / name)
        assert read.assumed == []
        rows = Rows.of(read.table, "covid-19")
        assert rows.scores == pytest.approx(ref.SCORES_A)


def test_few_columns_are_completed_and_said(tmp_path: Path) -> None:
    path = _csv(
        tmp_path, "patient_id,label,prob_covid-19,note\n007,covid-19,0.9,x\n8,none,0.25,y\n"
    )
    read = read_predictions(path)
    rows = Rows.of(read.table, "covid-19")
    assert rows.units.tolist() == ["007", "8"]
    assert (rows.level, rows.role) == ("patient", "test")
    assert rows.classes == ("covid-19", "none")
    assert rows.probabilities[1].tolist() == [0.25, 0.75]
    assert not rows.clusters.several_rows
    said = " ".join(read.assumed)
    for word in ("unit_id", "group_id", "role test", "arm other", "1 - prob_covid-19", "note"):
        assert word in said
    assert read.table["run_id"].unique().tolist() == ["system"]


def test_images_of_one_patient_stay_together(tmp_path: Path) -> None:
    text = "unit_id,patient_id,label,prob_ill,prob_well\na,1,ill,0.9,0.1\nb,1,ill,0.8,0.2\n"
    read = read_predictions(_csv(tmp_path, text + "c,2,well,0.1,0.9\n"))
    rows = Rows.of(read.table, "ill")
    assert rows.level == "image"
    assert rows.clusters.n_groups == 2


def test_many_labels_with_one_score_become_the_rest(tmp_path: Path) -> None:
    text = "unit_id,label,prob_covid-19\na,covid-19,0.9\nb,flu,0.2\nc,normal,0.1\n"
    read = read_predictions(_csv(tmp_path, text))
    assert Rows.of(read.table, "covid-19").classes == ("covid-19", "rest")
    assert "flu, normal count as rest" in " ".join(read.assumed)
    assert "patient of its own" in " ".join(read.assumed)


def test_a_foreign_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"unit_id": ["a", "b"], "label": ["x", "y"], "prob_x": [0.9, 0.1]})
    frame.to_parquet(tmp_path / "t.parquet")
    assert Rows.of(read_predictions(tmp_path / "t.parquet").table, "x").scores.tolist() == [
        0.9,
        0.1,
    ]


ILL = [
    ("patient_id,label,prob_x\n", "TABLE_EMPTY", None),
    ("", "TABLE_UNREADABLE", None),
    ("label,prob_x\nx,0.5\n", "COLUMNS_MISSING", "unit_id or patient_id"),
    ("unit_id,prob_x\na,0.5\n", "COLUMNS_MISSING", "label"),
    ("unit_id,label,score\na,x,0.5\n", "COLUMNS_MISSING", "prob_<class>"),
    ("unit_id,label,prob_x\na,x,\nb,y,0.5\n", "SCORE_INVALID", "a"),
    ("unit_id,label,prob_x\na,x,high\nb,y,0.5\n", "SCORE_INVALID", "a"),
    ("unit_id,label,prob_x\na,x,0.5\nb,y,1.5\n", "SCORE_INVALID", "b"),
    ("unit_id,label,prob_x\na,x,0.5\na,y,0.4\n", "DUPLICATE_IDS", "a"),
    ("unit_id,label,prob_x\na,x,0.5\nb,,0.4\nc,y,0.1\n", "LABEL_MISSING", "b"),
    ("unit_id,label,prob_x,prob_y\na,x,0.5,0.5\nb,z,0.5,0.5\n", "LABEL_UNKNOWN", "b"),
    ("unit_id,label,prob_x,role\na,x,0.5,test\nb,y,0.5,exam\n", "MIXED_ROWS", "exam"),
    ("unit_id,label,prob_x,split\na,x,0.5,test\nb,y,0.5,Val\n", "ROLE_ELSEWHERE", "split: test"),
]


@pytest.mark.parametrize(("text", "code", "told"), ILL)
def test_bad_tables_are_refused_by_row(
    tmp_path: Path, text: str, code: str, told: str | None
) -> None:
    path = _csv(tmp_path, text)
    with pytest.raises(InvalidTableError) as caught:
        Rows.of(read_predictions(path).table, "x")
    assert caught.value.code == code
    assert told is None or told in str(caught.value)


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    data = arrow.Table.from_pandas(predictions(ref.SCORES_A, ref.TRUTH))
    stamp = json.dumps({"schema": "predictions", "version": 99}).encode()
    pq.write_table(data.replace_schema_metadata({b"covidx": stamp}), tmp_path / "t.parquet")
    with pytest.raises(InvalidTableError, match="version 99") as caught:
        read_predictions(tmp_path / "t.parquet")
    assert caught.value.code == "TABLE_VERSION"


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("no parquet")
    for name in ("t.parquet", "nowhere.csv", "nowhere.parquet"):
        with pytest.raises(InvalidTableError) as caught:
            read_predictions(tmp_path / name)
        assert caught.value.code == "TABLE_UNREADABLE"


def test_blanks_are_taken_from_ids_and_said(tmp_path: Path) -> None:
    text = "patient_id,label,prob_covid-19,group_id\n p0 ,covid-19,0.9,g\np1,rest,0.2,\n"
    read = read_predictions(_csv(tmp_path, text))
    assert read.table["patient_id"].tolist() == ["p0", "p1"]
    assert read.table["group_id"].tolist() == ["g", "p1"]  # a row without a group is its patient's
    said = " ".join(read.assumed)
    assert "Blanks around patient_id" in said and "1 row without a group" in said


def test_ids_that_read_like_empty_cells_are_ids(tmp_path: Path) -> None:
    read = read_predictions(_csv(tmp_path, "patient_id,label,prob_x\nNA,x,0.9\nnull,y,0.2\n"))
    assert read.table["patient_id"].tolist() == ["NA", "null"]


def test_empty_ids_are_refused_by_line(tmp_path: Path) -> None:
    path = _csv(tmp_path, "patient_id,label,prob_x\na,x,0.9\n ,y,0.2\n,y,0.1\n")
    with pytest.raises(InvalidTableError, match="line 3, 4") as caught:
        read_predictions(path)
    assert caught.value.code == "ID_MISSING"


@pytest.mark.parametrize(
    ("name", "divider", "decimal"), [("t.CSV", ",", "."), ("t.tsv", "\t", "."), ("t.csv", ";", ",")]
)
def test_other_names_and_dividers(tmp_path: Path, name: str, divider: str, decimal: str) -> None:
    table = pd.DataFrame({"patient_id": ["a", "b"], "label": ["x", "y"], "prob_x": [0.5, 0.25]})
    table.to_csv(tmp_path / name, sep=divider, decimal=decimal, index=False)
    assert read_predictions(tmp_path / name).table["prob_x"].tolist() == [0.5, 0.25]


SYSTEM = pd.DataFrame(
    {"patient_id": ["007", "8", "9"], "label": [True, False, False], "prob_1": [0.9, 0.2, 0.1]}
)


@pytest.mark.parametrize("labels", [[True, False, False], [1, 0, 0], [1.0, 0.0, 0.0]])
def test_one_table_has_one_meaning_in_every_format(tmp_path: Path, labels: list[object]) -> None:
    table = SYSTEM.assign(label=labels)
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_excel(tmp_path / "t.xlsx", index=False)
    table.to_parquet(tmp_path / "t.parquet", index=False)
    for name in ("t.csv", "t.xlsx", "t.parquet"):
        rows = Rows.of(read_predictions(tmp_path / name).table, "1")
        assert rows.units.tolist() == ["007", "8", "9"]
        assert rows.truth.tolist() == [True, False, False]
        assert rows.scores.tolist() == [0.9, 0.2, 0.1]


@pytest.mark.parametrize("label", ["COVID-19", "covid-19 ", "Covid\u201119"])
def test_labels_that_are_spelt_otherwise_are_taken_and_said(tmp_path: Path, label: str) -> None:
    text = f"unit_id,label,prob_covid-19\na,{label},0.9\nb,Normal,0.2\nc,normal,0.1\n"
    read = read_predictions(_csv(tmp_path, text))
    rows = Rows.of(read.table, "covid-19")
    assert rows.truth.tolist() == [True, False, False]
    assert rows.classes == ("covid-19", "Normal")
    assert "Label normal: 1 row taken as Normal." in read.assumed
    assert any(label.strip() in line for line in read.assumed)


@pytest.mark.parametrize("label", ["covid19", "positive", "inconclusive", "NA"])
def test_labels_that_may_not_mean_the_rest_are_refused_by_line(tmp_path: Path, label: str) -> None:
    path = _csv(tmp_path, f"unit_id,label,prob_covid-19\na,covid-19,0.9\nb,{label},0.2\nc,no,0\n")
    with pytest.raises(InvalidTableError, match="LABEL_UNKNOWN") as caught:
        read_predictions(path)
    assert caught.value.actual == "line 3" and label in caught.value.message
    read = read_predictions(path, label_map={label: ""})
    assert read.table["unit_id"].tolist() == ["a", "c"]
    assert f"Label {label}: 1 row left out, as --map says." in read.assumed
    taken = read_predictions(path, label_map={label: "covid-19"})
    assert Rows.of(taken.table, "covid-19").truth.tolist() == [True, True, False]


def test_the_word_none_is_a_label_in_every_format(tmp_path: Path) -> None:
    table = SYSTEM.assign(label=["1", "None", "None"])
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet", index=False)
    for name in ("t.csv", "t.parquet"):
        assert Rows.of(read_predictions(tmp_path / name).table, "1").classes == ("1", "None")


def test_columns_of_another_system_are_named_or_proposed(tmp_path: Path) -> None:
    path = _csv(tmp_path, "PatientID;Diagnosis;score\n1;covid-19;0,9\n2;normal;0,25\n")
    with pytest.raises(InvalidTableError, match="COLUMNS_MISSING") as caught:
        read_predictions(path)
    assert "--columns patient_id=PatientID,label=Diagnosis" in str(caught.value.hint)
    columns = {"patient_id": "PatientID", "label": "Diagnosis", "prob_covid-19": "score"}
    read = read_predictions(path, columns=columns)
    assert Rows.of(read.table, "covid-19").scores.tolist() == [0.9, 0.25]
    assert "Prob_covid-19: commas taken as decimal (2 cells)." in read.assumed


def test_each_table_of_a_comparison_takes_what_it_has(tmp_path: Path) -> None:
    ours = _csv(tmp_path, "patient_id,label,prob_covid-19\n1,covid-19,0.9\n2,normal,0.2\n")
    theirs = tmp_path / "theirs.csv"
    theirs.write_text("ID,truth,prob_covid-19\n1,pos,0.8\n2,normal,0.3\n")
    words = {
        "columns": {"patient_id": "ID", "label": "truth"},
        "label_map": {"pos": "covid-19"},
    }
    for path in (ours, theirs):
        read = Input(path, **words).read_beside_others()
        assert Rows.of(read.table, "covid-19").truth.tolist() == [True, False]
    with pytest.raises(InvalidTableError, match="COLUMN_MISSING"):
        Input(theirs, columns={"patient_id": "PID", "label": "truth"}).read_beside_others()


def test_a_damaged_workbook_is_refused_as_one(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(InvalidTableError, match="XLSX") as caught:
        read_predictions(tmp_path / "t.xlsx")
    assert caught.value.code == "TABLE_UNREADABLE"


def test_a_single_precision_score_is_what_it_says(tmp_path: Path) -> None:
    """0.7 as a 32-bit number is 0.69999999 as a double, below a threshold of 0.7."""
    table = pd.DataFrame({"patient_id": ["a", "b"], "label": ["x", "y"], "prob_x": [0.7, 0.2]})
    table.astype({"prob_x": "float32"}).to_parquet(tmp_path / "t.parquet")
    assert read_predictions(tmp_path / "t.parquet").table["prob_x"].tolist() == [0.7, 0.2]


def test_the_only_score_is_of_the_positive_class_where_names_do_not_say(tmp_path: Path) -> None:
    read = read_predictions(_csv(tmp_path, "unit_id,label,prob_b\n1,a,0.1\n2,b,0.9\n"))
    positive, said = read.positive()
    assert positive == "b" and "the only class" in said[0]
    both = read_predictions(
        _csv(tmp_path, "unit_id,label,prob_a,prob_b\n1,a,0.9,0.1\n2,b,0.1,0.9\n")
    )
    with pytest.raises(InvalidInputError) as caught:
        both.positive()
    assert caught.value.code == "POSITIVE_UNKNOWN"
    usual = read_predictions(
        _csv(tmp_path, "unit_id,label,prob_covid-19\n1,covid-19,0.1\n2,b,0.9\n")
    )
    assert usual.positive() == ("covid-19", [])

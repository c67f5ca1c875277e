"""Reading tables by card: tiny ones worked out by hand, and the real ones where they are."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covidx.cards import DataCard, load_card
from covidx.clinical import choose_features, read_rows
from covidx.clinical.read import read_cells
from covidx.errors import ConfigError, InvalidTableError, LeakageError
from covidx.ingest import Identities

CLINICAL = Path(__file__).parents[2] / "../shared/data/clinical"
needs_data = pytest.mark.skipif(not CLINICAL.exists(), reason="../shared/data/clinical is absent")

HEADER = "id,result,day,clinic,sex,temperature,wbc,cough,age,surprise"
GOOD = (
    f"{HEADER}\n007,pos,2020-03-01,a,M,98.6,5.2,1,41,x\n8,neg,2020-03-02,b,F,,,0,30,y\n"
    "9,lost,2020-03-03,b,?,100.4,7,,50,z\n\n10,neg,2020-03-09,a,?,212,,0,,\n"
)


def _write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def test_numbers_units_codes_and_gaps(card: DataCard, tmp_path: Path) -> None:
    rows = read_rows(_write(tmp_path, GOOD.replace("212", "95.0")), card)
    table = rows.table
    assert list(table["patient_id"]) == ["007", "8", "10"]  # the phantom's ids are public
    assert list(table["label"]) == ["covid-19", "negative", "negative"]
    np.testing.assert_allclose(table["temperature"], [37.0, np.nan, 35.0])
    np.testing.assert_allclose(table["wbc"], [5.2, np.nan, np.nan])
    np.testing.assert_allclose(table["sex"], [1, 0, np.nan])
    np.testing.assert_allclose(table["cough"], [1, 0, 0])
    assert list(table["site"]) == ["a", "b", "a"]
    assert table["date"].dt.day.tolist() == [1, 2, 9]
    assert rows.truth.tolist() == [True, False, False]
    assert rows.notes == [
        "columns that the card does not describe, not used: surprise",
        "1 rows left out: label lost is of no class",
    ]


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (("98.6", "37.0"), "VALUE_IMPOSSIBLE", ["temperature", "row 2: 37.0"]),
        (("5.2", "5200"), "VALUE_IMPOSSIBLE", ["wbc", "row 2: 5200", "source_unit: cell/uL"]),
        (("5.2", "5·2"), "VALUE_INVALID", ["wbc", "row 2: 5·2"]),
        (("5.2", "inf"), "VALUE_INVALID", ["row 2: inf"]),
        (("41", "41.5"), "VALUE_INVALID", ["age", "row 2: 41.5", "whole number"]),
        ((",M,", ",male,"), "CODE_UNKNOWN", ["sex", "row 2: male", "M, F, ?"]),
        ((",1,41", ",2,41"), "CODE_UNKNOWN", ["cough", "row 2: 2"]),
        (("pos", "maybe"), "LABEL_UNKNOWN", ["rows 2"]),
        (("2020-03-01", "1 March"), "VALUE_INVALID", ["day", "rows 2"]),
        (("8,neg", "007,neg"), "PATIENT_TWICE", ["rows 3"]),
        (("8,neg", ",neg"), "PATIENT_MISSING", ["rows 3"]),
        (("temperature", "temp"), "COLUMN_MISSING", ["temperature"]),
        (("surprise", "cough"), "COLUMN_TWICE", ["cough"]),
    ],
)
def test_what_is_wrong_is_named(
    card: DataCard, tmp_path: Path, change: tuple[str, str], code: str, told: list[str]
) -> None:
    good = GOOD.replace("212", "95.0")
    if code == "COLUMN_TWICE":  # pandas itself renames a repeated column of a CSV
        path = tmp_path / "table.parquet"
        pd.DataFrame([["1", "2"]], columns=["cough", " cough"]).to_parquet(path)
    else:
        path = _write(tmp_path, good.replace(*change, 1))
    with pytest.raises(InvalidTableError) as caught:
        read_rows(path, card)
    assert caught.value.code == code
    assert all(text in str(caught.value) for text in told), str(caught.value)


def test_rows_are_counted_as_in_the_file(card: DataCard, tmp_path: Path) -> None:
    with pytest.raises(InvalidTableError, match="row 6: 212"):  # row 5 is empty
        read_rows(_write(tmp_path, GOOD), card)


def test_every_format_gives_the_same_rows(card: DataCard, tmp_path: Path) -> None:
    text = GOOD.replace("212", "95.0").replace("\n\n", "\n")
    csv = _write(tmp_path, text)
    cells = pd.read_csv(csv, dtype=str)
    cells.to_excel(tmp_path / "t.xlsx", index=False)
    cells.to_parquet(tmp_path / "t.parquet")
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "w") as archive:
        archive.write(csv, "inside.csv")
    expected = read_rows(csv, card).table
    for name in ("t.xlsx", "t.parquet", "t.csv.zip"):
        pd.testing.assert_frame_equal(read_rows(tmp_path / name, card).table, expected)


def test_a_spreadsheets_numbers_are_codes_too(card: DataCard, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pd.read_csv(_write(tmp_path, GOOD.replace("212", "95.0")))
    table.assign(sex=[1.0, 0.0, np.nan, 1.0]).to_parquet(path)
    codes = {"1": 1, "0": 0}
    columns = [
        c.model_copy(update={"codes": codes}) if c.name == "sex" else c for c in card.columns
    ]
    rows = read_rows(path, card.model_copy(update={"columns": columns}))
    np.testing.assert_allclose(rows.table["sex"], [1, 0, 1])


@pytest.mark.parametrize("name", ["t.txt", "t.csv", "t.xlsx", "t.parquet", "t.csv.zip"])
def test_what_cannot_be_read_has_a_code(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x00\xff\xfe no table")
    with pytest.raises(InvalidTableError) as caught:
        read_cells(path)
    assert caught.value.code == ("TABLE_FORMAT" if name == "t.txt" else "TABLE_UNREADABLE")


def test_a_zip_holds_one_table(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
        archive.writestr("b.csv", "x\n1\n")
    with pytest.raises(InvalidTableError, match="2 files"):
        read_cells(tmp_path / "t.zip")


@pytest.mark.parametrize("name", ["ward", "result", "id"])
def test_an_outcome_is_no_feature(card: DataCard, name: str) -> None:
    with pytest.raises(LeakageError, match="FEATURE_IS_OUTCOME") as caught:
        choose_features(card, ["wbc", name])
    assert caught.value.actual == name


@pytest.mark.parametrize(
    ("wanted", "code"),
    [(["nothing"], "FEATURE_UNKNOWN"), (["remark"], "FEATURE_TEXT"), ([], "FEATURES_NONE")],
)
def test_other_features_that_cannot_be(card: DataCard, wanted: list[str], code: str) -> None:
    with pytest.raises(ConfigError, match=code):
        choose_features(card, wanted)


def test_ids_become_pseudonyms_where_they_are_not_public(card: DataCard, tmp_path: Path) -> None:
    private = card.model_copy(update={"public_ids": False})
    identities = Identities(b"0" * 32)
    path = _write(tmp_path, GOOD.replace("212", "95.0"))
    rows = read_rows(path, private, identities=identities)
    assert list(rows.table["patient_id"]) == [identities.patient(x) for x in ("007", "8", "10")]
    assert rows.table["patient_id"].str.fullmatch(r"P-[0-9a-f]{12}").all()
    assert rows.table["site"].str.fullmatch(r"S-[0-9a-f]{8}").all()


def test_labels_from_another_table(card: DataCard, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("patient_id,label\n007,neg\n8,pos\n")
    path = _write(tmp_path, GOOD.replace("212", "95.0"))
    rows = read_rows(path, card, labels=tmp_path / "labels.csv")
    assert dict(zip(rows.table["patient_id"], rows.table["label"], strict=True)) == {
        "007": "negative",
        "8": "covid-19",
    }
    assert "2 rows left out: no label" in rows.notes


@needs_data
def test_israel_as_its_readme_counts_it() -> None:
    rows = read_rows(CLINICAL / "israel-moh-tests.csv.zip", load_card(Path("israel-moh-tests")))
    assert (len(rows.table), int(rows.truth.sum())) == (278848 - 3892, 14729)
    assert rows.notes == ["3892 rows left out: label other is of no class"]
    by_day = rows.table.groupby("date")["age_60_and_above"].apply(lambda x: x.isna().mean())
    lost = by_day.index[by_day == 1].strftime("%m-%d").tolist()
    assert lost[:6] == [f"03-{day}" for day in range(11, 17)]
    assert lost[6:] == [f"04-{day}" for day in range(15, 31)]


@needs_data
def test_einstein_as_its_card_says() -> None:
    card = load_card(Path("einstein"))
    everything = [c.name for c in card.columns if c.type != "text" and c.timing != "outcome"]
    rows = read_rows(CLINICAL / "einstein.xlsx", card, features=everything)
    assert (len(rows.table), int(rows.truth.sum())) == (5644, 558)
    counted = rows.table["Leukocytes"].notna()
    assert (int(counted.sum()), int(rows.truth[counted].sum())) == (602, 83)
    assert rows.notes == []  # every column of the file is described

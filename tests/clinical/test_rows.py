"""Reading tables by card: tiny ones worked out by hand, and the real ones where they are."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from covidx.cards import ClinicalTable, Column, DataCard, load_card
from covidx.clinical import choose_features, read_rows
from covidx.clinical.read import read_cells
from covidx.errors import ConfigError, InvalidTableError, LeakageError
from covidx.ingest import Identities

CLINICAL = Path(__file__).parents[2] / "../shared/data/clinical"
CHESTXRAY, HANNOVER = CLINICAL.parent / "covid-chestxray", CLINICAL.parent / "hannover"
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
        "1 row left out: label lost is of no class",
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
        (("pos", "maybe"), "LABEL_UNKNOWN", ["row 2"]),
        (("2020-03-01", "1 March"), "VALUE_INVALID", ["day", "row 2"]),
        (("8,neg", "007,neg"), "PATIENT_TWICE", ["row 3"]),
        (("8,neg", ",neg"), "PATIENT_MISSING", ["row 3"]),
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


SEVERAL = (
    f"{HEADER}\n7,pos,2020-03-03,a,M,,,1,41,x\n7,neg,2020-03-01,a,M,,,0,41,x\n"
    "8,neg,,a,F,,,0,30,x\n8,pos,2020-03-09,a,F,,,1,30,x\n"
    "9,neg,,b,F,,,0,50,x\n9,pos,,b,F,,,1,50,x\n"
    "10,neg,2020-03-05,b,F,,,0,60,x\n10,pos,2020-03-05,b,F,,,1,60,x\n"
)


def _ordered(card: DataCard, **how: Any) -> DataCard:
    assert card.clinical is not None
    return card.model_copy(update={"clinical": card.clinical.model_copy(update=how)})


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        # 7: the second by day; 8: the known day; 9 and 10, all alike: the first line.
        ({"order": "day"}, ["neg", "pos", "neg", "neg"]),
        ({"order": "day", "take": "highest"}, ["pos", "pos", "neg", "neg"]),
        ({"order": "cough"}, ["neg", "neg", "neg", "neg"]),
        ({"order": "cough", "take": "highest"}, ["pos", "pos", "pos", "pos"]),
    ],
)
def test_one_row_of_a_patients_several(
    card: DataCard, tmp_path: Path, how: dict[str, str], expected: list[str]
) -> None:
    rows = read_rows(_write(tmp_path, SEVERAL), _ordered(card, **how))
    assert list(rows.table["patient_id"]) == ["7", "8", "9", "10"]
    assert rows.truth.tolist() == [said == "pos" for said in expected]
    assert rows.table["cough"].tolist() == [float(said == "pos") for said in expected]
    take = how.get("take", "lowest")
    assert rows.notes[-1] == f"4 rows left out: of each patient that of the {take} {how['order']}"


def test_an_order_is_by_a_column_that_the_card_describes(card: DataCard, tmp_path: Path) -> None:
    path = _write(tmp_path, SEVERAL)
    with pytest.raises(ConfigError, match="ORDER_UNKNOWN"):
        read_rows(path, _ordered(card, order="surprise"))
    with pytest.raises(InvalidTableError, match="VALUE_INVALID"):
        read_rows(
            _write(tmp_path, SEVERAL.replace("surprise", "remark")), _ordered(card, order="remark")
        )
    with pytest.raises(ValidationError, match="column of the patient"):
        ClinicalTable(table="t.csv", order="day", features=["age"])


def test_values_of_another_unit_are_unknown_where_the_card_says_so(
    card: DataCard, tmp_path: Path
) -> None:
    path = _write(tmp_path, GOOD.replace("5.2", "5200").replace(",7,", ",-inf,"))
    columns = [
        c.model_copy(update={"impossible": "unknown"}) if c.name in ("wbc", "temperature") else c
        for c in card.columns
    ]
    rows = read_rows(path, card.model_copy(update={"columns": columns}))
    assert rows.table["wbc"].isna().all()
    np.testing.assert_allclose(rows.table["temperature"], [37.0, np.nan, np.nan])  # 212 F
    assert rows.notes[-2:] == [
        "1 values of temperature outside 34 to 43 degree Celsius taken as unknown",
        "2 values of wbc outside 0 to 100 10^9/L taken as unknown",
    ]
    with pytest.raises(InvalidTableError, match="VALUE_INVALID"):  # no number is no unit
        read_rows(
            _write(tmp_path, GOOD.replace("5.2", "5·2")),
            card.model_copy(update={"columns": columns}),
        )
    with pytest.raises(ValidationError, match="needs low and high"):
        Column(name="x", meaning="x", impossible="unknown", low=0)


def test_a_class_for_an_empty_cell_and_for_any_other_value(card: DataCard, tmp_path: Path) -> None:
    labels = {"": "negative", "lost": None, "*": "covid-19"}
    path = _write(tmp_path, GOOD.replace("212", "95").replace("10,neg", "10,"))
    rows = read_rows(path, _ordered(card, labels=labels))
    assert list(rows.table["label"]) == ["covid-19", "covid-19", "negative"]
    (tmp_path / "labels.csv").write_text("patient_id,label\n007,pos\n")
    with_labels = read_rows(
        path,
        _ordered(card, labels=labels),
        labels=tmp_path / "labels.csv",
    )
    assert list(with_labels.table["patient_id"]) == ["007"]  # not named is not negative


WITHOUT_MAP = "id,result,day,clinic,sex,temperature,wbc,cough,age\n"


@pytest.mark.parametrize(
    ("label", "expected"),
    [("COVID-19", "covid-19"), (" covid-19 ", "covid-19"), ("Negative", "negative")],
)
def test_labels_that_are_spelt_otherwise(
    card: DataCard, tmp_path: Path, label: str, expected: str
) -> None:
    plain = _ordered(card, labels={})
    lines = f"1,{label},2020-03-01,a,M,,,1,41\n2,covid-19,2020-03-01,a,M,,,1,41\n"
    path = _write(tmp_path, WITHOUT_MAP + lines + "3,negative,2020-03-01,a,M,,,1,41\n")
    (tmp_path / "labels.csv").write_text(f"patient_id,label\n1,{label}\n2,covid-19\n3,negative\n")
    for labels in (None, tmp_path / "labels.csv"):
        rows = read_rows(path, plain, labels=labels)
        assert list(rows.table["label"]) == [expected, "covid-19", "negative"]
        assert sum("taken as" in note for note in rows.notes) == (label.strip() != expected)


def test_labels_of_no_class_never_become_the_negative_one(card: DataCard, tmp_path: Path) -> None:
    plain = _ordered(card, labels={})
    lines = "1,covid-19,,,,,,1,\n2,inconclusive,,,,,,1,\n3,negative,,,,,,1,\n"
    path = _write(tmp_path, WITHOUT_MAP + lines)
    with pytest.raises(InvalidTableError, match="LABEL_UNKNOWN") as caught:
        read_rows(path, plain)
    assert caught.value.actual == "row 3" and "inconclusive (1)" in caught.value.message
    rows = read_rows(path, plain, label_map={"Inconclusive": ""})
    assert list(rows.table["label"]) == ["covid-19", "negative"]
    with pytest.raises(InvalidTableError, match="CLASS_UNKNOWN"):
        read_rows(path, plain, label_map={"inconclusive": "covid19"})
    (tmp_path / "labels.csv").write_text("patient_id,label\n1,covid-19\n2,not done\n3,negative\n")
    with pytest.raises(InvalidTableError, match="not done"):
        read_rows(path, plain, labels=tmp_path / "labels.csv")


def test_empty_groups_are_the_patient_and_empty_sites_none(card: DataCard, tmp_path: Path) -> None:
    grouped = _ordered(card, group="surprise")
    columns = [*card.columns, Column(name="surprise", meaning="household")]
    text = GOOD.replace("212", "95").replace(",x\n", ",h\n").replace(",y\n", ",\n")
    path = _write(tmp_path, text.replace("2020-03-02,b", "2020-03-02,"))
    rows = read_rows(path, grouped.model_copy(update={"columns": columns}))
    assert list(rows.table["group_id"]) == ["h", "8", "10"]
    assert rows.table["site"].isna().tolist() == [False, True, False]


def test_words_are_values_unless_the_card_lists_them(card: DataCard, tmp_path: Path) -> None:
    columns = [
        Column(name="sex", meaning="s", type="category") if c.name == "sex" else c
        for c in card.columns
    ]
    by_word = card.model_copy(update={"columns": columns})
    path = _write(tmp_path, GOOD.replace("212", "95").replace(",F,", ",None,").replace("?", "NA"))
    (sex,) = (c for c in read_rows(path, by_word).features if c.name == "sex")
    assert sex.values == ["M", "NA", "None"]
    listed = by_word.model_copy(update={"missing": ["None", "NA"]})
    (sex,) = (c for c in read_rows(path, listed).features if c.name == "sex")
    assert sex.values == ["M"]


def test_numbers_as_r_and_other_countries_write_them(card: DataCard, tmp_path: Path) -> None:
    text = GOOD.replace("212", "95").replace("98.6,5.2", "98.6,NA")
    path = _write(
        tmp_path, text.replace(",", ";").replace("98.6", "98,6").replace("100.4", "100,4")
    )
    rows = read_rows(path, card)
    np.testing.assert_allclose(rows.table["temperature"], [37.0, np.nan, 35.0])
    assert rows.table["wbc"].isna().tolist() == [True, True, True]
    assert "wbc: 1 cell NA or NaN taken as unknown" in rows.notes
    assert "temperature: commas taken as decimal (2 cells)" in rows.notes
    for word in ("n/a", "None", "null"):
        with pytest.raises(InvalidTableError, match=f"row 2: {word}"):
            read_rows(_write(tmp_path, GOOD.replace("5.2", word).replace("212", "95")), card)


@needs_data
def test_israel_as_its_readme_counts_it() -> None:
    rows = read_rows(CLINICAL / "israel-moh-tests.csv.zip", load_card(Path("israel-moh-tests")))
    assert (len(rows.table), int(rows.truth.sum())) == (278848 - 3892, 14729)
    assert rows.notes == ["3892 rows left out: label other is of no class"]
    by_day = rows.table.groupby("date")["age_60_and_above"].apply(lambda x: x.isna().mean())
    lost = by_day.index[by_day == 1].strftime("%m-%d").tolist()
    assert lost[:6] == [f"03-{day}" for day in range(11, 17)]
    assert lost[6:] == [f"04-{day}" for day in range(15, 31)]


@pytest.mark.skipif(not CHESTXRAY.exists(), reason="../shared/data/covid-chestxray is absent")
def test_covid_chestxray_one_row_a_patient() -> None:
    card = load_card(Path("covid-chestxray"))
    rows = read_rows(CHESTXRAY / "metadata.csv", card)
    assert rows.table["patient_id"].is_unique
    assert (len(rows.table), int(rows.truth.sum())) == (321, 277)
    assert rows.notes == [
        "331 rows left out: of each patient that of the lowest offset",
        "15 rows left out: label No Finding is of no class",
        "4 rows left out: label ARDS is of no class",
        "2 rows left out: label Lipoid is of no class",
        "1 values of temperature outside 30 to 45 degree Celsius taken as unknown",
        "1 values of lymphocyte_count outside 0 to 10 10^9/L taken as unknown",
    ]
    with pytest.raises(InvalidTableError, match="VALUE_IMPOSSIBLE"):
        strict = [c.model_copy(update={"impossible": "refuse"}) for c in card.columns]
        read_rows(CHESTXRAY / "metadata.csv", card.model_copy(update={"columns": strict}))
    assert "pO2_saturation" not in rows.names  # two quantities under one name


@pytest.mark.skipif(not HANNOVER.exists(), reason="../shared/data/hannover is absent")
def test_hannover_who_came_to_intensive_care() -> None:
    rows = read_rows(HANNOVER / "data.csv", load_card(Path("hannover")))
    assert (len(rows.table), int(rows.truth.sum())) == (71, 29)
    assert rows.classes.names == ("no-icu", "icu")
    assert rows.notes == [
        "172 rows left out: of each patient that of the highest admission_offset",
        "1 values of crp_val outside 0 to 1000 mg/L taken as unknown",
        "4 values of d-dimer_val outside 0 to 200 mg/L taken as unknown",
        "2 values of po2_val outside 5 to 800 taken as unknown",
    ]
    with pytest.raises(LeakageError, match="FEATURE_IS_OUTCOME"):
        choose_features(load_card(Path("hannover")), ["crp_val", "icu_release_offset"])


@needs_data
def test_einstein_as_its_card_says() -> None:
    card = load_card(Path("einstein"))
    everything = [c.name for c in card.columns if c.type != "text" and c.timing != "outcome"]
    rows = read_rows(CLINICAL / "einstein.xlsx", card, features=everything)
    assert (len(rows.table), int(rows.truth.sum())) == (5644, 558)
    counted = rows.table["Leukocytes"].notna()
    assert (int(counted.sum()), int(rows.truth[counted].sum())) == (602, 83)
    assert rows.notes == []  # every column of the file is described


@pytest.mark.parametrize(
    "days",
    [
        ("2020-03-01T00:00:00Z", "2020-03-02T00:00:00Z", "2020-03-09T00:00:00Z"),
        ("2020-03-01 00:00:00+01:00", "2020-03-02 00:00+0200", "2020-03-09"),  # clocks changed
    ],
)
def test_a_day_is_the_one_that_is_written_whatever_its_offset(
    card: DataCard, tmp_path: Path, days: tuple[str, ...]
) -> None:
    text = GOOD.replace("212", "95.0")
    for plain, written in zip(("2020-03-01", "2020-03-02", "2020-03-09"), days, strict=True):
        text = text.replace(plain, written)
    table = read_rows(_write(tmp_path, text), card).table
    assert table["date"].dt.day.tolist() == [1, 2, 9]
    assert table["date"].dt.tz is None


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_a_date_that_r_or_pandas_writes_as_unknown_is_unknown_with_a_note(
    card: DataCard, tmp_path: Path, kind: str
) -> None:
    """As in a column of numbers (docs/tables.md): never refused, never the text of a day."""
    lines = [line.split(",") for line in GOOD.replace("212", "95.0").split() if line]
    frame = pd.DataFrame(lines[1:], columns=lines[0])
    frame["day"] = ["NA", "2020-03-02", "nan", ""]
    frame = frame.replace("", None)
    path = tmp_path / f"table.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_excel(path, index=False) if kind == "xlsx" else frame.to_parquet(path)
    rows = read_rows(path, card)
    assert rows.table["date"].isna().tolist() == [True, False, True]  # one row has no class
    assert [note for note in rows.notes if "day" in note] == [
        "day: 2 cells NA, NaN or NaT taken as unknown"
    ]


def test_an_unknown_date_comes_last_where_dates_order_a_patients_rows(
    card: DataCard, tmp_path: Path
) -> None:
    text = GOOD.replace("212", "95.0").replace("007,pos,2020-03-01", "8,neg,NA")
    assert card.clinical is not None
    layout = card.clinical.model_copy(update={"order": "day", "take": "lowest"})
    rows = read_rows(_write(tmp_path, text), card.model_copy(update={"clinical": layout}))
    assert rows.table["date"].dt.day.tolist() == [2, 9]
    assert "day: 1 cell NA, NaN or NaT taken as unknown" in rows.notes
    assert "1 row left out: of each patient that of the lowest day" in rows.notes

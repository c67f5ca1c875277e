"""Tables of people: the same cells in every format, and what is doubtful refused by line."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as pq
import pytest

from covidx.cell_numbers import to_numbers
from covidx.cells import alike_columns, as_ids, columns_option, read_cells
from covidx.errors import InvalidTableError
from covidx.plain_table import read_plain

TYPED = pd.DataFrame(
    {
        "id": ["007", " 8 ", "None"],
        "word": ["NA", "null", None],
        "whole": [1, 0, 12],
        "number": [0.1, np.nan, 2.5],
        "yes": [True, False, True],
        "day": pd.to_datetime(["2020-03-01", "2020-03-02", None]),
        "ü": ["Mu\u0308ller", "a, b", 'said "no"'],
    }
)
CELLS = {
    "id": ["007", "8", "None"],
    "word": ["NA", "null", None],
    "whole": ["1", "0", "12"],
    "number": ["0.1", None, "2.5"],
    "yes": ["True", "False", "True"],
    "day": ["2020-03-01", "2020-03-02", None],
    "ü": ["M\u00fcller", "a, b", 'said "no"'],
}


def _csv(**how: Any) -> Callable[[pd.DataFrame, Path], None]:
    return lambda table, path: table.to_csv(path, index=False, **how)


def _zip(table: pd.DataFrame, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inside.csv", table.to_csv(index=False))


def _after_a_line(table: pd.DataFrame, path: Path) -> None:
    path.write_text("sep=;\r\n" + table.to_csv(index=False, sep=";"), encoding="utf-8-sig")


WRITERS = {
    "t.csv": _csv(),
    "T.CSV": _csv(encoding="utf-8-sig", lineterminator="\r\n"),
    "semicolon.csv": _csv(sep=";"),
    "tab.csv": _csv(sep="\t"),
    "t.tsv": _csv(sep="\t"),
    "unicode.csv": _csv(sep="\t", encoding="utf-16"),
    "excel.csv": _after_a_line,
    "t.csv.gz": _csv(),
    "t.zip": _zip,
    "t.xlsx": lambda table, path: table.to_excel(path, index=False),
    "t.parquet": lambda table, path: table.to_parquet(path, index=False),
}


@pytest.mark.parametrize("name", WRITERS)
def test_one_content_has_the_same_cells_in_every_format(tmp_path: Path, name: str) -> None:
    WRITERS[name](TYPED, tmp_path / name)
    cells = read_cells(tmp_path / name)
    assert cells.replace(np.nan, None).to_dict("list") == CELLS
    assert cells.attrs["notes"] == [] and cells.attrs["blanks"]["id"] == 1


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    """A cell of two lines, and lines without any cell."""
    path = tmp_path / "t.csv"
    path.write_text('id,note\n1,"two\nlines"\n\n,\n2,x\n')
    assert (read_cells(path).index + 2).tolist() == [2, 6]
    book = openpyxl.Workbook()
    for place, row in enumerate(([], ["id"], [], ["a"], ["b"]), 1):
        for cell in row:
            book.active.cell(place, 1, cell)
    book.save(tmp_path / "t.xlsx")
    assert (read_cells(tmp_path / "t.xlsx").index + 2).tolist() == [4, 5]


def test_what_a_person_sees_in_a_workbook(tmp_path: Path) -> None:
    """An id 7 in the format 00000 is shown as 00007; the second sheet is counted."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["id", "day", "time"])
    sheet.append([7, datetime.date(2020, 3, 1), datetime.datetime(2020, 3, 1, 12, 30)])
    sheet["A2"].number_format = "00000"
    book.create_sheet("legend").append(["what it means"])
    book.save(tmp_path / "t.xlsx")
    cells = read_cells(tmp_path / "t.xlsx")
    assert cells.iloc[0].tolist() == ["00007", "2020-03-01", "2020-03-01T12:30:00"]
    assert cells.attrs["notes"] == ["The first sheet is read; 1 other with 1 row not."]


def test_formulas_that_were_never_computed_are_no_empty_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id", "x"])
    book.active.append(["a", "=1+1"])
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(InvalidTableError, match="1 formula whose values were never computed"):
        read_cells(tmp_path / "t.xlsx")


def test_a_single_is_what_it_says_and_an_index_is_no_column(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": np.float32([0.7, 0.2])})
    table[table["x"] > 0.5].to_parquet(tmp_path / "t.parquet")
    assert read_cells(tmp_path / "t.parquet").to_dict("list") == {"x": ["0.7"]}


def _twice(path: Path) -> None:
    if path.suffix == ".parquet":
        columns = [arrow.array([1]), arrow.array([2])]
        pq.write_table(arrow.Table.from_arrays(columns, names=["a", "a "]), path)
    elif path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        book.active.append(["a", "a "])
        book.active.append([1, 2])
        book.save(path)
    else:
        path.write_text("a,a \n1,2\n")


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx", "t.parquet"])
def test_a_header_that_occurs_twice_is_refused(tmp_path: Path, name: str) -> None:
    _twice(tmp_path / name)
    with pytest.raises(InvalidTableError, match="COLUMN_TWICE") as caught:
        read_cells(tmp_path / name)
    assert caught.value.actual == "a"


def test_cells_beyond_the_header_and_short_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2,,\n3\n4,5\n")
    cells = read_cells(path)
    assert cells["a"].tolist() == ["1", "3", "4"]
    assert cells.attrs["notes"] == ["Lines with fewer cells than the header, the rest unknown: 3."]
    path.write_text("a,b\n1,2\n3,4,5\n")
    with pytest.raises(InvalidTableError, match="lines 3 have more cells"):
        read_cells(path)
    path.write_text(",b\n1,2\n")  # the names of rows, as R writes them
    assert list(read_cells(path).columns) == ["Unnamed: 0", "b"]


def test_words_that_the_card_lists_are_empty(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\nNone,NA\n,x\n")
    assert read_cells(tmp_path / "t.csv", missing=["None"])["a"].isna().all()
    assert read_cells(tmp_path / "t.csv", missing=["None"])["b"].tolist() == ["NA", "x"]


def test_remarks_before_the_header_are_left_where_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("# mean of 3 readers,,\n\nid,x\na,1\n")
    cells = read_cells(path, remarks=True)
    assert cells.to_dict("list") == {"id": ["a"], "x": ["1"]} and cells.index.tolist() == [2]


@pytest.mark.parametrize(
    ("name", "content", "code", "text"),
    [
        ("t.csv", None, "TABLE_UNREADABLE", "no such file"),
        ("t.csv", b"", "TABLE_UNREADABLE", "no header"),
        ("t.csv", "a\nM\u00fcller\n".encode("latin-1"), "TABLE_UNREADABLE", "UTF-8"),
        ("t.csv", b'a,b\n1,"2\n', "TABLE_UNREADABLE", "line 2"),
        ("t.csv", b"a\n\0\n", "TABLE_UNREADABLE", "no text"),
        ("t.xlsx", b"PK no workbook", "TABLE_UNREADABLE", "XLSX"),
        ("t.parquet", b"PAR1 cut", "TABLE_UNREADABLE", "PARQUET"),
        ("t.xls", b"", "TABLE_FORMAT", ".xlsx"),
        ("t.ods", b"", "TABLE_FORMAT", "Save it as CSV"),
    ],
)
def test_what_is_no_table(
    tmp_path: Path, name: str, content: bytes | None, code: str, text: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidTableError, match=code) as caught:
        read_cells(tmp_path / name)
    assert text in str(caught.value) and caught.value.hint


def test_columns_under_other_names(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("PatientID;label;Befund\n1;x;y\n")
    renamed = read_cells(path, columns={"patient_id": "PatientID"})
    assert list(renamed.columns) == ["patient_id", "label", "Befund"]
    for columns, code in (
        ({"label": "Diagnosis"}, "COLUMN_MISSING"),  # not silently the column label
        ({"label": "Befund"}, "COLUMN_TWICE"),
    ):
        with pytest.raises(InvalidTableError, match=code):
            read_cells(path, columns=columns)


def test_look_alikes_are_proposed() -> None:
    found = alike_columns(["Alter", "MRN", "PCR result"], ["patient_id", "path", "label"])
    assert found == {"patient_id": "MRN", "label": "PCR result"}
    assert columns_option(found) == '--columns "patient_id=MRN,label=PCR result"'
    assert alike_columns(["ID", "x"], ["unit_id", "label"]) == {}


def test_ids_of_floats_are_integers_and_others_stay() -> None:
    assert as_ids(pd.Series(["7.0", None, "8.0"])).tolist()[0] == "7"
    for texts in (["007", "8"], ["1.0", "1.1"], ["7.00", "a"]):
        assert as_ids(pd.Series(texts)).tolist() == texts


@pytest.mark.parametrize(
    ("texts", "values", "wrong", "notes"),
    [
        (["1", " 2.5", None, "-3e2"], [1, None, None, -300], [1], 0),  # cells come bare
        (["NA", "nan", "NaN", "1"], [None, None, None, 1], [], 1),
        (["None", "null", "n/a", "high", "<5", "0x1", "1_0"], [None] * 7, range(7), 0),
        (["0,5", "12,25", "7"], [0.5, 12.25, 7], [], 1),
        (["5,200", "6,100"], [None, None], [0, 1], 0),  # thousands, or decimals?
        (["5,200", "0,5"], [5.2, 0.5], [], 1),
        (["5,200", "0,5", "1.5"], [None, 0.5, 1.5], [0], 1),
        (["1,234,567", "1.234,5"], [None, None], [0, 1], 0),
    ],
)
def test_numbers(texts: list[Any], values: list[Any], wrong: Any, notes: int) -> None:
    found = to_numbers(pd.Series(texts, name="x"))
    assert found.values.replace(np.nan, None).tolist() == values
    assert np.flatnonzero(found.wrong).tolist() == list(wrong)
    assert len(found.notes) == notes


def test_numbers_that_are_numbers_already() -> None:
    assert to_numbers(pd.Series(np.float32([0.7]))).values.tolist() == [0.7]
    assert to_numbers(pd.Series([1, 2])).values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("seed", range(40))
def test_the_fast_reader_of_plain_tables_and_the_other_one_agree(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    divider, end = rng.choice([",", ";", "\t"]), rng.choice(["\n", "\r\n"])
    words = [
        "",
        " ",
        "7",
        " 7.0 ",
        "NA",
        "x y",
        "\x0b",
        "#",
        "a'b",
        "1,5" if divider != "," else "1.5",
    ]
    width = int(rng.integers(1, 5))
    lines = [[f"c{k} " for k in range(width)]]
    lines += [list(rng.choice(words, width)) for _ in range(int(rng.integers(0, 30)))]
    if seed % 4 == 3 and len(lines) > 2:  # a line that is too short, too long, or quoted
        lines[2] = [lines[2][:-1], [*lines[2], "more"], ['"q"'] * width][seed // 4 % 3]
    path = tmp_path / "t.csv"
    path.write_bytes(end.join(map(str(divider).join, lines)).encode() + b"\n" * (seed % 2))
    assert seed % 4 == 3 or width == 1 or len(lines) == 1 or read_plain(path) is not None

    def read() -> tuple[Any, ...]:
        try:
            table = read_cells(path, missing=["NA"])
        except InvalidTableError as error:
            return error.code, str(error)
        return list(table), table.fillna("-").values.tolist(), list(table.index), table.attrs

    fast = read()
    monkeypatch.setattr("covidx.cells.read_plain", lambda _: None)
    assert fast == read()


@pytest.mark.parametrize(
    "text",
    ["a,b\n1,2\n\n3,4\n", 'a,b\n"1",2\n', "a,a\n1,2\n", "a,\n1,2\n", "sep=,\na\n1\n", "# a\na\n1\n",
     "a,b\n1\r2,3\n", "a,b\n1,2,3\n", "a,b\n\xe9,2\n", "a,b\n", ""],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_other_reader(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, newline="")
    assert read_plain(path) is None
    assert read_plain(tmp_path / "absent.csv") is None
    assert read_plain(path.rename(tmp_path / "t.txt")) is None

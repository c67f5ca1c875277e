"""A large table cut into blocks: the same rows, lines and mistakes as read whole."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from covidx.cards import DataCard
from covidx.clinical import apply, blocks
from covidx.clinical.apply import blocks_for, read_for
from covidx.clinical.blocks import table_blocks
from covidx.errors import InvalidTableError
from covidx.inference import Inputs, Predictions
from covidx.inference.formatting import PredictionText, csv_text
from covidx.ingest import Identities
from tests.clinical.test_apply import small_bundle

TEXT = 'id,remark,age\na,one,1\nb,"two\nlines",2\nc,three,3\n\nd,four,4\n'


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "SMALL", 0)


def texts(path: Path, lines: int) -> list[tuple[str, int]]:
    return [(block.read_text(), before) for block, before in table_blocks(path, lines)]


def test_each_block_has_the_header_and_a_cell_in_quotes_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(TEXT)
    header, (first, second, third, fourth) = "id,remark,age\n", (
        "a,one,1\n", 'b,"two\nlines",2\n', "c,three,3\n", "\nd,four,4\n")  # fmt: skip
    assert texts(path, 3) == [(header + first + second, 0), (header + third + fourth, 3)]
    assert texts(path, 100) == [(TEXT, 0)]


@pytest.mark.parametrize("form", ["zip", "gz"])
def test_packed_tables_are_cut_as_well(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"table.csv.{form}"
    if form == "gz":
        with gzip.open(path, "wb") as stream:
            stream.write(TEXT.encode())
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("table.csv", TEXT)
    assert len(texts(path, 3)) == 2
    assert not [p for p in tmp_path.iterdir() if p != path]  # blocks lie elsewhere, and are gone


@pytest.mark.parametrize("content", [b"sep=;\na;b\n1;2\n", b"\xff\xfea\x00", b"# remark\na\n1\n"])
def test_what_is_not_plain_lines_is_left_to_its_reader(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    assert list(table_blocks(path, 1)) == [(path, 0)]


def test_a_small_table_a_workbook_and_a_missing_one_are_not_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    assert list(table_blocks(path)) == [(path, 0)]
    path.write_text(TEXT)
    monkeypatch.setattr(blocks, "SMALL", 1000)
    assert list(table_blocks(path, 1)) == [(path, 0)]
    assert list(table_blocks(tmp_path / "t.xlsx")) == [(tmp_path / "t.xlsx", 0)]


ROWS = "".join(
    f"p{k},{'MF?'[k % 3]},{97 + k / 10:.1f},{'' if k % 4 == 0 else 5 + k},{k % 2},{30 + 9 * k}\n"
    for k in range(9)
)
"""The last are older than any of the training; white cells are unknown in every fourth."""


def test_rows_by_blocks_are_those_of_the_whole_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, card: DataCard
) -> None:
    predictor = small_bundle(tmp_path, card)
    bundle, header = predictor.bundle, "id,sex,temperature,wbc,cough,age\n"
    path, parquet = tmp_path / "table.csv", tmp_path / "table.parquet"
    path.write_text(header + ROWS)
    pd.read_csv(path, dtype=str).to_parquet(parquet, index=False)
    whole = read_for(bundle, path, Identities.public())
    cut = blocks.table_blocks
    monkeypatch.setattr(apply, "table_blocks", lambda path: cut(path, 4))
    for one in (path, parquet):
        found = list(blocks_for(bundle, one, Identities.public()))
        assert [len(part) for part in found] == [4, 4, 1]
        pd.testing.assert_frame_equal(pd.concat(found), whole)
    inputs = Inputs.of(path, identities=Identities.public())
    slow = Predictions(list(predictor.predictions(inputs)), bundle).to_frame()
    assert slow["outside"].str.contains("age").any() and (slow["unknown"] == "wbc").any()
    fast = pd.concat(predictor.frames(inputs), ignore_index=True)
    pd.testing.assert_frame_equal(fast.astype(object), slow.astype(object), check_dtype=False)
    text = PredictionText(bundle, "csv")
    assert "".join(text.of_frames(predictor.frames(inputs))) == slow.to_csv(index=False)
    assert text.complete
    path.write_text(header + ROWS.replace("p8,", "p1,"))  # in the third block, and in the first
    rows = blocks_for(bundle, path, Identities.public())
    assert len(next(rows)) == 4
    with pytest.raises(InvalidTableError, match="PATIENT_TWICE") as error:
        list(rows)
    assert error.value.actual == "row 10" and error.value.path == str(path)
    *_, last = predictor.frames(inputs)
    assert last["problem"].iloc[0].startswith("PATIENT_TWICE")


def test_cells_are_written_as_pandas_writes_them() -> None:
    frame = pd.DataFrame(
        {
            "same": ["x, y"] * 3,
            "text": ['say "a"', "b\nc", None],
            "none": [None] * 3,
            "number": [0.1, 1e-9, float("nan")],
            "integer": pd.array([1, None, 3], dtype="Int64"),
            "flag": [True, False, True],
            "a,b": [1, 2, 3],
        }
    )
    for part in (frame, frame.iloc[:1], frame.iloc[:0]):
        assert csv_text(part, header=True) == part.to_csv(index=False)
    assert csv_text(frame, header=False) == frame.to_csv(index=False, header=False)

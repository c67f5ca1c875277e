"""Readers' scores from a CSV, and whose film each row is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covidx.cards import ReadersScore, SeverityTable
from covidx.errors import InvalidTableError
from covidx.ingest import Identities
from covidx.radiograph_severity import join_scores, read_scores

SCORES = {"extent": ReadersScore(column="e", high=8), "opacity": ReadersScore(column="o", high=6)}
BY_IMAGE = SeverityTable(table="s.csv", image="filename", scores=SCORES)
BY_PATIENT = SeverityTable(table="s.csv", patient="who", scores=SCORES)
PUBLIC = Identities.public()
MANIFEST = pd.DataFrame({"image_id": ["i1", "i2", "i3"], "patient_id": ["p1", "p1", "p2"]})
SOURCES = {"i1": "images/a.b.png", "i2": "images/c.png", "i3": "images/d.png"}


def _table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "s.csv"
    path.write_text(text)
    return path


def test_remarks_formats_and_empty_cells(tmp_path: Path) -> None:
    path = _table(
        tmp_path, "## by three, readers,,\n# CC\nfilename,e,o\na.b.jpeg,8,6\nc.jpg,1.5,\n"
    )
    table = read_scores(path, BY_IMAGE)
    assert table["row"].tolist() == [4, 5]
    joined, notes = join_scores(MANIFEST, SOURCES, table, BY_IMAGE, PUBLIC)
    assert joined["extent"].tolist()[0] == 8 and np.isnan(joined["extent"][1:]).all()
    assert notes == ["1 row of the scores left out: an empty cell"]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("SCORES_COLUMNS", "filename,e\na,1\n"),
        ("SCORES_VALUE", "filename,e,o\na,8.1,1\n"),
        ("SCORES_VALUE", "filename,e,o\na,-1,1\n"),
        ("SCORES_VALUE", "filename,e,o\na,high,1\n"),
        ("SCORES_VALUE", "filename,e,o\n,1,1\n"),
        ("SCORES_CONFLICT", "filename,e,o\nx/a.png,1,1\na.jpg,2,2\n"),
        ("TABLE_UNREADABLE", "filename,e,o\na,1,1,1\n"),
        ("TABLE_UNREADABLE", ""),
    ],
)
def test_tables_at_fault(tmp_path: Path, code: str, text: str) -> None:
    with pytest.raises(InvalidTableError) as refused:
        read_scores(_table(tmp_path, text), BY_IMAGE)
    assert refused.value.code == code


def test_by_patient_a_patient_has_one_film(tmp_path: Path) -> None:
    one = read_scores(_table(tmp_path, "who,e,o\np2,3,2\np9,1,1\n"), BY_PATIENT)
    joined, notes = join_scores(MANIFEST, SOURCES, one, BY_PATIENT, PUBLIC)
    assert joined["extent"].tolist()[2] == 3 and joined["extent"].notna().sum() == 1
    assert notes == ["1 row of the scores without a radiograph here"]
    two = read_scores(_table(tmp_path, "who,e,o\np1,3,2\n"), BY_PATIENT)
    with pytest.raises(InvalidTableError) as refused:
        join_scores(MANIFEST, SOURCES, two, BY_PATIENT, PUBLIC)
    assert refused.value.code == "SCORES_AMBIGUOUS"


def test_nothing_of_the_table_is_here(tmp_path: Path) -> None:
    table = read_scores(_table(tmp_path, "filename,e,o\nz.png,3,2\n"), BY_IMAGE)
    with pytest.raises(InvalidTableError) as refused:
        join_scores(MANIFEST, SOURCES, table, BY_IMAGE, PUBLIC)
    assert refused.value.code == "NOTHING_SCORED"


def test_a_card_names_image_or_patient() -> None:
    with pytest.raises(ValueError, match="name the column"):
        SeverityTable(table="s.csv", scores=SCORES)

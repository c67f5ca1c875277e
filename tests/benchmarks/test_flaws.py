"""Cohorts of the benchmark of flaws: rows as ingest writes them, flaws of tables found by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.flaw_cohorts import PATIENTS, PLAIN, Pool, manifest_row, write_cohort
from benchmarks.flaws import FOUND_BY, STRENGTHS, draw_power, faults
from covidx.cards import load_card
from covidx.ingest import ingest
from covidx.phantom import check_flaws, draw_patient, exams, generate_cohort
from covidx.report.canvas import save
from tests.audit.cohorts import clouds

FLAWED = {"label-noise": 1.0, "age": 1.0}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """Clouds in place of films, cut for their copies."""
    folder = tmp_path_factory.mktemp("pool")
    made = Pool(folder, PATIENTS + 5)
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(folder / PLAIN)
    for place in range(made.films):
        picture = clouds(place)
        Image.fromarray(picture).save(folder / made.name(place, False))
        Image.fromarray(picture[8:-8, 8:-8]).save(folder / made.name(place, True))
    return made


def test_rows_are_those_that_ingest_writes(tmp_path: Path) -> None:
    out = generate_cohort(tmp_path / "out", 1, 3, flaws=FLAWED, modality="cxr", workers=1)
    store = tmp_path / "store"
    read = ingest(out / "dicom", store, card=load_card(Path("phantom")), workers=1)
    written = read.manifest.set_index("study_uid")
    drawn = exams(draw_patient(3, 0), check_flaws(FLAWED))
    assert len(drawn) == 2
    for exam in drawn:
        row = manifest_row(exam)
        films = written.loc[[row["study_uid"]]]
        film = films[films["view"] != "LL"].iloc[0]
        for column in set(row) - {"image_id", "study_uid", "label"}:
            assert film[column] == row[column], column


@pytest.mark.parametrize("flaw", ["scanner-label", "age", "drift", "patient-overlap"])
def test_a_flaw_of_the_table_is_found_by_its_finding(pool: Pool, flaw: str) -> None:
    assert FOUND_BY[flaw] in faults(pool, 7, {flaw: 1.0}, pictures=False)


def test_a_clean_cohort_raises_no_alarm_and_copies_raise_theirs(pool: Pool) -> None:
    assert faults(pool, 7, {}, pictures=True) == set()
    assert faults(pool, 7, {"duplicates": 0.2}, pictures=True) == {"copies_across_patients"}
    assert faults(pool, 7, {"label-noise": 0.2}, pictures=True) == {"copies_across_labels"}


def test_a_cohort_takes_no_picture_twice_and_another_seed_takes_others(
    pool: Pool, tmp_path: Path
) -> None:
    tables = [
        pd.read_csv(write_cohort(tmp_path / str(seed), pool, seed, {}, pictures=True)[0])
        for seed in (1, 2)
    ]
    for table in tables:
        assert len(table) == table["path"].nunique() == PATIENTS
    assert (tables[0]["path"] != tables[1]["path"]).mean() > 0.9


def test_the_figure_has_a_panel_a_flaw(tmp_path: Path) -> None:
    rows = [
        {"flaw": flaw, "strength": strength, "found": 20 * (strength >= 0.2), "cohorts": 20}
        for flaw in FOUND_BY
        for strength in STRENGTHS
    ]
    figure = draw_power(pd.DataFrame(rows))
    assert [axes.get_title() for axes in figure.axes] == list(FOUND_BY)
    assert save(figure, tmp_path / "power.png").stat().st_size > 1000

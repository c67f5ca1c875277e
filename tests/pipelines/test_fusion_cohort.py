"""Both arms' patients: joined, labelled, divided once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from covidx.cards import Column
from covidx.clinical import ClinicalRows
from covidx.cohort import Classes
from covidx.errors import InvalidTableError
from covidx.pipelines.fusion.cohort import join_arms, need_both

CRP = Column(name="crp", meaning="CRP", type="number")
LABELS = ["normal", "covid-19", "flu"]


def _images(n: int) -> pd.DataFrame:
    who = [f"p{i}" for i in range(n)]
    label = [LABELS[i % 3] for i in range(n)]
    images = [f"i{i}" for i in range(n)]
    return pd.DataFrame({"image_id": images, "patient_id": who, "group_id": who, "label": label})


def _rows(first: int, last: int, **columns: object) -> ClinicalRows:
    who = [f"p{i}" for i in range(first, last)]
    table = pd.DataFrame(
        {
            "patient_id": who,
            "group_id": who,
            "label": ["covid-19" if i % 3 == 1 else "rest" for i in range(first, last)],
            "crp": np.arange(first, last, dtype=float),
        }
    ).assign(**columns)
    return ClinicalRows(table, [CRP], Classes(("rest", "covid-19"), "covid-19"), [])


def test_everyone_of_either_arm_has_one_role_in_both() -> None:
    joined = join_arms(_images(30), _rows(5, 40), seed=0, parts=3)
    assert len(joined.patients) == 40
    assert joined.notes == [
        "10 of 40 patients have no image",
        "5 of 40 patients have no clinical row",
    ]
    role = joined.patients.set_index("patient_id")["role"]
    for table in (joined.images, joined.rows.table):
        assert (table["patient_id"].map(role) == table["role"]).all()
    assert set(joined.patients["label"]) == {"rest", "covid-19"}
    assert set(joined.images["label"]) == set(LABELS)  # P1 keeps its classes


def test_a_household_of_the_table_holds_images_together() -> None:
    home = ["home" if i in (0, 7, 9) else f"p{i}" for i in range(30)]
    joined = join_arms(_images(30), _rows(0, 30, group_id=home), seed=0, parts=3)
    for table in (joined.patients, joined.images):
        family = table[table["patient_id"].isin(["p0", "p7", "p9"])]
        assert family["group_id"].nunique() == family["role"].nunique() == 1


def test_near_duplicate_images_hold_rows_together() -> None:
    images = _images(30)
    images.loc[images["patient_id"].isin(["p3", "p4"]), "group_id"] = "twins"
    rows = join_arms(images, _rows(0, 30), seed=0, parts=3).rows.table
    assert rows.loc[rows["patient_id"].isin(["p3", "p4"]), "role"].nunique() == 1


def test_an_image_that_contradicts_its_patients_row_is_left_out() -> None:
    images = _images(30)
    again = images[images["patient_id"] == "p4"].assign(image_id="clear film", label="normal")
    joined = join_arms(pd.concat([images, again]), _rows(0, 30), seed=0, parts=3)
    assert "clear film" not in set(joined.images["image_id"])
    assert joined.notes == [
        "1 image left out: their label is not their patient's, by the clinical row"
    ]


def test_images_that_contradict_each_other_and_no_row_decides() -> None:
    images = _images(30)
    again = images[images["patient_id"] == "p4"].assign(image_id="clear film", label="normal")
    joined = join_arms(pd.concat([images, again]), _rows(5, 30), seed=0, parts=3)
    assert "p4" not in set(joined.images["patient_id"]) | set(joined.patients["patient_id"])
    assert joined.notes[0] == (
        "2 images of 1 patient left out: they differ on the positive class, and no clinical row "
        "decides (p4)"
    )


def test_rows_of_which_nothing_is_known_are_no_arm() -> None:
    rows = _rows(0, 30)
    rows.table.loc[3, "crp"] = np.nan
    joined = join_arms(_images(30), rows, seed=0, parts=3)
    assert len(joined.rows.table) == 29
    assert joined.notes == [
        "1 clinical row left out: no value is known",
        "1 of 30 patients have no clinical row",
    ]


def test_tables_of_different_patients() -> None:
    with pytest.raises(InvalidTableError, match="NOBODY_HAS_BOTH"):
        join_arms(_images(10), _rows(20, 40), seed=0, parts=3)


def test_too_few_patients_are_refused_before_anything_is_trained() -> None:
    joined = join_arms(_images(40), _rows(0, 40), seed=0, parts=5)
    positive = joined.patients["label"] == "covid-19"
    assert set(joined.patients["role"]) == {"train", "test"}
    assert int((positive & (joined.patients["role"] == "train")).sum()) >= 10
    need_both(joined, 2)  # five of each class are left without either half
    few = join_arms(_images(40), _rows(34, 44), seed=0, parts=3)  # six of them have both
    with pytest.raises(InvalidTableError, match=r"FUSION_ROWS.*role train"):
        need_both(few, 2)
    with pytest.raises(InvalidTableError, match="TOO_FEW_GROUPS"):
        need_both(joined, 30)

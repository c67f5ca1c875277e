from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covidx.errors import InvalidTableError
from covidx.evaluate import Rows, read_clinical
from covidx.evaluate.attributes import SEVERAL, attributes_of, strata_of
from tests.evaluate.reference import predictions

ROWS = Rows.of(predictions(np.array([0.9, 0.2, 0.4]), np.array([True, False, False])), "covid-19")


def _manifest() -> pd.DataFrame:
    """Patient p0 has two images, p1 one, p2 none."""
    return pd.DataFrame(
        {
            "image_id": ["i0", "i1", "u1"],
            "patient_id": ["p0", "p0", "p1"],
            "sex": ["F", "F", None],
            "manufacturer": ["A", "B", "A"],
            "kernel": ["sharp", "sharp", "soft"],
            "view": [None, None, None],
            "site": ["x", "x", "y"],
            "age": [39.0, 39.0, 40.0],
            "slice_thickness_mm": [1.5, 5.0, 1.6],
            "acquired": ["2020-03-31", "2020-03-31", "2020-04-01"],
        }
    )


def test_by_patient_with_several_images() -> None:
    found = attributes_of(ROWS, _manifest(), None)
    assert found["manufacturer"].tolist()[:2] == [SEVERAL, "A"]
    assert found["sex"].tolist()[0] == "F"
    assert np.isnan(found["slice_thickness_mm"][0])
    assert found.loc[2].isna().all()


def test_by_image() -> None:
    rows = Rows.of(
        predictions(np.array([0.9, 0.2]), np.array([True, False])).assign(level="image"),
        "covid-19",
    )
    assert attributes_of(rows, _manifest(), None)["kernel"].tolist()[1] == "soft"


def test_clinical_columns_fill_what_the_manifest_lacks() -> None:
    clinical = pd.DataFrame({"patient_id": ["p0", "p1", "p2"], "sex": ["M", "M", "F"]})
    found = attributes_of(ROWS, _manifest(), clinical)
    assert found["sex"].tolist() == ["F", "M", "F"]  # the image's own comes first


def test_bands_and_months() -> None:
    strata = strata_of(attributes_of(ROWS, _manifest(), None))
    assert strata["age band"].tolist()[:2] == ["18 to 39 years", "40 to 59 years"]
    assert strata["slice thickness"].tolist()[1] == "over 1.5 to 3 mm"
    assert strata["month"].tolist()[:2] == ["2020-03", "2020-04"]
    assert "view" not in strata


@pytest.mark.parametrize(
    ("age", "band"),
    [
        ("0", "under 18 years"),
        ("17.9", "under 18 years"),
        ("18", "18 to 39 years"),
        ("80", "80 years or more"),
    ],
)
def test_an_age_as_text(age: str, band: str) -> None:
    frame = pd.DataFrame({"age_years": [age, "unknown"]})
    assert strata_of(frame)["age band"].tolist()[0] == band


@pytest.mark.parametrize(
    ("days", "band"),
    [
        (0, "early (up to 4 days)"),
        ("4", "early (up to 4 days)"),
        (4.6, "early (up to 4 days)"),  # not yet the fifth day
        (5, "late (5 days or more)"),
        (400, "late (5 days or more)"),
    ],
)
def test_when_a_patient_came(days: object, band: str) -> None:
    frame = pd.DataFrame({"days_since_onset": [days, -1, None, "?"]})
    found = strata_of(frame)["presentation"]
    assert found[0] == band
    assert found[1:].isna().all()


def test_clinical_tables_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("patient_id,sex\np0,F\np1,M\n")
    (tmp_path / "b.csv").write_text("patient_id,finding\np1,normal\n")
    joined = read_clinical([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert joined is not None
    assert joined.set_index("patient_id").loc["p1"].tolist() == ["M", "normal"]
    assert read_clinical([]) is None
    (tmp_path / "c.csv").write_text("patient_id,sex\np0,F\n")
    with pytest.raises(InvalidTableError, match="sex") as caught:
        read_clinical([tmp_path / "a.csv", tmp_path / "c.csv"])
    assert caught.value.code == "COLUMN_TWICE"


def test_tables_of_other_patients_are_refused() -> None:
    clinical = pd.DataFrame({"patient_id": ["x1", "x2"], "sex": ["F", "M"]})
    with pytest.raises(InvalidTableError, match="p0") as caught:
        attributes_of(ROWS, None, clinical)
    assert caught.value.code == "NOTHING_JOINED"

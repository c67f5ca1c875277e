"""The clinical rows."""

import numpy as np
import pandas as pd

from covidx.phantom import CLINICAL_COLUMNS, draw_patient


def _table(seed: int, count: int) -> pd.DataFrame:
    patients = [draw_patient(seed, i) for i in range(count)]
    table = pd.DataFrame([p.clinical for p in patients])
    return table.assign(label=[p.label for p in patients], normal=[p.normal_ct for p in patients])


def test_twelve_variables_some_missing_together() -> None:
    table = _table(9, 400)
    assert tuple(table.columns[:12]) == CLINICAL_COLUMNS
    missing = table[list(CLINICAL_COLUMNS)].isna().mean()
    assert missing["sex"] == missing["age_years"] == 0
    assert missing.drop(["sex", "age_years"]).between(0.005, 0.15).all()
    assert (table["wbc_10e9_l"].isna() == table["lymphocytes_share"].isna()).all()


def test_counts_and_shares_agree() -> None:
    table = _table(9, 400).dropna(subset="wbc_10e9_l")
    for cell in ("neutrophils", "lymphocytes"):
        share = table[f"{cell}_10e9_l"] / table["wbc_10e9_l"]
        np.testing.assert_allclose(share, table[f"{cell}_share"], atol=0.01)
    assert (table["neutrophils_share"] + table["lymphocytes_share"]).max() <= 0.982


def test_pcr_positives_with_normal_ct_still_look_like_covid() -> None:
    table = _table(10, 1500)
    covid, rest = table[table.label == "covid-19"], table[table.label != "covid-19"]
    for column, sign in (("exposure", 1), ("lymphocytes_10e9_l", -1), ("wbc_10e9_l", -1)):
        hidden = covid[covid.normal][column].astype(float).mean()
        assert sign * (hidden - rest[column].astype(float).mean()) > 0, column

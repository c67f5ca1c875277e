"""The clinical rows."""

import numpy as np
import pandas as pd

from covidx.phantom import CLINICAL_COLUMNS, MEI_COLUMNS, clinical_table, draw_patient


def _table(seed: int, count: int) -> pd.DataFrame:
    patients = [draw_patient(seed, i) for i in range(count)]
    table = pd.DataFrame([p.clinical for p in patients])
    return table.assign(label=[p.label for p in patients], normal=[p.normal_ct for p in patients])


def test_twelve_variables_and_three_symptoms_some_missing_together() -> None:
    table = _table(9, 400)
    assert tuple(table.columns[:15]) == CLINICAL_COLUMNS
    assert len(MEI_COLUMNS) == 12 and CLINICAL_COLUMNS[:12] == MEI_COLUMNS
    assert (table["fatigue"].isna() == table["skipped_meals"].isna()).all()
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


def test_the_twelve_variables_are_those_of_generator_version_1() -> None:
    """The symptoms came later; what was drawn before them must not move."""
    first = {
        "sex": "F",
        "age_years": 41,
        "exposure": 0,
        "fever": 1,
        "cough": 1,
        "sputum": 0,
        "temperature_c": 37.5,
        "wbc_10e9_l": 5.99,
        "neutrophils_10e9_l": 2.9,
        "neutrophils_share": 0.485,
        "lymphocytes_10e9_l": 2.18,
        "lymphocytes_share": 0.363,
    }
    found = draw_patient(77, 0).clinical
    assert {name: found[name] for name in MEI_COLUMNS} == first


def test_symptoms_occur_as_often_as_the_table_of_effects_says() -> None:
    table = _table(11, 4000)
    covid = table["label"] == "covid-19"
    for rows, expected in ((covid, (0.6503, 0.381, 0.40)), (~covid, (0.2171, 0.27, 0.31))):
        columns = ["loss_of_smell_or_taste", "fatigue", "skipped_meals"]
        found = table.loc[rows, columns].astype(float).mean()
        np.testing.assert_allclose(found, expected, atol=0.04)  # 3.5 standard errors


def test_a_table_without_images_has_the_cohorts_rows() -> None:
    table = clinical_table(3, 9)
    assert list(table.columns) == ["patient_id", "label", *CLINICAL_COLUMNS]
    for row, index in zip(table.to_dict("records"), range(3), strict=True):
        patient = draw_patient(9, index)
        assert row == {"patient_id": patient.patient_id, "label": patient.label, **patient.clinical}

"""The clinical rows."""

import numpy as np
import pandas as pd

from covidx.phantom import (
    CLINICAL_COLUMNS,
    MEI_COLUMNS,
    PRESENTATION_COLUMNS,
    SYMPTOM_COLUMNS,
    clinical_table,
    draw_patient,
)


def _table(seed: int, count: int) -> pd.DataFrame:
    patients = [draw_patient(seed, i) for i in range(count)]
    table = pd.DataFrame([p.clinical for p in patients])
    return table.assign(label=[p.label for p in patients], normal=[p.normal_ct for p in patients])


def test_twelve_variables_three_symptoms_and_two_for_strata_some_missing_together() -> None:
    table = _table(9, 400)
    assert tuple(table.columns[:17]) == CLINICAL_COLUMNS
    assert len(MEI_COLUMNS) == 12 and CLINICAL_COLUMNS[:12] == MEI_COLUMNS
    assert CLINICAL_COLUMNS[12:] == SYMPTOM_COLUMNS + PRESENTATION_COLUMNS
    assert (table["fatigue"].isna() == table["skipped_meals"].isna()).all()
    missing = table[list(CLINICAL_COLUMNS)].isna().mean()
    assert missing["sex"] == missing["age_years"] == missing["ct_normal"] == 0
    assert missing.drop(["sex", "age_years", "ct_normal"]).between(0.005, 0.15).all()
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


def test_what_earlier_generators_drew_has_not_moved() -> None:
    """The symptoms came with version 2, the presentation with version 3."""
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
    second = {"loss_of_smell_or_taste": 0, "fatigue": 0, "skipped_meals": 0}
    result = draw_patient(77, 0).clinical
    assert {name: result[name] for name in MEI_COLUMNS + SYMPTOM_COLUMNS} == first | second


def test_symptoms_occur_as_often_as_the_table_of_effects_says() -> None:
    table = _table(11, 4000)
    covid = table["label"] == "covid-19"
    for rows, expected in ((covid, (0.6503, 0.381, 0.40)), (~covid, (0.2171, 0.27, 0.31))):
        columns = ["loss_of_smell_or_taste", "fatigue", "skipped_meals"]
        result = table.loc[rows, columns].astype(float).mean()
        np.testing.assert_allclose(result, expected, atol=0.04)  # 3.5 standard errors


def test_positives_with_a_normal_ct_come_early_and_all_others_as_old_as_their_disease() -> None:
    patients = [draw_patient(12, i) for i in range(4000)]
    days = [p.clinical["days_since_onset"] for p in patients]
    for patient, day in zip(patients, days, strict=True):
        assert patient.clinical["ct_normal"] == int(patient.normal_ct)
        if not (patient.label == "covid-19" and patient.normal_ct):
            assert day in (None, round(patient.disease.days))
    assert 0.045 < days.count(None) / 4000 < 0.075  # 0.06 and 4 standard errors
    table = pd.DataFrame([p.clinical for p in patients]).astype({"days_since_onset": float})
    covid = table[[p.label == "covid-19" for p in patients]].dropna(subset="days_since_onset")
    hidden = covid[covid["ct_normal"] == 1]["days_since_onset"]
    assert hidden.between(0, 12).all() and (hidden == 0).any()
    assert 0.75 < (hidden <= 2).mean() < 0.95 and hidden.median() <= 2
    # Bernheim et al.: 20 of 36 who came on days 0-2 had a normal CT.
    assert abs(covid[covid["days_since_onset"] <= 2]["ct_normal"].mean() - 20 / 36) < 0.1


def test_a_table_without_images_has_the_cohorts_rows() -> None:
    table = clinical_table(3, 9)
    assert list(table.columns) == ["patient_id", "label", *CLINICAL_COLUMNS]
    for row, index in zip(table.to_dict("records"), range(3), strict=True):
        patient = draw_patient(9, index)
        assert row == {"patient_id": patient.patient_id, "label": patient.label, **patient.clinical}

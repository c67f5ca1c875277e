"""New patients' tables and a bundle: read as in training, refused by column and row, scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from covidx.cards import Column, DataCard
from covidx.clinical import (
    ClinicalRecipe,
    fit_recipe,
    read_for,
    read_rows,
    trained_on_rows,
)
from covidx.clinical.formula import FORMULA
from covidx.errors import InvalidTableError
from covidx.inference import Prediction
from covidx.inference.clinical import ClinicalPayload, ClinicalPredictor
from covidx.ingest import Identities
from tests.clinical.synthetic import synthetic_rows
from tests.clinical.test_bundle import save

HEADER = "id,sex,temperature,wbc,cough,age,surprise"
GOOD = f"{HEADER}\n7,M,98.6,5.2,1,41,x\n\n8,?,,,0,30,y\n"


def small_bundle(folder: Path, card: DataCard) -> ClinicalPredictor:
    """A model of the small card's columns, trained on forty made-up patients."""
    rng = np.random.default_rng(0)
    lines = [
        f"{i},{'pos' if i % 2 else 'neg'},2020-03-01,a,{'MF'[i % 3 == 0]},"
        f"{97 + i % 2 + rng.random():.1f},{5 + rng.random():.1f},{i % 2},{30 + i},"
        for i in range(40)
    ]
    (folder / "train.csv").write_text(
        "id,result,day,clinic,sex,temperature,wbc,cough,age,surprise\n" + "\n".join(lines) + "\n"
    )
    rows = read_rows(folder / "train.csv", card)
    fitted = fit_recipe(ClinicalRecipe(name="logistic", kind="logistic"), rows, seed=0, folds=3)
    trained = trained_on_rows(rows, dataset="small", domain="simulated")
    save(folder / "bundle", fitted, trained_on=trained, patient_column="id")
    return ClinicalPredictor.load(folder / "bundle")


def predict(predictor: ClinicalPredictor, path: Path) -> list[Prediction]:
    return list(predictor.stream(path, identities=Identities.public()))


def _write(folder: Path, text: str) -> Path:
    path = folder / "new.csv"
    path.write_text(text)
    return path


def test_rows_are_read_in_the_bundles_units(card: DataCard, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path, card).bundle
    table = read_for(bundle, _write(tmp_path, GOOD), Identities.public())
    assert list(table["patient_id"]) == ["7", "8"] and list(table.index) == [0, 2]
    np.testing.assert_allclose(table["temperature"], [37.0, np.nan])
    np.testing.assert_allclose(table["sex"], [1, np.nan])
    assert set(table) == {"patient_id", "sex", "temperature", "wbc", "cough", "age"}
    nameless = read_for(
        bundle, _write(tmp_path, GOOD.replace("id,", "other,")), Identities.public()
    )
    assert list(nameless["patient_id"]) == ["row-2", "row-4"]
    private = read_for(bundle, _write(tmp_path, GOOD), Identities(b"0" * 32))
    assert private["patient_id"].str.fullmatch(r"P-[0-9a-f]{12}").all()
    spreadsheet = tmp_path / "new.xlsx"
    pd.read_csv(_write(tmp_path, GOOD.replace("\n\n", "\n")), dtype=str).to_excel(
        spreadsheet, index=False
    )
    again = read_for(bundle, spreadsheet, Identities.public()).reset_index(drop=True)
    pd.testing.assert_frame_equal(again, table.reset_index(drop=True))


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (("wbc", "leukocytes"), "COLUMN_MISSING", ["wbc", "as in the training table"]),
        ((",M,", ",male,"), "CODE_UNKNOWN", ["sex", "row 2: male"]),
        (("5.2", "5200"), "VALUE_IMPOSSIBLE", ["wbc", "row 2: 5200", "fit in cell/uL"]),
        (("98.6", "37.0"), "VALUE_IMPOSSIBLE", ["row 2: 37.0", "fit in degree Celsius but not"]),
        (("\n8,", "\n7,"), "PATIENT_TWICE", ["row 4"]),
        (("\n8,", "\n,"), "PATIENT_MISSING", ["row 4"]),
    ],
)
def test_what_does_not_fit_is_refused_and_answered(
    card: DataCard, tmp_path: Path, change: tuple[str, str], code: str, told: list[str]
) -> None:
    predictor = small_bundle(tmp_path, card)
    path = _write(tmp_path, GOOD.replace(*change, 1))
    with pytest.raises(InvalidTableError) as caught:
        read_for(predictor.bundle, path, Identities.public())
    assert caught.value.code == code
    assert all(text in str(caught.value) for text in told), str(caught.value)
    (answer,) = predict(predictor, path)
    assert answer.problem is not None and answer.problem.startswith(f"{code}: ")
    assert (
        answer.score is None
        and answer.source.row is None
        and answer.threshold == predictor.bundle.threshold
    )


def test_what_the_card_took_as_unknown_is_refused_of_a_new_patient(
    card: DataCard, tmp_path: Path
) -> None:
    lenient = [
        c.model_copy(update={"impossible": "unknown"}) if c.name == "wbc" else c
        for c in card.columns
    ]
    bundle = small_bundle(tmp_path, card.model_copy(update={"columns": lenient})).bundle
    assert {c.name: c.impossible for c in bundle.columns}["wbc"] == "unknown"
    with pytest.raises(InvalidTableError, match="VALUE_IMPOSSIBLE"):
        read_for(bundle, _write(tmp_path, GOOD.replace("5.2", "5200")), Identities.public())


def test_scores_are_those_of_the_model(card: DataCard, tmp_path: Path) -> None:
    predictor = small_bundle(tmp_path, card)
    path = _write(tmp_path, GOOD)
    one, two = predict(predictor, path)
    by_hand = pd.DataFrame(
        {"sex": [1.0], "temperature": [37.0], "wbc": [5.2], "cough": [1.0], "age": [41.0]}
    )
    assert one.score == pytest.approx(predictor.fitted.model.predict_proba(by_hand)[0, 1])
    assert one.decision == "covid-19" and one.payload == ClinicalPayload() and one.source.row == 2
    assert two.decision == "not covid-19" and two.source.row == 4
    assert two.payload == ClinicalPayload(("sex", "temperature", "wbc"))
    assert sum(two.probabilities.values()) == pytest.approx(1)
    assert one.to_json()["threshold_origin"] == "youden on validation, n = 40 (20 positive)"
    assert "Research use only" in one.to_json()["notice"]


def test_a_score_is_called_positive_from_the_threshold_on(card: DataCard, tmp_path: Path) -> None:
    predictor = small_bundle(tmp_path, card)
    path = _write(tmp_path, GOOD)
    score = predict(predictor, path)[0].score
    for threshold, called in ((score, "covid-19"), (np.nextafter(score, 1), "not covid-19")):
        point = predictor.bundle.threshold.model_copy(update={"value": threshold})
        moved = predictor.bundle.model_copy(update={"threshold": point})
        (found, _) = predict(ClinicalPredictor(moved, predictor.fitted), path)
        assert found.decision == called


def test_the_formula_says_what_it_lacks(tmp_path: Path) -> None:
    rows = synthetic_rows(40)
    columns = [
        Column(name=f"{name}?", meaning=name, type="number", concept=name) for name in FORMULA
    ]
    table = rows.table.assign(**{column.name: 1.0 for column in columns})
    formula = fit_recipe(
        ClinicalRecipe(name="menni", kind="menni"),
        type(rows)(table, columns, rows.classes, []),
        seed=0,
    )
    save(tmp_path / "bundle", formula)
    predictor = ClinicalPredictor.load(tmp_path / "bundle")
    names = ",".join(column.name for column in columns)
    path = _write(tmp_path, f"{names}\n40,1,1,0,0,0\n40,1,,0,,0\n")
    one, two = predict(predictor, path)
    assert one.score == pytest.approx(expit(-1.32 - 0.01 * 40 + 0.44 + 1.75))
    assert two.score is None and two.decision is None and two.source.patient_id == "row-3"
    assert two.problem == (
        "INPUT_UNKNOWN: the formula has no answer without loss_of_smell_or_taste?, fatigue?"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("41", "112"), "age 112: trained on 30 to 69"),
        (("98.6", "107.6"), "temperature 42: trained on 36"),
        ((",5.2,1,41,", ",,,,"), "60% of the values are unknown"),
    ],
)
def test_a_row_unlike_the_training_rows_is_marked(
    card: DataCard, tmp_path: Path, change: tuple[str, str], reason: str
) -> None:
    predictor = small_bundle(tmp_path, card)
    simulated = card.model_copy(update={"domain": "simulated"})
    options = {"identities": Identities.public(), "card": simulated}
    assert next(predictor.stream(_write(tmp_path, GOOD), **options)).outside == ()
    first = next(predictor.stream(_write(tmp_path, GOOD.replace(*change)), **options))
    assert len(first.outside) == 1 and reason in first.outside[0]
    assert first.score is not None and not first.interpretable


def test_a_value_that_no_training_row_has_is_marked(card: DataCard, tmp_path: Path) -> None:
    predictor = small_bundle(tmp_path, card)
    women = predictor.bundle.trained_on.columns["sex"].model_copy(update={"values": [0.0]})
    columns = predictor.bundle.trained_on.columns | {"sex": women}
    trained = predictor.bundle.trained_on.model_copy(update={"columns": columns, "domain": "real"})
    bundle = predictor.bundle.model_copy(update={"trained_on": trained})
    one, two = predict(ClinicalPredictor(bundle, predictor.fitted), _write(tmp_path, GOOD))
    assert one.outside == ("sex: no training row has this value",)
    assert two.outside == ("60% of the values are unknown, of nearly all training rows at most 0%",)


def test_a_model_of_simulated_patients_needs_a_card_that_says_so(
    card: DataCard, tmp_path: Path
) -> None:
    predictor, path = small_bundle(tmp_path, card), _write(tmp_path, GOOD)
    assert predict(predictor, path)[0].outside == (
        "the model was trained on simulated patients, this is not one",
    )

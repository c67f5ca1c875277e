"""The formula of Menni et al., by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from covidx.cards import Column
from covidx.clinical import FORMULA, ClinicalRecipe, ClinicalRows, fit_recipe
from covidx.errors import InvalidTableError
from tests.clinical.synthetic import synthetic_rows

MENNI = ClinicalRecipe(name="menni", kind="menni")
NAMES = {
    "age_years": "years",
    "male": "sex",
    "loss_of_smell_or_taste": "anosmia",
    "cough": "cough",
    "fatigue": "tired",
    "skipped_meals": "meals",
}


def _rows(leave_out: str | None = None) -> ClinicalRows:
    whole = synthetic_rows(4)
    values = pd.DataFrame(
        {
            "years": [40.0, 65, 30, 30],
            "sex": [1.0, 0, 1, 1],
            "anosmia": [1.0, 0, np.nan, 1],
            "cough": [1.0, 0, 0, 0],
            "tired": [0.0, 1, 0, 0],
            "meals": [1.0, 0, 0, 0],
        }
    )
    features = [
        Column(name=name, meaning=name, type="number", concept=concept)
        for concept, name in NAMES.items()
        if concept != leave_out
    ]
    return ClinicalRows(pd.concat([whole.table, values], axis=1), features, whole.classes, [])


def test_probabilities_by_hand() -> None:
    scores = fit_recipe(MENNI, _rows(), seed=0).score(_rows().table)
    # -1.32 - 0.4 + 0.44 + 1.75 + 0.31 + 0.39 = 1.17; -1.32 - 0.65 + 0.49 = -1.48
    # -1.32 - 0.3 + 0.44 + 1.75 = 0.57; the third row does not say whether smell is lost.
    by_hand = [1 / (1 + math.exp(-x)) for x in (1.17, -1.48, 0.57)]
    np.testing.assert_allclose(scores[[0, 1, 3]], by_hand)
    assert np.isnan(scores[2])


@pytest.mark.parametrize("concept", FORMULA)
def test_an_input_that_is_not_there_is_named_not_guessed(concept: str) -> None:
    with pytest.raises(InvalidTableError, match="FORMULA_INPUT_MISSING") as caught:
        fit_recipe(MENNI, _rows(leave_out=concept), seed=0)
    assert caught.value.actual == f"missing: {concept}"

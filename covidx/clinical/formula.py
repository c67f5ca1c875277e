"""The symptom formula of Menni et al. (Nat Med 2020;26:1037-1040): fixed, nothing is fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin

from covidx.cards import Column
from covidx.errors import InvalidTableError

INTERCEPT = -1.32
FORMULA = {
    "age_years": -0.01,
    "male": 0.44,
    "loss_of_smell_or_taste": 1.75,
    "cough": 0.31,
    "fatigue": 0.49,
    "skipped_meals": 0.39,
}
"""Concept -> coefficient; years for the age, 1 or 0 for the others. Cough is meant severe or
persistent, fatigue severe. The authors call a probability above 0.5 a likely infection."""


def formula_inputs(features: Sequence[Column]) -> dict[str, str]:
    """Concept of the formula -> the column among `features` that measures it.

    Raises
    ------
    InvalidTableError
        ``FORMULA_INPUT_MISSING``: the table does not measure all of them. None is guessed.
    """
    measured = [column for column in features if column.type != "category"]
    inputs = {column.concept: column.name for column in measured if column.concept in FORMULA}
    missing = [concept for concept in FORMULA if concept not in inputs]
    if missing:
        raise InvalidTableError(
            "FORMULA_INPUT_MISSING",
            "The symptom formula cannot be used: inputs are not among the features.",
            expected=", ".join(FORMULA),
            actual=f"missing: {', '.join(missing)}",
            hint="Name the concept of each column in the card, or leave the menni recipe out.",
        )
    return {concept: inputs[concept] for concept in FORMULA}


class SymptomFormula(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The formula as a classifier.

    Parameters
    ----------
    inputs : mapping
        Concept -> column, as `formula_inputs`.
    """

    def __init__(self, inputs: Mapping[str, str]) -> None:
        self.inputs = inputs

    def fit(self, X: pd.DataFrame, y: npt.ArrayLike) -> SymptomFormula:
        """Learn nothing of the rows `X`; keep the classes in `y`."""
        self.classes_ = np.unique(np.asarray(y))
        return self

    def predict_proba(self, X: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Probabilities (rows, 2) of no and yes for `X`; NaN where any input is unknown."""
        logit = np.full(len(X), INTERCEPT)
        for concept, coefficient in FORMULA.items():
            logit = logit + coefficient * X[self.inputs[concept]].to_numpy(float)
        yes = expit(logit)
        return np.column_stack([1 - yes, yes])

    def predict(self, X: pd.DataFrame) -> npt.NDArray[Any]:
        """Class of the rows `X`: yes above 0.5, as the authors have it."""
        labels: npt.NDArray[Any] = self.classes_[(self.predict_proba(X)[:, 1] > 0.5).astype(int)]
        return labels

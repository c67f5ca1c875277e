"""A recipe as one scikit-learn pipeline: whatever is fitted, is fitted on its training rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import IterativeImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from covidx.cards import Column
from covidx.clinical.formula import SymptomFormula, formula_inputs
from covidx.clinical.recipe import ClinicalRecipe
from covidx.errors import ConfigError

MODEL = "model"
"""Name of the last step."""

MODELS: dict[str, Callable[[ClinicalRecipe, int], Any]] = {
    "logistic": lambda recipe, seed: LogisticRegression(
        l1_ratio=1.0 if recipe.penalty == "l1" else 0.0,
        solver="saga" if recipe.penalty == "l1" else "lbfgs",
        max_iter=5000,
        random_state=seed,
    ),
    "svm": lambda recipe, seed: SVC(kernel="rbf", random_state=seed),
    "forest": lambda recipe, seed: RandomForestClassifier(
        n_estimators=300, min_samples_leaf=5, random_state=seed
    ),
    "boosting": lambda recipe, seed: HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=200, early_stopping=False, random_state=seed
    ),
    "mlp": lambda recipe, seed: MLPClassifier(
        hidden_layer_sizes=(16,), alpha=1.0, max_iter=500, random_state=seed
    ),
}
"""Values that no grid names. Modelling choices, fixed before any test row was scored."""

IMPUTERS: dict[str, Callable[[int], Any]] = {
    "median": lambda seed: SimpleImputer(strategy="median", add_indicator=True),
    "iterative": lambda seed: IterativeImputer(add_indicator=True, random_state=seed),
    "only": lambda seed: MissingIndicator(features="all", sparse=False),
}

SCALED = ("logistic", "svm", "mlp")
"""Kinds that want their columns on one scale."""


def _one_hot(features: Sequence[Column]) -> ColumnTransformer:
    """A yes or no for each value of a category; where it is unknown, no for all of them."""
    values = {c.name: c.values for c in features if c.type == "category" and c.values}
    places = [np.arange(len(known), dtype=float) for known in values.values()]
    encoder = OneHotEncoder(categories=places, handle_unknown="ignore", sparse_output=False)
    numbers = [column.name for column in features if column.type != "category"]
    return ColumnTransformer(
        [("values", encoder, list(values)), ("numbers", "passthrough", numbers)]
    )


def make_pipeline(recipe: ClinicalRecipe, features: Sequence[Column], seed: int) -> Pipeline:
    """Build the pipeline, unfitted; it takes a table with the features' columns.

    Parameters
    ----------
    recipe : Recipe
        Kind of model, and how gaps are filled.
    features : sequence of Column
        The columns that it takes.
    seed : int
        Of the model and the imputation.

    Raises
    ------
    ConfigError
        ``RECIPE_INVALID``: the grid names what the model does not have.
    InvalidTableError
        ``FORMULA_INPUT_MISSING``: the table lacks an input of the symptom formula.
    """
    if recipe.kind == "menni":
        return Pipeline([(MODEL, SymptomFormula(formula_inputs(features)))])
    steps: list[tuple[str, Any]] = []
    if recipe.missing != "only" and any(column.type == "category" for column in features):
        steps.append(("categories", _one_hot(features)))
    if recipe.missing != "native":
        steps.append(("missing", IMPUTERS[recipe.missing](seed)))
    if recipe.kind in SCALED:
        steps.append(("scale", StandardScaler()))
    if recipe.select is not None:
        steps.append(("select", SelectKBest(f_classif, k=recipe.select)))
    model = MODELS[recipe.kind](recipe, seed)
    strange = sorted(set(recipe.grid) - set(model.get_params()))
    if strange:
        raise ConfigError(
            "RECIPE_INVALID",
            f"The grid of {recipe.name} has parameters that a {recipe.kind} model does not have.",
            expected=", ".join(sorted(model.get_params())),
            actual=", ".join(strange),
        )
    return Pipeline([*steps, (MODEL, model)])

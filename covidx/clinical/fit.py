"""Fitting a recipe: hyper-parameters and calibration from inner folds of the training rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold

from covidx.cards import Column
from covidx.clinical.pipeline import MODEL, make_pipeline
from covidx.clinical.recipe import ClinicalRecipe
from covidx.clinical.rows import ClinicalRows
from covidx.cohort import need_groups

FloatArray = npt.NDArray[np.float64]
Folds = list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted model, with what its inner folds chose.

    Parameters
    ----------
    recipe : ClinicalRecipe
        Kind of model, and how gaps are filled.
    features : list of Column
        The columns that it takes.
    model : estimator
        From a table of raw features to probabilities of (other, positive).
    chosen : dict
        Hyper-parameters that the inner folds chose.
    inner_auroc : float
        Mean AUROC of the inner folds with them: for choosing among recipes, not for reporting.
    """

    recipe: ClinicalRecipe
    features: list[Column]
    model: Any
    chosen: dict[str, Any]
    inner_auroc: float

    def score(self, table: pd.DataFrame) -> FloatArray:
        """Probability of the positive class of each row of `table`; NaN where there is none."""
        names = [column.name for column in self.features]
        scores: FloatArray = self.model.predict_proba(table[names])[:, 1]
        return scores


def cut(rows: ClinicalRows, folds: int, seed: int) -> Folds:
    """Folds of training rows that divide no group.

    Parameters
    ----------
    rows : ClinicalRows
        Training rows.
    folds : int
        How many.
    seed : int
        Of the division.

    Returns
    -------
    list of (ndarray of int, ndarray of int)
        Places of the rows to train on, and of those held out.

    Raises
    ------
    InvalidTableError
        ``TOO_FEW_GROUPS``: a class has fewer groups than there are folds.
    """
    groups = rows.table["group_id"].to_numpy()
    need_groups(groups, rows.truth, folds)
    if rows.table["group_id"].is_unique:  # the same division, without a loop over groups
        return list(
            StratifiedKFold(folds, shuffle=True, random_state=seed).split(groups, rows.truth)
        )
    cutter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(cutter.split(groups, rows.truth, groups))


def fit_recipe(recipe: ClinicalRecipe, rows: ClinicalRows, *, seed: int, folds: int = 5) -> Fitted:
    """Choose hyper-parameters on inner folds, then fit all of `rows` with them.

    Parameters
    ----------
    recipe : ClinicalRecipe
        With the grid of hyper-parameters.
    rows : ClinicalRows
        Training rows alone.
    seed : int
        Of the folds and the models.
    folds : int
        Inner folds, cut by group.

    Raises
    ------
    InvalidTableError, ConfigError
        As `cut` and `make_pipeline`.
    """
    pipeline = make_pipeline(recipe, rows.features, seed)
    if recipe.kind == "menni":
        return _fixed(recipe, rows, pipeline)
    inputs, truth = rows.table[rows.names], rows.truth
    grid = {f"{MODEL}__{name}": values for name, values in recipe.grid.items()}
    inner = cut(rows, folds, seed)
    search = GridSearchCV(pipeline, grid, scoring="roc_auc", cv=inner, refit=False)
    with _patient():
        search.fit(inputs, truth)
        best = int(np.argmax(search.cv_results_["mean_test_score"]))
        params = search.cv_results_["params"][best]
        model = _build(recipe, pipeline.set_params(**params), rows, inner)
    chosen = {name.removeprefix(f"{MODEL}__"): value for name, value in params.items()}
    auroc = float(search.cv_results_["mean_test_score"][best])
    return Fitted(recipe, rows.features, model, chosen, auroc)


def _fixed(recipe: ClinicalRecipe, rows: ClinicalRows, pipeline: Any) -> Fitted:
    """The formula, and its AUROC on the training rows that it can score."""
    model = pipeline.fit(rows.table[rows.names], rows.truth)
    fitted = Fitted(recipe, rows.features, model, {}, float("nan"))
    scores = fitted.score(rows.table)
    known = ~np.isnan(scores)
    if len(np.unique(rows.truth[known])) < 2:
        return fitted
    auroc = float(roc_auc_score(rows.truth[known], scores[known]))
    return Fitted(recipe, rows.features, model, {}, auroc)


def _build(recipe: ClinicalRecipe, pipeline: Any, rows: ClinicalRows, inner: Folds) -> Any:
    """Fit; where the recipe says so, calibrate on out-of-fold scores."""
    inputs, truth = rows.table[rows.names], rows.truth
    if recipe.calibration == "none":
        return pipeline.fit(inputs, truth)
    calibrated = CalibratedClassifierCV(
        pipeline, method=recipe.calibration, cv=inner, ensemble=False
    )
    return calibrated.fit(inputs, truth)


def fit_best(
    recipes: Sequence[ClinicalRecipe], rows: ClinicalRows, *, seed: int, folds: int = 5
) -> tuple[Fitted, list[Fitted]]:
    """Fit several recipes; the best is that of the highest AUROC on inner folds of `rows`.

    The formula is never the best: it is not fitted here, and is shown for comparison.

    Parameters
    ----------
    recipes : sequence of Recipe
        To choose from.
    rows : ClinicalRows
        Training rows.
    seed : int
        Of the folds and the models.
    folds : int
        Inner folds, cut by group.

    Returns
    -------
    best : Fitted
    all : list of Fitted
        In the order of `recipes`.
    """
    fitted = [fit_recipe(recipe, rows, seed=seed, folds=folds) for recipe in recipes]
    return best_of(fitted), fitted


def best_of(fitted: Sequence[Fitted]) -> Fitted:
    """The one of `fitted` with the highest AUROC on inner folds, the formula only by itself."""
    own = [model for model in fitted if model.recipe.kind != "menni"] or fitted
    return max(own, key=lambda model: model.inner_auroc)


def refit(fitted: Fitted, rows: ClinicalRows, *, seed: int, folds: int = 5) -> Fitted:
    """The same recipe with the same hyper-parameters, all else fitted anew on other rows.

    Parameters
    ----------
    fitted : Fitted
        Recipe with its hyper-parameters.
    rows : ClinicalRows
        Training rows.
    seed : int
        Of the folds and the models.
    folds : int
        Inner folds, cut by group.
    """
    if fitted.recipe.kind == "menni":
        return fitted
    params = {f"{MODEL}__{name}": value for name, value in fitted.chosen.items()}
    pipeline = make_pipeline(fitted.recipe, rows.features, seed).set_params(**params)
    with _patient():
        model = _build(fitted.recipe, pipeline, rows, cut(rows, folds, seed))
    return replace(fitted, model=model)


@contextmanager
def _patient() -> Iterator[None]:
    """A value that does not converge shows in its score; a warning each time adds nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield

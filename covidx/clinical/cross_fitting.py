"""Scores of training rows, each by a model that was fitted without the row's fold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from covidx.cards import Column
from covidx.clinical.fit import Fitted, cut, refit
from covidx.clinical.rows import ClinicalRows
from covidx.cohort import Classes
from covidx.tables import OUT_OF_FOLD

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FoldModels:
    """Models of one recipe, each fitted without one fold of the training rows.

    Parameters
    ----------
    models : list of Fitted
        One a fold.
    held_out : list of ndarray of int
        The places of the rows that each model was not fitted on; together all training rows.
    """

    models: list[Fitted]
    held_out: list[npt.NDArray[np.intp]]

    def score(self, table: pd.DataFrame) -> FloatArray:
        """Probability of the positive class of each training row, by the model without its fold.

        Parameters
        ----------
        table : DataFrame
            The training rows in their order; values may be blanked.
        """
        scores = np.full(len(table), np.nan)
        for model, places in zip(self.models, self.held_out, strict=True):
            scores[places] = model.score(table.iloc[places])
        return scores


def cross_fit_rows(fitted: Fitted, rows: ClinicalRows, *, seed: int, folds: int = 5) -> FoldModels:
    """Fit a recipe once without each fold of the training rows.

    The hyper-parameters are those of `fitted`; imputation, selection and calibration are fitted
    anew in each fold. The fixed formula, which learns nothing, has no folds.

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

    Raises
    ------
    InvalidTableError
        As `cut`.
    """
    places = np.arange(len(rows.table))
    if fitted.recipe.kind == "menni":
        return FoldModels([fitted], [places])
    parts = cut(rows, folds, seed)
    models = [
        refit(fitted, rows.only(np.isin(places, train)), seed=seed, folds=folds)
        for train, _ in parts
    ]
    return FoldModels(models, [held_out for _, held_out in parts])


def out_of_fold(fitted: Fitted, rows: ClinicalRows, *, seed: int, folds: int = 5) -> FloatArray:
    """Scores of the training rows by `cross_fit_rows`, shape (rows,).

    Parameters
    ----------
    fitted, rows, seed, folds
        As for `cross_fit_rows`.
    """
    return cross_fit_rows(fitted, rows, seed=seed, folds=folds).score(rows.table)


def score_by_role(
    fitted: Fitted, rows: ClinicalRows, *, seed: int, folds: int = 5
) -> tuple[ClinicalRows, FloatArray]:
    """Scores of all rows; where no row validates, training rows are scored out of fold.

    Parameters
    ----------
    fitted : Fitted
        Fitted on the rows of role train.
    rows : ClinicalRows
        With role.
    seed, folds : int
        As for `cross_fit_rows`.

    Returns
    -------
    rows : ClinicalRows
        The same, of role out-of-fold where the score is.
    scores : ndarray of float64, shape (rows,)
        Probability of the positive class; NaN where there is none.
    """
    scores, role = fitted.score(rows.table), rows.table["role"]
    if (role == "validation").any():
        return rows, scores
    train = (role == "train").to_numpy()
    scores[train] = out_of_fold(fitted, rows.only(train), seed=seed, folds=folds)
    return replace(rows, table=rows.table.assign(role=role.replace("train", OUT_OF_FOLD))), scores


class Reference(NamedTuple):
    """Rows of the days of the training that their model did not learn from.

    Parameters
    ----------
    rows : ClinicalRows
        Of role validation, or all of role train.
    model : Fitted or FoldModels
        Scores them: of training rows, the models without their fold.
    """

    rows: ClinicalRows
    model: Fitted | FoldModels


def reference_of(fitted: Fitted, rows: ClinicalRows, *, seed: int, folds: int = 5) -> Reference:
    """The rows that later ones are measured against, and what scores them.

    Parameters
    ----------
    fitted : Fitted
        Fitted on the rows of role train.
    rows : ClinicalRows
        With role.
    seed, folds : int
        As for `cross_fit_rows`.
    """
    validation = rows.only(rows.table["role"] == "validation")
    if len(validation.table):
        return Reference(validation, fitted)
    train = rows.only(rows.table["role"] == "train")
    return Reference(train, cross_fit_rows(fitted, train, seed=seed, folds=folds))


def rows_of_run(
    values: pd.DataFrame,
    splits: pd.DataFrame,
    predictions: pd.DataFrame,
    columns: list[Column],
    classes: Classes,
) -> ClinicalRows:
    """The clinical rows of a run, in the order in which it fitted them.

    Parameters
    ----------
    values : DataFrame
        ``clinical.parquet``: patient_id and the columns.
    splits : DataFrame
        ``splits.parquet``: group_id and role of each patient.
    predictions : DataFrame
        ``predictions.parquet``: the label of each patient.
    columns : list of Column
        Of the model.
    classes : Classes
        Of the model.
    """
    roles = splits[["patient_id", "group_id", "role"]].drop_duplicates("patient_id")
    labels = predictions[["patient_id", "label"]].drop_duplicates("patient_id")
    table = values.merge(roles, on="patient_id").merge(labels, on="patient_id", how="left")
    return ClinicalRows(table.assign(fold=0), columns, classes, [])

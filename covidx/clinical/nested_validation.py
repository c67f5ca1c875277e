"""Nested cross-validation: outer folds test, inner folds of the rest choose everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from covidx.clinical.cross_fitting import out_of_fold
from covidx.clinical.fit import Fitted, cut, fit_best
from covidx.clinical.predict import ARM, predictions_of
from covidx.clinical.recipe import ClinicalRecipe
from covidx.clinical.rows import ClinicalRows
from covidx.evaluate import OperatingPoint, choose_operating_point
from covidx.tables import OUT_OF_FOLD


@dataclass(frozen=True, eq=False)
class Nested:
    """What nested cross-validation gave.

    Parameters
    ----------
    predictions : DataFrame
        As `tables.PREDICTIONS`: every row once with role ``test``.
    points : dict
        Fold -> operating point, from out-of-fold scores of that fold's training rows.
    fitted : dict
        Fold -> the model that its inner folds chose.
    """

    predictions: pd.DataFrame
    points: dict[int, OperatingPoint]
    fitted: dict[int, Fitted]


def nested(
    recipes: Sequence[ClinicalRecipe],
    rows: ClinicalRows,
    *,
    seed: int,
    outer: int = 5,
    inner: int = 5,
    arm: str = ARM,
) -> Nested:
    """Cross-validate a choice among recipes, by group.

    Parameters
    ----------
    recipes : sequence of ClinicalRecipe
        In each outer fold the best on inner folds is taken, with its hyper-parameters.
    rows : ClinicalRows
        All labelled rows.
    seed : int
        Of the folds and the models.
    outer, inner : int
        Folds, cut by group.
    arm : str
        Name in the predictions table.
    """
    tables, points, models = [], {}, {}
    for fold, (train, test) in enumerate(cut(rows, outer, seed)):
        places = np.arange(len(rows.table))
        learned, held_out = (rows.only(np.isin(places, part)) for part in (train, test))
        best, _ = fit_best(recipes, learned, seed=seed, folds=inner)
        scores = out_of_fold(best, learned, seed=seed, folds=inner)
        scored = predictions_of(_with(learned, fold, OUT_OF_FOLD), scores, run_id="nested", arm=arm)
        points[fold] = choose_operating_point(scored, rows.classes.positive)
        models[fold] = best
        tested = _with(held_out, fold, "test")
        tables.append(predictions_of(tested, best.score(tested.table), run_id="nested", arm=arm))
    return Nested(pd.concat(tables, ignore_index=True), points, models)


def _with(rows: ClinicalRows, fold: int, role: str) -> ClinicalRows:
    table = rows.table.assign(fold=fold, role=role)
    return ClinicalRows(table, rows.features, rows.classes, rows.notes)

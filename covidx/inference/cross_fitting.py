"""Scores of the rows that an ensemble was trained on, each by the member that did not see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from covidx.cohort import inner_folds
from covidx.imaging.cache import BagCache
from covidx.inference.image import ImagePredictor, predict_cache
from covidx.inference.image_bundle import ImageRecipe
from covidx.models.bag import BagEnsemble
from covidx.tables import OUT_OF_FOLD


def held_out_rows(rows: pd.DataFrame, recipe: ImageRecipe, seed: int) -> list[pd.DataFrame]:
    """The training rows that each member of an ensemble does not learn from.

    Parameters
    ----------
    rows : DataFrame
        Manifest rows with role; all of role train.
    recipe : ImageRecipe
        Says how many members there are.
    seed : int
        Of the training.
    """
    train, members = rows[rows["role"] == "train"], recipe.architecture.members
    folds = inner_folds(train, members, seed)
    return [train[folds == member] for member in range(members)]


def score_rows(
    predictor: ImagePredictor,
    cache: BagCache,
    rows: pd.DataFrame,
    seed: int,
    run_id: str,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Score the rows of a run into a predictions table.

    Parameters
    ----------
    predictor : ImagePredictor
        One network, or an ensemble.
    cache : BagCache
        Bags by image_id, prepared by the bundle's preprocessing.
    rows : DataFrame
        Manifest rows with fold and role; where some are of role train, all of them.
    seed : int
        Of the training, which cut the folds of an ensemble.
    run_id : str
        Written in each row.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    DataFrame
        As `predict_cache`. Training rows of an ensemble have the role out-of-fold, and the score
        of the one member that did not learn from them.
    """
    model = predictor.model
    if not isinstance(model, BagEnsemble):
        return predict_cache(predictor, cache, rows, run_id, progress)
    level = "image" if rows["patient_id"].duplicated().any() else "patient"
    parts = held_out_rows(rows, predictor.bundle.recipe, seed)
    tables = [
        predict_cache(
            replace(predictor, model=member),
            cache,
            part.assign(role=OUT_OF_FOLD),
            run_id,
            level=level,
        )
        for member, part in zip(model.members, parts, strict=True)
    ]
    others = rows[rows["role"] != "train"]
    if len(others):
        tables.append(predict_cache(predictor, cache, others, run_id, progress, level=level))
    return pd.concat(tables, ignore_index=True)

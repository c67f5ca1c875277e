"""How well a plain model classifies by some features, out of fold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from covidx.audit.shortcuts.conditions import View, ring

FEWEST = 10
"""Groups of each side that a probe needs at least."""
FOLDS = 5
INVERSE_PENALTY = 0.01
"""C of the logistic regression: features outnumber patients. Modelling choice."""
TREES, LEAF = 500, 2
"""Of the forest, and the fewest rows in a leaf."""
CELLS = 8
"""The rim is described cell by cell of a grid of this many rows and columns."""


def border_features(view: View) -> NDArray[np.float64]:
    """Mean, standard deviation and maximum of the greys of each cell on the rim of `view`.

    Pixels in the hull of the lungs do not count. A cell without pixels has the rim's own values.

    Returns
    -------
    ndarray of float64, shape (cells on the rim x 3,)
        Means over the slices.
    """
    _, rows, columns = view.pixels.shape
    rim = ring(rows, columns)
    row, column = np.indices((rows, columns))
    cells = row * CELLS // rows * CELLS + column * CELLS // columns
    used = np.unique(cells[rim])
    slices = zip(view.pixels, view.hull, strict=True)
    parts = [_of_slice(grey, rim & ~hull, cells, used) for grey, hull in slices]
    mean: NDArray[np.float64] = np.mean(parts, axis=0)
    return mean


def _of_slice(
    grey: NDArray[np.uint8],
    kept: NDArray[np.bool_],
    cells: NDArray[np.int64],
    used: NDArray[np.int64],
) -> NDArray[np.float64]:
    rim = _described(grey[kept]) if kept.any() else np.zeros(3)
    parts = [grey[kept & (cells == cell)] for cell in used]
    return np.concatenate([_described(part) if part.size else rim for part in parts])


def _described(greys: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.array([greys.mean(), greys.std(), greys.max()], dtype=np.float64)


def linear() -> BaseEstimator:
    """For a network's features: many, each of them weak."""
    model = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=1000)
    return make_pipeline(StandardScaler(), model)


def forest() -> BaseEstimator:
    """For greys of the border: a marker shows in one cell, which a penalised line drowns."""
    return RandomForestClassifier(
        TREES, min_samples_leaf=LEAF, class_weight="balanced", random_state=0
    )


def out_of_fold(
    features: NDArray[np.float64],
    truth: NDArray[np.bool_],
    groups: NDArray[np.str_],
    make: Callable[[], BaseEstimator],
) -> NDArray[np.float64] | None:
    """Scores of each row by a model that was not trained on its group.

    Five folds, divided by group, stratified by `truth`; the seed is fixed. Both classes weigh
    alike, so that the share of a class in the training folds does not shift a fold's scores.

    Parameters
    ----------
    features : ndarray, shape (rows, features)
        Inputs of the model.
    truth : ndarray of bool, shape (rows,)
        Class.
    groups : ndarray of str, shape (rows,)
        Rows of one group stay in one fold.
    make : callable
        `linear` or `forest`.

    Returns
    -------
    ndarray, shape (rows,), optional
        None with fewer than `FEWEST` groups on a side.
    """
    if min(len(np.unique(groups[truth == side])) for side in (False, True)) < FEWEST:
        return None
    scores = np.full(len(truth), np.nan)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for train, test in folds.split(features, truth, groups):
        if len(np.unique(truth[train])) < 2:  # one huge group
            return None
        model: Any = make()
        model.fit(features[train], truth[train])
        scores[test] = model.predict_proba(features[test])[:, 1]
    return scores

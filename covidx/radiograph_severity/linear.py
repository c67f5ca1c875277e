"""Linear models of many features and few patients, and the choice among them by inner folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold

Floats = NDArray[np.float64]
Names = NDArray[np.str_]

CANDIDATES = {
    **{f"ridge {share:g}": ("ridge", share) for share in (0.01, 0.03, 0.1)},
    **{f"PLS {n}": ("pls", float(n)) for n in (3, 4, 5, 6)},
}
"""Name -> kind, and the penalty as a share of the features' variance, or the components."""
NO_SPREAD = 1e-6


@dataclass(frozen=True, eq=False)
class Linear:
    """Features to scores.

    Parameters
    ----------
    weights : ndarray of float, shape (features, scores)
        Change of each score by unit of a feature.
    offset : ndarray of float, shape (scores,)
        Scores where all features are 0.
    """

    weights: Floats
    offset: Floats

    def __call__(self, features: NDArray[np.floating]) -> Floats:
        """(rows, features) to (rows, scores)."""
        values: Floats = features @ self.weights + self.offset
        return values


@dataclass(frozen=True)
class Choice:
    """What inner folds chose for one score.

    Parameters
    ----------
    view : str
        Part of the radiograph.
    model : str
        One of `CANDIDATES`.
    inner_mae : float
        Mean absolute error on inner folds, in points of the score.
    """

    view: str
    model: str
    inner_mae: float


def fit_candidates(
    features: NDArray[np.floating], scores: Floats, names: list[str]
) -> dict[str, Linear]:
    """Fit candidates on the same rows; features are brought to spread 1 by these rows alone.

    Parameters
    ----------
    features : ndarray, shape (rows, features)
        Of the training rows.
    scores : ndarray of float, shape (rows, scores)
        The readers'.
    names : list of str
        Of `CANDIDATES`.
    """
    x = features.astype(np.float64)
    mean, spread = x.mean(0), x.std(0)
    scale = np.where(spread > NO_SPREAD, spread, np.inf)  # a feature without spread counts 0
    standard = (x - mean) / scale
    # The rows differ only in the few directions that they span.
    _, size, basis = np.linalg.svd(standard, full_matrices=False)
    basis = basis[size > size[0] * NO_SPREAD]
    rotated, variance = standard @ basis.T, float((standard**2).sum() / len(x))
    models = {}
    for name in names:
        kind, amount = CANDIDATES[name]
        if kind == "ridge":
            model = Ridge(alpha=amount * variance)
        else:
            most = min(int(amount), rotated.shape[1])
            model = PLSRegression(most, scale=False)
        model.fit(rotated, scores)
        middle = np.atleast_1d(model.predict(np.zeros((1, rotated.shape[1])))[0])
        weights = (np.atleast_2d(model.coef_) @ basis / scale).T
        models[name] = Linear(weights, middle - mean @ weights)
    return models


def _errors(
    views: Mapping[str, NDArray[np.floating]], scores: Floats, groups: Names, limits: Floats
) -> dict[tuple[str, str], Floats]:
    """Mean absolute error by view, candidate and score, on inner folds that divide no group."""
    folds = min(5, len(np.unique(groups)))
    splitter = GroupKFold(folds, shuffle=True, random_state=0)
    errors: dict[tuple[str, str], Floats] = {}
    for train, test in splitter.split(scores, groups=groups):
        for view, x in views.items():
            for name, model in fit_candidates(x[train], scores[train], list(CANDIDATES)).items():
                wrong = np.abs(np.clip(model(x[test]), 0, limits) - scores[test]).sum(0)
                errors[view, name] = errors.get((view, name), np.zeros(len(limits))) + wrong
    return {key: total / len(scores) for key, total in errors.items()}


def _best(errors: Mapping[tuple[str, str], Floats], place: int, views: set[str]) -> Choice:
    view, name = min(
        (key for key in errors if key[0] in views), key=lambda key: float(errors[key][place])
    )
    return Choice(view, name, float(errors[view, name][place]))


def choose(
    views: Mapping[str, NDArray[np.floating]], scores: Floats, groups: Names, limits: Floats
) -> list[tuple[Choice, Linear]]:
    """For each score the view and model of the least error on inner folds, fitted on all rows.

    Parameters
    ----------
    views : mapping of str to ndarray, shape (rows, features)
        Part of the radiograph -> features.
    scores : ndarray of float, shape (rows, scores)
        The readers', from 0 to `limits`.
    groups : ndarray of str, shape (rows,)
        Patients, which no fold divides.
    limits : ndarray of float, shape (scores,)
        The highest value of each score.
    """
    errors = _errors(views, scores, groups, limits)
    chosen = []
    for place in range(len(limits)):
        best = _best(errors, place, set(views))
        model = fit_candidates(views[best.view], scores, [best.model])[best.model]
        score = slice(place, place + 1)
        chosen.append((best, Linear(model.weights[:, score], model.offset[score])))
    return chosen


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Scores of rows that were not trained on.

    Parameters
    ----------
    found, control : ndarray of float, shape (rows, scores)
        Scores by the complete procedure; and the training rows' median.
    by_view : dict of str to ndarray, shape (rows, scores)
        View -> scores by the procedure with this view alone.
    choices : list of (str, int, Choice)
        Group that was left out, place of the score, choice.
    """

    found: Floats
    control: Floats
    by_view: dict[str, Floats]
    choices: list[tuple[str, int, Choice]]


def leave_one_out(
    views: Mapping[str, NDArray[np.floating]],
    scores: Floats,
    groups: Names,
    limits: Floats,
    progress: Callable[[int, int], None],
) -> OutOfFold:
    """Leave each group out in turn; view and model are chosen anew on the others' inner folds.

    Parameters
    ----------
    views, scores, groups, limits
        As for `choose`.
    progress : callable
        Called with (done, total).
    """
    blank = np.full(scores.shape, np.nan)
    result = OutOfFold(blank, blank.copy(), {view: blank.copy() for view in views}, [])
    names = np.unique(groups)
    for done, name in enumerate(names, 1):
        out = groups == name
        errors = _errors({v: x[~out] for v, x in views.items()}, scores[~out], groups[~out], limits)
        fitted = {
            v: fit_candidates(x[~out], scores[~out], list(CANDIDATES)) for v, x in views.items()
        }
        result.control[out] = np.median(scores[~out], axis=0)
        for place in range(len(limits)):
            for view, x in views.items():
                own = _best(errors, place, {view})
                values = np.clip(fitted[view][own.model](x[out]), 0, limits)
                result.by_view[view][out, place] = values[:, place]
            best = _best(errors, place, set(views))
            result.found[out, place] = result.by_view[best.view][out, place]
            result.choices.append((str(name), place, best))
        progress(done, len(names))
    return result

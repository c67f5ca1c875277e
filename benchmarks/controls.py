"""Controls: what can be told without looking at the lungs.

A figure of a classifier means little unless it stands beside what file metadata, the border of the
picture and its grey histogram tell on the same folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from covidx.cohort import Splits, inner_folds

FloatArray = NDArray[np.float64]

SIDE, FRAME = 24, 2
"""The picture at 24 x 24; its frame 2 wide is the outer 8 % on each side."""
GREY_BINS = 32
TREES = 400
INNER_FOLDS = 4


@dataclass(frozen=True, eq=False)
class ControlScores:
    """What one control says of every row when that row is in the test part.

    Parameters
    ----------
    scores : array, shape (rows,)
        In the order of the manifest.
    folds : int array, shape (rows,)
        The fold that tests the row.
    chosen : dict
        Fold -> ``forest`` or ``logistic``, and both AUROCs on inner folds.
    """

    scores: FloatArray
    folds: NDArray[np.int64]
    chosen: dict[int, tuple[str, dict[str, float]]]


def metadata_features(manifest: pd.DataFrame) -> FloatArray:
    """Width, height, their ratio, format and mode of the original files; no pixel is read."""
    size = manifest[["columns", "rows"]].to_numpy(np.float64)
    kinds = pd.get_dummies(manifest[["source_format", "mode"]].fillna("unknown"))
    return np.column_stack([size, size[:, 0] / size[:, 1], kinds.to_numpy(np.float64)])


def border_features(picture: NDArray[np.uint8]) -> FloatArray:
    """(176,): greys of the outer 8 % of a picture, averaged in cells that reach no further in."""
    small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX)
    frame = np.ones((SIDE, SIDE), dtype=bool)
    frame[FRAME:-FRAME, FRAME:-FRAME] = False
    return np.asarray(small, dtype=np.float64)[frame] / 255


def histogram_features(picture: NDArray[np.uint8]) -> FloatArray:
    """(32,): share of pixels in each bin of grey."""
    counts, _ = np.histogram(picture, GREY_BINS, (0, 256))
    return np.asarray(counts / picture.size, dtype=np.float64)


def run_control(
    features: FloatArray, manifest: pd.DataFrame, splits: Splits, positive: str, seed: int
) -> ControlScores:
    """Score every row by the better of a forest and a logistic model.

    In each fold both are compared by AUROC on inner folds of the rows that are not tested; the
    better one is fitted on all of them and scores the test rows. So a control has the rows that
    the network has, and nothing is tuned on test rows.

    Parameters
    ----------
    features : array, shape (rows, features)
    manifest : DataFrame
        Rows in the same order, grouped as `splits` was made.
    splits : Splits
        Each row is in the test part of one fold.
    positive : str
    seed : int
        Of the forest.
    """
    truth = manifest["label"].to_numpy() == positive
    scores = np.full(len(truth), np.nan)
    folds = np.full(len(truth), -1, dtype=np.int64)
    chosen = {}
    for fold in splits.folds:
        test = splits.assign(manifest, fold)["role"].to_numpy() == "test"
        inner = PredefinedSplit(inner_folds(manifest[~test], INNER_FOLDS, seed))
        found = {}
        for name, model in _models(seed).items():
            scored = cross_val_predict(
                model, features[~test], truth[~test], cv=inner, method="predict_proba"
            )
            found[name] = float(roc_auc_score(truth[~test], scored[:, 1]))
        best = max(found, key=lambda name: found[name])
        model = _models(seed)[best].fit(features[~test], truth[~test])
        scores[test], folds[test] = model.predict_proba(features[test])[:, 1], fold
        chosen[fold] = (best, found)
    if np.isnan(scores).any():
        raise ValueError("Some rows are in no fold's test part.")
    return ControlScores(scores, folds, chosen)


def _models(seed: int) -> Mapping[str, Any]:
    return {
        "forest": RandomForestClassifier(
            TREES, min_samples_leaf=2, class_weight="balanced", random_state=seed, n_jobs=1
        ),
        "logistic": make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=5000, class_weight="balanced")
        ),
    }

"""Inner folds of training rows, and what rows must have to be cut at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from covidx.errors import InvalidTableError


def need_groups(groups: npt.NDArray[np.str_], positive: npt.NDArray[np.bool_], folds: int) -> None:
    """Refuse to cut training rows into inner folds of which one would lack a class.

    Parameters
    ----------
    groups : ndarray of str, shape (rows,)
        The group of each training row.
    positive : ndarray of bool, shape (rows,)
        Whether its class is the positive one.
    folds : int
        Inner folds.

    Raises
    ------
    InvalidTableError
        ``TOO_FEW_GROUPS``: a class has fewer groups than there are folds.
    """
    counts = [len(np.unique(groups[positive == side])) for side in (True, False)]
    if min(counts) < folds:
        raise InvalidTableError(
            "TOO_FEW_GROUPS",
            "There are too few training rows for the inner folds.",
            expected=f"{folds} independent groups of each class, or more",
            actual=f"{counts[0]} positive, {counts[1]} others",
            hint="Add patients, or set fewer inner folds (--set inner_folds=2).",
        )


def need_parts(rows: pd.DataFrame, parts: int) -> None:
    """Refuse rows of which a class cannot be in every part of a split.

    Parameters
    ----------
    rows : DataFrame
        With label and group_id.
    parts : int
        How many parts the groups of each class are cut into.

    Raises
    ------
    InvalidTableError
        ``ONE_CLASS``; ``TOO_FEW_GROUPS``.
    """
    counts = rows.groupby("label")["group_id"].nunique()
    if len(counts) < 2:
        raise InvalidTableError(
            "ONE_CLASS",
            "A classifier needs patients of at least two classes.",
            expected="two labels or more",
            actual=", ".join(f"{name}: {n}" for name, n in counts.items()) or "none",
            hint="Add patients of a second class, or correct the labels.",
        )
    if counts.min() < parts:
        raise InvalidTableError(
            "TOO_FEW_GROUPS",
            f"Each class needs at least {parts} independent groups (patients, sources).",
            expected=f">= {parts} a class",
            actual=", ".join(f"{name}: {n}" for name, n in counts.items()),
            hint="Add patients, or leave the rare class out of the labels.",
        )


def inner_folds(rows: pd.DataFrame, folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Cut training rows by group into folds of like size and label mix.

    Parameters
    ----------
    rows : DataFrame
        Training rows, in any order: image_id, group_id and label.
    folds : int
        At least 2.
    seed : int
        Of the division.

    Returns
    -------
    ndarray of int64, shape (rows,)
        The fold that each row is in; it depends on the row and the others, not on their order.

    Raises
    ------
    InvalidTableError
        ``ONE_CLASS``, ``TOO_FEW_GROUPS``.
    """
    need_parts(rows, folds)
    order = rows["image_id"].argsort().to_numpy()
    ordered = rows.iloc[order]
    cutter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    fold = np.empty(len(rows), dtype=np.int64)
    for number, (_, held_out) in enumerate(
        cutter.split(ordered, ordered["label"], ordered["group_id"])
    ):
        fold[order[held_out]] = number
    return fold

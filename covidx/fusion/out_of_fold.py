"""Out-of-fold scores of training patients: all that a fusion may be fitted on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from covidx.cohort import need_groups
from covidx.errors import LeakageError
from covidx.fusion.arms import FloatArray

Mask = npt.NDArray[np.bool_]
SHOWN = 5


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """An arm's out-of-fold log odds of training patients.

    It cannot be built with scores of patients that the arm was trained on: there a model is surer
    than on any others, and what is fitted on such scores trusts it too much.

    Parameters
    ----------
    patients : DataFrame
        patient_id, group_id, and fold: the number of the model that scored the row.
    logits : ndarray, shape (rows,)
        Log odds of the positive class.
    trained_on : sequence of frozenset of str
        By fold: the groups that its model was trained, or its training stopped, on.

    Raises
    ------
    LeakageError
        ``SCORED_IN_TRAINING``: a group was scored by a model that was trained on it.
    """

    patients: pd.DataFrame
    logits: FloatArray
    trained_on: Sequence[frozenset[str]]

    def __post_init__(self) -> None:
        for fold, part in self.patients.groupby("fold"):
            leaked = sorted(set(part["group_id"]) & self.trained_on[int(str(fold))])
            if leaked:
                raise LeakageError(
                    "SCORED_IN_TRAINING",
                    "An arm scored groups that it was trained on: nothing may be fitted on that.",
                    expected="scores by models that were not trained on the patient's group",
                    actual=", ".join(leaked[:SHOWN]) + (" …" if len(leaked) > SHOWN else ""),
                )

    @property
    def by_patient(self) -> pd.Series:
        """patient_id -> mean log odds."""
        means: pd.Series = pd.Series(self.logits).groupby(self.patients["patient_id"].array).mean()
        return means


def cross_fit(
    rows: pd.DataFrame,
    folds: Sequence[Mask],
    score: Callable[[Mask, Mask], FloatArray],
) -> OutOfFold:
    """Score each fold by a model that was trained on the others.

    Parameters
    ----------
    rows : DataFrame
        Training rows: patient_id, group_id.
    folds : sequence of mask, shape (rows,)
        The rows that each fold holds out; together all rows.
    score : callable
        From (rows to train on, rows to score) to the log odds of the latter.
    """
    parts, logits, trained_on = [], [], []
    for number, held_out in enumerate(folds):
        logits.append(score(~held_out, held_out))
        parts.append(rows.loc[held_out, ["patient_id", "group_id"]].assign(fold=number))
        trained_on.append(frozenset(rows.loc[~held_out, "group_id"]))
    return OutOfFold(pd.concat(parts, ignore_index=True), np.concatenate(logits), trained_on)


def held_out(rows: pd.DataFrame, positive: Mask, folds: int, seed: int) -> list[Mask]:
    """Masks of training rows, shape (rows,), one a fold; no group is divided.

    Parameters
    ----------
    rows : DataFrame
        Training rows: group_id.
    positive : mask, shape (rows,)
        Their class.
    folds : int
        How many.
    seed : int
        Of the division.

    Raises
    ------
    InvalidTableError
        ``TOO_FEW_GROUPS``: a class has fewer groups than there are folds.
    """
    groups = rows["group_id"].to_numpy(str)
    need_groups(groups, positive, folds)
    cutter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    place = np.arange(len(rows))
    return [np.isin(place, out) for _, out in cutter.split(groups, positive, groups)]

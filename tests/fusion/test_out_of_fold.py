"""What may be stacked on: scores of patients whom a model had not seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from covidx.errors import InvalidTableError, LeakageError
from covidx.fusion import Mask, OutOfFold, cross_fit, held_out

ROWS = pd.DataFrame({"patient_id": ["a", "b", "c", "d"], "group_id": ["home", "home", "c", "d"]})


def test_scores_of_trained_patients_cannot_be_stacked_on() -> None:
    rows = ROWS.assign(fold=0)
    OutOfFold(rows, np.zeros(4), [frozenset({"other"})])
    with pytest.raises(LeakageError, match="SCORED_IN_TRAINING") as caught:
        OutOfFold(rows, np.zeros(4), [frozenset({"other", "home"})])
    assert caught.value.actual == "home"


def test_a_patient_of_a_group_that_was_seen_counts_as_seen() -> None:
    """a was not trained on, but b of the same home was."""
    with pytest.raises(LeakageError, match="SCORED_IN_TRAINING"):
        cross_fit(
            ROWS,
            [np.array([True, False, False, False]), np.array([False, True, True, True])],
            lambda inner, out: np.zeros(int(out.sum())),
        )


def test_each_fold_is_scored_by_a_model_of_the_others() -> None:
    folds = [np.array([True, True, False, False]), np.array([False, False, True, True])]

    def score(inner: Mask, out: Mask) -> np.ndarray:
        return np.full(int(out.sum()), float(ROWS.loc[inner, "patient_id"].str.cat() == "cd"))

    found = cross_fit(ROWS, folds, score)
    assert found.by_patient.to_dict() == {"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.0}
    assert found.trained_on == [frozenset({"c", "d"}), frozenset({"home"})]


def test_folds_hold_out_every_row_once_and_divide_no_group() -> None:
    chance = np.random.default_rng(0)
    rows = pd.DataFrame({"group_id": chance.integers(0, 20, 60).astype(str)})
    positive = rows["group_id"].astype(int).to_numpy() % 2 == 0
    folds = held_out(rows, positive, 3, seed=0)
    assert np.sum(folds, axis=0).tolist() == [1] * 60
    for out in folds:
        assert not set(rows.loc[out, "group_id"]) & set(rows.loc[~out, "group_id"])


def test_too_few_groups_for_folds() -> None:
    with pytest.raises(InvalidTableError, match="TOO_FEW_GROUPS"):
        held_out(ROWS, np.array([True, True, False, False]), 2, seed=0)

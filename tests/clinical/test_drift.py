"""Drift: PSI by hand, and lost columns told from a changed world."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from covidx.clinical import ClinicalRecipe, ClinicalRows, Reference, fit_recipe, weekly
from covidx.clinical.drift import column_drift, psi
from tests.clinical.synthetic import synthetic_rows


def test_psi_by_hand() -> None:
    before = np.array([0.0] * 80 + [1.0] * 20)
    now = np.array([0.0] * 50 + [1.0] * 50)
    expected = (0.5 - 0.8) * math.log(0.5 / 0.8) + (0.5 - 0.2) * math.log(0.5 / 0.2)
    assert psi(before, now) == pytest.approx(expected)
    assert psi(before, before) == 0
    gaps = np.append(now, [np.nan] * 30)
    assert psi(before, gaps) == psi(before, now)  # gaps are told apart
    assert math.isnan(psi(before, np.full(5, np.nan)))


def test_psi_of_deciles_of_a_number() -> None:
    before = np.arange(100.0)
    # All in the first decile: nine bins at the floor of 1e-4, one at 1.
    expected = 9 * (1e-4 - 0.1) * math.log(1e-4 / 0.1) + 0.9 * math.log(10)
    assert psi(before, np.zeros(50)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("before", "now", "state"),
    [
        ([0, 1] * 50, [np.nan] * 90 + [0, 1] * 5, "lost"),
        ([np.nan] * 90 + [0, 1] * 5, [0, 1] * 50, "returned"),
        ([0] * 90 + [1] * 10, [0] * 40 + [1] * 60, "changed"),
        ([0] * 90 + [1] * 10, [0] * 88 + [1] * 12, "stable"),
        ([0] * 90 + [1] * 10, [np.nan] * 30 + [0] * 63 + [1] * 7, "stable"),
    ],
)
def test_states(before: list[float], now: list[float], state: str) -> None:
    found = column_drift("x", pd.Series(before, dtype=float), pd.Series(now, dtype=float))
    assert found.state == state


def test_a_lost_column_and_a_changed_world_are_told_apart() -> None:
    """Week 1 is as before; in week 2 `signal` is lost; in week 3 it says the opposite."""
    train, validation, later = (
        synthetic_rows(600, 1),
        synthetic_rows(2000, 2),
        synthetic_rows(4200, 3),
    )
    rows, truth = later.table, later.truth
    week = (rows["date"] - pd.Timestamp("2020-03-02")).dt.days // 7
    signal = rows["signal"].where(week != 1)
    signal = signal.where(week != 2, truth.astype(float).mean() * 2 - rows["signal"])
    changed = ClinicalRows(rows.assign(signal=signal), later.features, later.classes, [])
    boosting = ClinicalRecipe(name="boosting", kind="boosting", missing="native")
    fitted = fit_recipe(boosting, train, seed=0)
    found = weekly(fitted, train, Reference(validation, fitted), changed)
    assert [one.start for one in found] == ["2020-03-02", "2020-03-09", "2020-03-16", "2020-03-23"]
    assert [one.verdict for one in found] == [
        "as before",
        "lost column",
        "changed world",
        "as before",
    ]
    assert found[1].lost == ["signal"] and not found[2].lost
    assert found[1].auroc.value == pytest.approx(found[1].without.value, abs=0.03)
    assert found[0].without == found[0].before
    assert sum(one.n for one in found) == 4200
    said = found[1].to_json()
    assert said["columns"]["signal"] == {
        "state": "lost",
        "psi": None,
        "missing": 1.0,
        "missing_before": 0.0,
    }

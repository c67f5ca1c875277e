"""Differences between two samples: by hand, and against DeLong's variances."""

from __future__ import annotations

import numpy as np
import pytest

from covidx.evaluate import OperatingPoint, Rows, delong, performance_change
from tests.evaluate.reference import SCORES_A, SCORES_B, TRUTH, predictions

POINT = OperatingPoint(0.5, "youden", "validation, n = 10 (5 positive)")


def rows(scores: np.ndarray, truth: np.ndarray, groups: np.ndarray | None = None) -> Rows:
    return Rows.of(predictions(scores, truth, groups=groups), "covid-19")


def test_values_by_hand() -> None:
    here = rows(np.array([0.9, 0.8, 0.2, 0.1]), np.array([True, True, False, False]))
    there = rows(np.array([0.9, 0.2, 0.6, 0.1]), np.array([True, True, False, False]))
    found = performance_change(here, there, POINT, resamples=200)
    assert found["auroc"].value == pytest.approx(1 - 0.75)
    assert found["sensitivity"].value == pytest.approx(1 - 0.5)
    assert found["specificity"].value == pytest.approx(1 - 0.5)
    squares = (0.01 + 0.04 + 0.04 + 0.01) / 4, (0.01 + 0.64 + 0.36 + 0.01) / 4
    assert found["brier"].value == pytest.approx(squares[0] - squares[1])


def test_the_interval_is_as_wide_as_two_independent_delong_variances() -> None:
    """The two sets are drawn apart, although their groups have the same names."""
    found = performance_change(rows(SCORES_A, TRUTH), rows(SCORES_B, TRUTH), POINT)["auroc"]
    (a, va), (b, vb) = (delong(s[None], TRUTH) for s in (SCORES_A, SCORES_B))
    assert found.value == pytest.approx(float(a[0] - b[0]))
    half = 1.96 * float(va[0, 0] + vb[0, 0]) ** 0.5
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)


def test_a_set_of_one_class_leaves_the_difference_undefined() -> None:
    ill = rows(np.array([0.9, 0.4]), np.array([True, True]))
    found = performance_change(rows(SCORES_A, TRUTH), ill, POINT, resamples=100)
    assert np.isnan(found["auroc"].value) and found["auroc"].reason
    assert np.isnan(found["specificity"].value)
    assert found["sensitivity"].value == pytest.approx((SCORES_A[TRUTH] >= 0.5).mean() - 0.5)

"""Errors, rank and agreement of scores, against other libraries and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score, mean_absolute_error, r2_score

from covidx.errors import InvalidTableError
from covidx.evaluate.scores import (
    conformal_half_width,
    coverage_without,
    mean_error,
    score_estimates,
)

RNG = np.random.default_rng(5)
TRUTH = RNG.integers(0, 9, 40).astype(float)
FOUND = np.clip(TRUTH + RNG.normal(0, 1.3, 40), 0, 8)
PATIENTS = np.repeat(np.arange(20), 2)


def test_values_are_those_of_other_libraries() -> None:
    found = score_estimates(TRUTH, FOUND, np.full(40, 3.0), PATIENTS, resamples=50)
    assert found["mae"].value == pytest.approx(mean_absolute_error(TRUTH, FOUND))
    assert found["mae_control"].value == pytest.approx(np.abs(TRUTH - 3).mean())
    assert found["r2"].value == pytest.approx(r2_score(TRUTH, FOUND))
    assert found["spearman"].value == pytest.approx(spearmanr(TRUTH, FOUND).statistic)
    assert mean_error(FOUND - TRUTH, PATIENTS).value == found["mae"].value
    rounded = np.rint(FOUND).astype(int)
    kappa = cohen_kappa_score(TRUTH.astype(int), rounded, weights="quadratic")
    assert found["kappa"].value == pytest.approx(kappa)


def test_the_differences_by_hand() -> None:
    found = score_estimates([0, 1, 2, 3], [0, 2, 2, 5], [1, 1, 1, 1], list("abcd"), resamples=20)
    assert found["mae"].value == pytest.approx(0.75)  # 0, 1, 0, 2
    assert found["mae_control"].value == pytest.approx(1.0)  # 1, 0, 1, 2
    assert found["mae_minus_control"].value == pytest.approx(-0.25)
    assert found["bias"].value == pytest.approx(0.75)
    assert found["mae"].n == 4


def test_whole_patients_are_drawn() -> None:
    # The two rows of a patient agree: as many rows say no more than half as many do.
    error = np.abs(RNG.normal(0, 2, 20))
    twice = score_estimates(np.zeros(40), np.repeat(error, 2), np.zeros(40), PATIENTS)
    once = score_estimates(np.zeros(20), error, np.zeros(20), np.arange(20))
    assert twice["mae"].low == pytest.approx(once["mae"].low, rel=0.02)


def test_a_score_that_never_changes_has_no_rank() -> None:
    found = score_estimates(TRUTH, np.full(40, 2.0), TRUTH, PATIENTS, resamples=20)
    assert found["spearman"].reason is not None


@pytest.mark.parametrize(
    ("code", "truth", "groups"),
    [("UNEQUAL_ROWS", [1.0], [0, 1]), ("SCORE_MISSING", [np.nan, 1.0], [0, 1])],
)
def test_rows_that_do_not_fit_are_refused(code: str, truth: list[float], groups: list[int]) -> None:
    with pytest.raises(InvalidTableError) as refused:
        score_estimates(truth, [1.0, 1.0], [1.0, 1.0], groups)
    assert refused.value.code == code


def test_half_width_by_hand() -> None:
    sizes = [0.1, -0.2, 0.3, -0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert conformal_half_width(sizes, 0.8) == 0.8  # the 8th of 9: (9 + 1) * 0.8
    assert conformal_half_width(sizes, 0.99) == 0.9  # there is no 10th
    # Left out, each patient's own residual no longer widens the interval: the two largest miss.
    held = coverage_without([0.1, 0.2, 0.3, 9.0, 10.0], list("abcde"), 0.6)
    assert held.value == pytest.approx(3 / 5)


def test_half_width_covers_new_scores() -> None:
    rng, held = np.random.default_rng(0), []
    for _ in range(400):
        known, new = rng.standard_t(3, 30), rng.standard_t(3)
        held.append(abs(new) <= conformal_half_width(known, 0.9))
    assert 0.87 <= np.mean(held) <= 0.95

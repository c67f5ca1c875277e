"""Agreement of two systems' decisions, against scikit-learn and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from covidx.evaluate import OperatingPoint, Rows, System
from covidx.evaluate.agreement import NO_KAPPA, agreements
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions

POINT = OperatingPoint(0.5, "fixed", "the maker")


def _system(name: str, scores: np.ndarray, truth: np.ndarray, **how: object) -> System:
    rows = Rows.of(predictions(scores, truth, **how), "covid-19")  # type: ignore[arg-type]
    return System(name, rows, POINT)


def test_kappa_and_counts_of_the_reference_scores() -> None:
    a, b = (_system(name, s, ref.TRUTH) for name, s in (("a", ref.SCORES_A), ("b", ref.SCORES_B)))
    (found,) = agreements([a, b], resamples=200)
    assert (found.first, found.second) == ("a", "b")
    for name, among in (("positives", ref.TRUTH), ("rest", ~ref.TRUTH), ("all", ref.TRUTH >= 0)):
        calls = ref.SCORES_A[among] >= 0.5, ref.SCORES_B[among] >= 0.5
        assert found.parts[name].kappa.value == pytest.approx(cohen_kappa_score(*calls))
        assert found.parts[name].kappa.n == among.sum()
    one = found.parts["all"]
    assert (one.only_first_right, one.only_second_right) == ref.STATSMODELS_MCNEMAR[:2]
    assert one.both_right + one.both_wrong == 60 - 15 - 13


@pytest.mark.parametrize("per_group", [1, 4])
def test_its_interval_is_near_that_of_the_asymptotic_variance(per_group: int) -> None:
    """statsmodels' interval is of Fleiss, Cohen and Everitt; four copies of a row add nothing."""
    cells = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [40, 15, 25, 120], axis=0)  # 200 rows
    truth = np.arange(200) % 2 == 0
    calls, truth = np.repeat(cells, per_group, axis=0), np.repeat(truth, per_group)
    groups = np.arange(len(truth)) // per_group
    a, b = (_system(n, 0.8 * calls[:, k] + 0.1, truth, groups=groups) for k, n in enumerate("ab"))
    (found,) = agreements([a, b])
    expected = cohens_kappa(np.array([[40, 15], [25, 120]]))
    kappa = found.parts["all"].kappa
    assert kappa.value == pytest.approx(expected.kappa)
    assert (kappa.low, kappa.high) == pytest.approx(
        (expected.kappa_low, expected.kappa_upp), abs=0.02
    )
    assert ("cluster" in kappa.method) == (per_group > 1)


def test_two_who_always_say_the_same_one_thing_have_no_kappa() -> None:
    truth = np.arange(12) < 6
    sure = np.where(truth, 0.9, 0.1)
    (found,) = agreements([_system("a", sure, truth), _system("b", sure, truth)], resamples=100)
    assert found.parts["positives"].kappa.reason == NO_KAPPA
    assert found.parts["positives"].both_right == 6
    assert found.parts["all"].kappa.value == 1


def test_who_has_no_threshold_decides_nothing() -> None:
    a = _system("a", ref.SCORES_A, ref.TRUTH)
    assert agreements([a, System("b", a.rows, None)], resamples=100) == []

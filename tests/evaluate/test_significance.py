from __future__ import annotations

import math

import numpy as np
import pytest

from covidx.evaluate.significance import (
    PValue,
    delong_difference,
    delong_test,
    holm,
    mcnemar,
    no_test,
)
from tests.evaluate import reference as ref


def _pairs(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    one = np.repeat([True, True, False, False], [both, first, second, neither])
    two = np.repeat([True, False, True, False], [both, first, second, neither])
    return one, two


def test_mcnemar_as_r_on_agrestis_table() -> None:
    found = mcnemar(*_pairs(*ref.AGRESTI))
    assert found.p == pytest.approx(ref.AGRESTI_P, rel=1e-9)
    assert "chi-squared" in found.method
    assert found.n == 1600


@pytest.mark.parametrize(("b", "c", "p"), ref.MCNEMAR_EXACT)
def test_few_discordant_pairs_are_exact(b: int, c: int, p: float) -> None:
    found = mcnemar(*_pairs(20, b, c, 10))
    assert found.p == pytest.approx(p)
    assert "exact" in found.method


def test_exact_up_to_24_pairs() -> None:
    assert "exact" in mcnemar(*_pairs(5, 12, 12, 5)).method
    assert "chi-squared" in mcnemar(*_pairs(5, 12, 13, 5)).method


def test_near_statsmodels_where_it_is_exact_and_this_is_not() -> None:
    right = [(scores >= 0.5) == ref.TRUTH for scores in (ref.SCORES_A, ref.SCORES_B)]
    b, c, p = ref.STATSMODELS_MCNEMAR
    found = mcnemar(*right)
    assert f"{b} right by the first alone, {c} by the second alone" in found.method
    assert found.p == pytest.approx(p, abs=0.16)  # 28 pairs: the exact test is conservative
    assert found.p == pytest.approx(math.erfc(2 / math.sqrt(28) / math.sqrt(2)))


def test_no_discordant_pair_and_no_row() -> None:
    assert mcnemar(*_pairs(3, 0, 0, 4)).p == 1.0
    assert mcnemar(*_pairs(0, 0, 0, 0)).reason == "there are no such rows"


def test_delong_as_proc() -> None:
    z, p, low, high = ref.PROC_TEST
    test = delong_test(ref.SCORES_A, ref.SCORES_B, ref.TRUTH)
    assert test.p == pytest.approx(p, abs=1e-10)
    assert f"z = {z:.3f}" in test.method
    found = delong_difference(ref.SCORES_A, ref.SCORES_B, ref.TRUTH)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-10)


def test_a_score_against_its_own_ranks_has_no_test() -> None:
    same = delong_test(ref.SCORES_A, ref.SCORES_A**2, ref.TRUTH)
    assert math.isnan(same.p)
    difference = delong_difference(ref.SCORES_A, ref.SCORES_A**2, ref.TRUTH)
    assert difference.value == 0
    assert math.isnan(difference.low)
    one_class = np.ones(60, dtype=bool)
    assert math.isnan(delong_test(ref.SCORES_A, ref.SCORES_B, one_class).p)
    assert math.isnan(delong_difference(ref.SCORES_A, ref.SCORES_B, one_class).value)


def test_holm_as_r_and_nan_stays_out() -> None:
    tests = [PValue(p, 9, "t") for p, _ in ref.HOLM]
    found = holm([*tests[:2], no_test(9, "t", "why"), *tests[2:]])
    known = [test for test in found if test.reason is None]
    assert [test.adjusted for test in known] == pytest.approx([q for _, q in ref.HOLM])
    assert {test.family for test in known} == {5}
    assert found[2].adjusted is None


def test_json_of_a_p_value() -> None:
    assert no_test(3, "t", "why").to_json() == {"p": None, "n": 3, "method": "t", "reason": "why"}
    assert holm([PValue(0.01, 3, "t")])[0].to_json()["p_holm"] == 0.01


def test_nan_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="reason"):
        PValue(math.nan, 3, "t")


def test_few_positives_take_students_t() -> None:
    """With 5 positives of 100 the normal interval covers 0.91; Satterthwaite's df are 4.4."""
    rng, truth = np.random.default_rng(0), np.arange(100) < 5
    one, two = rng.normal(size=(2, 100)) + truth
    test, found = delong_test(one, two, truth), delong_difference(one, two, truth)
    assert "t with 4 degrees of freedom" in test.method and "t with 4" in found.method
    assert (test.p < 0.05) == (found.low > 0 or found.high < 0)


def test_delong_on_folds_is_the_mean_of_their_differences() -> None:
    folds = np.arange(60) % 2
    parts = [
        delong_difference(ref.SCORES_A[folds == k], ref.SCORES_B[folds == k], ref.TRUTH[folds == k])
        for k in (0, 1)
    ]
    test = delong_test(ref.SCORES_A, ref.SCORES_B, ref.TRUTH, folds)
    assert "mean of 2 folds" in test.method
    shift = delong_test(ref.SCORES_A + 5 * folds, ref.SCORES_B + 9 * folds, ref.TRUTH, folds)
    assert shift.p == test.p  # models of different scales are not ranked together
    assert 0 < test.p < 1 and len(parts) == 2
    one_class = delong_test(ref.SCORES_A, ref.SCORES_B, ref.TRUTH, np.where(ref.TRUTH, 0, 1))
    assert math.isnan(one_class.p)

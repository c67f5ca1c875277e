from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from covidx.evaluate import OperatingPoint, Rows, evaluate
from covidx.evaluate.subgroups import FEWEST, cramers_v, subgroups
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions

POINT = OperatingPoint(0.5, "youden", "validation, n = 30 (10 positive)")
ROWS = Rows.of(predictions(ref.SCORES_A, ref.TRUTH), "covid-19")
SEX = pd.Series(np.where(ref.INDEX % 4 < 2, "F", "M")).astype(object)


def test_a_stratum_is_what_evaluate_says_of_its_rows() -> None:
    (variable,) = subgroups(ROWS, {"sex": SEX}, POINT, resamples=100)
    table = predictions(ref.SCORES_A, ref.TRUTH)
    for stratum in variable.strata:
        mine = evaluate(table[(stratum.name == SEX).to_numpy()], "covid-19", POINT, resamples=100)
        assert (stratum.n, stratum.positives) == (mine.n, int(mine.decisions[1].sum()))
        for name, estimate in stratum.estimates.items():
            expected = mine[name]
            assert (estimate.value, estimate.low, estimate.high) == (
                expected.value,
                expected.low,
                expected.high,
            )
    assert [s.name for s in variable.strata] == ["F", "M"]


def test_small_strata_are_held_back_counts_and_all() -> None:
    site = pd.Series(np.where(ref.INDEX < FEWEST - 1, "small", "large")).astype(object)
    (variable,) = subgroups(ROWS, {"site": site}, POINT, resamples=100)
    large, small = variable.strata
    assert small.held_back
    assert small.to_json() == {"stratum": "small", "n": "fewer than 10", "positives": None}
    assert large.n == 51


def test_a_figure_needs_both_classes() -> None:
    site = pd.Series(np.where((ref.INDEX < 24) & ~ref.TRUTH, "A", "B")).astype(object)
    (variable,) = subgroups(ROWS, {"site": site}, POINT, resamples=100)
    only_negative = variable.strata[0]
    assert only_negative.positives == 0
    assert math.isnan(only_negative.estimates["auroc"].value)
    assert "fewer than 5" in str(only_negative.estimates["sensitivity"].reason)
    assert not math.isnan(only_negative.estimates["specificity"].value)


def test_cramers_v_as_the_chi_squared_of_the_table() -> None:
    site = (ref.INDEX // 7 % 3).astype(str)
    counts = pd.crosstab(site, ref.TRUTH).to_numpy()
    expected = math.sqrt(stats.chi2_contingency(counts, correction=False).statistic / 60)
    assert cramers_v(site, ref.TRUTH) == pytest.approx(expected)
    assert cramers_v(ref.TRUTH.astype(str), ref.TRUTH) == pytest.approx(1)
    assert math.isnan(cramers_v(np.full(60, "A"), ref.TRUTH))


@pytest.mark.parametrize(("wrong", "warned"), [(6, True), (12, False)])
def test_a_variable_that_gives_the_label_away_is_warned_of(wrong: int, warned: bool) -> None:
    """With 6 of 60 the other way V is 0.78; with 12 it is 0.57."""
    swapped = np.arange(60) < wrong
    label = np.where(swapped, ~ref.TRUTH, ref.TRUTH)
    site = pd.Series(np.where(label, "hospital", "screening")).astype(object)
    (variable,) = subgroups(ROWS, {"site": site}, POINT, resamples=100)
    assert variable.nearly_the_label == warned
    assert (variable.warning is not None) == warned
    if warned:
        assert "site and the label are nearly the same" in str(variable.to_json()["warning"])


def test_unknown_is_a_stratum_of_its_own_and_not_in_v() -> None:
    values = SEX.where(ref.INDEX % 3 > 0)
    (variable,) = subgroups(ROWS, {"sex": values}, None, resamples=100)
    assert [s.name for s in variable.strata] == ["F", "M", "unknown"]
    assert variable.missing == 20
    assert set(variable.strata[0].estimates) == {"auroc"}


def test_images_of_one_patient_are_no_stratum() -> None:
    """Twelve images of one patient would show that patient's results."""
    groups = np.where(ref.INDEX < 12, 0, ref.INDEX)
    rows = Rows.of(predictions(ref.SCORES_A, ref.TRUTH, groups=groups), "covid-19")
    site = pd.Series(np.where(ref.INDEX < 12, "small", "large")).astype(object)
    large, small = subgroups(rows, {"site": site}, POINT, resamples=100)[0].strata
    assert small.held_back and not large.held_back

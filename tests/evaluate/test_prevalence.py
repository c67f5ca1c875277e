from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import logit

from covidx.evaluate import OperatingPoint, Rows
from covidx.evaluate.likelihood import Decisions
from covidx.evaluate.prevalence import logit_interval, predictive_values
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions

POINT = OperatingPoint(0.5, "youden", "validation, n = 30 (10 positive)")


def test_by_hand_at_one_percent() -> None:
    """Sensitivity 0.9, specificity 0.9, prevalence 1 %: 9 of 108 positive calls are right."""
    ppv, npv = logit_interval(Decisions(90, 10, 10, 90), 0.01)
    assert ppv.value == pytest.approx(9 / (9 + 99))
    assert npv.value == pytest.approx(891 / 892)


@pytest.mark.parametrize("prevalence", [0.02, 0.3])
def test_as_mercaldos_formula(prevalence: float) -> None:
    """Var logit PPV = (1-se)/(se n1) + sp/((1-sp) n0), Var logit NPV = se/((1-se) n1) + ..."""
    tp, fp, fn, tn = ref.EPIR_COUNTS
    n1, n0, se, sp = tp + fn, fp + tn, tp / (tp + fn), tn / (fp + tn)
    variances = (
        (1 - se) / se / n1 + sp / (1 - sp) / n0,
        se / (1 - se) / n1 + (1 - sp) / sp / n0,
    )
    for one, variance in zip(
        logit_interval(Decisions(*ref.EPIR_COUNTS), prevalence), variances, strict=True
    ):
        half = 1.959963984540054 * math.sqrt(variance)
        assert logit(one.high) - logit(one.value) == pytest.approx(half)
        assert logit(one.value) - logit(one.low) == pytest.approx(half)


def test_a_likelihood_ratio_gives_the_same_interval_as_epir() -> None:
    """At even odds PPV is LR+ / (1 + LR+), bounds and all."""
    ppv, npv = logit_interval(Decisions(*ref.EPIR_COUNTS), 0.5)
    value, low, high = ref.EPIR_LR_POSITIVE
    assert (ppv.value, ppv.low, ppv.high) == pytest.approx(
        [x / (1 + x) for x in (value, low, high)]
    )
    value, low, high = ref.EPIR_LR_NEGATIVE
    assert (npv.value, npv.low, npv.high) == pytest.approx(
        [1 / (1 + x) for x in (value, high, low)]
    )


def test_at_the_samples_own_prevalence_it_is_the_share() -> None:
    rows = Rows.of(predictions(ref.SCORES_A, ref.TRUTH), "covid-19")
    (found,) = predictive_values(rows, POINT, [1 / 3])
    called = ref.SCORES_A >= 0.5
    assert found.ppv.value == pytest.approx(ref.TRUTH[called].mean())
    assert found.npv.value == pytest.approx((~ref.TRUTH)[~called].mean())


def test_a_count_of_0_keeps_an_interval() -> None:
    ppv, npv = logit_interval(Decisions(8, 0, 2, 10), 0.1)
    assert (ppv.value, ppv.high) == (1.0, 1.0)
    assert 0 < ppv.low < 0.9
    assert "Mercaldo" in ppv.method
    assert npv.low < npv.value < npv.high


def test_what_nobody_is_called_is_undefined() -> None:
    ppv, npv = logit_interval(Decisions(0, 0, 10, 10), 0.1)
    assert ppv.reason == "no row is called positive"
    assert npv.value == pytest.approx(0.9)
    assert math.isnan(logit_interval(Decisions(5, 0, 5, 0), 0.1)[0].value)


def test_clusters_are_resampled_and_near_the_logit_interval_when_rows_are_alone() -> None:
    rows = Rows.of(predictions(ref.SCORES_A, ref.TRUTH, groups=ref.GROUPS), "covid-19")
    (found,) = predictive_values(rows, POINT, [0.1], resamples=500)
    assert "15 groups" in found.ppv.method
    (alone,) = predictive_values(
        Rows.of(predictions(ref.SCORES_A, ref.TRUTH), "covid-19"), POINT, [0.1]
    )
    assert found.ppv.value == pytest.approx(alone.ppv.value)
    assert found.npv.value == pytest.approx(alone.npv.value)
    assert np.isfinite([found.ppv.low, found.npv.high]).all()

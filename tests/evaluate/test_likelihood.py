from __future__ import annotations

import math

import numpy as np
import pytest

from covidx.evaluate import Clusters
from covidx.evaluate.decisions import decision_family
from covidx.evaluate.deferred import compute
from covidx.evaluate.likelihood import Decisions, likelihood_ratios
from tests.evaluate import reference as ref


def test_as_epir() -> None:
    found = likelihood_ratios(Decisions(*ref.EPIR_COUNTS))
    for name, expected in (
        ("lr_positive", ref.EPIR_LR_POSITIVE),
        ("lr_negative", ref.EPIR_LR_NEGATIVE),
    ):
        one = found[name]
        assert (one.value, one.low, one.high) == pytest.approx(expected, rel=1e-10)
        assert "log method" in one.method
        assert one.n == 1586


def test_no_false_alarm_is_infinite_and_says_so() -> None:
    found = likelihood_ratios(Decisions(8, 0, 2, 10))
    assert math.isnan(found["lr_positive"].value)
    assert "infinite" in str(found["lr_positive"].reason)
    assert found["lr_negative"].value == pytest.approx(0.2)


def test_nobody_missed_has_a_ratio_of_0_and_an_interval() -> None:
    one = likelihood_ratios(Decisions(10, 4, 0, 6))["lr_negative"]
    assert (one.value, one.low) == (0, 0)
    # z²/2 = 1.9207 added to each count: (1.9207/13.8415) / (7.9207/13.8415) = 0.2425.
    assert one.high > 0.2425
    assert "Mercaldo" in one.method


def test_everybody_called_alike_says_nothing() -> None:
    one = likelihood_ratios(Decisions(5, 5, 0, 0))["lr_positive"]
    assert one.value == 1
    assert one.low < 1 < one.high


def test_one_class_has_no_ratio() -> None:
    assert math.isnan(likelihood_ratios(Decisions(5, 0, 2, 0))["lr_positive"].value)


def test_clusters_are_resampled() -> None:
    called, clusters = ref.SCORES_A >= 0.5, Clusters.of(ref.GROUPS)
    family = decision_family(called, ref.TRUTH, clusters)
    found = compute(family, clusters, seed=0, resamples=400)
    alone = compute(
        decision_family(called, ref.TRUTH, Clusters.of(range(60))),
        Clusters.of(range(60)),
        seed=0,
        resamples=400,
    )
    for name in ("lr_positive", "lr_negative"):
        assert found[name].value == pytest.approx(alone[name].value)
        assert "15 groups" in found[name].method
        assert found[name].low < found[name].value < found[name].high


def test_infinite_resamples_leave_no_upper_bound_unsaid() -> None:
    """One false alarm: over a third of the resamples have none, and an infinite ratio."""
    truth, called = np.arange(40) < 20, np.arange(40) < 21
    clusters = Clusters.of(np.arange(40) // 2 * 2 + (np.arange(40) == 39))
    assert clusters.several_rows
    family = decision_family(called, truth, clusters)
    one = compute(family, clusters, seed=0, resamples=400)["lr_positive"]
    assert one.value == pytest.approx(20)
    assert math.isnan(one.high)
    assert "infinite" in str(one.reason)

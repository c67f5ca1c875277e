from __future__ import annotations

import numpy as np
import pytest

from covidx.evaluate import Rows
from covidx.evaluate.decision_curve import THRESHOLDS, decision_curve
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions


def test_as_dcurves() -> None:
    rows = Rows.of(predictions(ref.SCORES_A, ref.TRUTH), "covid-19")
    found = {one.threshold: one for one in decision_curve(rows, resamples=200)}
    for threshold, model, everyone in ref.DCURVES:
        one = found[threshold]
        assert one.model.value == pytest.approx(model, abs=5e-7)
        assert one.treat_all.value == pytest.approx(everyone, abs=5e-7)
        assert one.gain.value == pytest.approx(model - everyone, abs=1e-6)
        assert one.model.low < one.model.value < one.model.high
        assert one.model.n == 60
        assert "prevalence 0.333" in one.model.method


def test_by_hand() -> None:
    """At 0.2: 2 found of 4, one false alarm at 0.25 each: (2 - 0.25) / 4."""
    table = predictions(np.array([0.9, 0.3, 0.25, 0.1]), np.array([1, 1, 0, 0], dtype=bool))
    rows = Rows.of(table, "covid-19")
    one = decision_curve(rows, resamples=100)[THRESHOLDS.index(0.2)]
    assert one.model.value == pytest.approx(1.75 / 4)
    assert one.treat_all.value == pytest.approx(1.5 / 4)
    assert one.to_json()["treat_none"] == 0.0


def test_clusters_are_resampled() -> None:
    rows = Rows.of(predictions(ref.SCORES_A, ref.TRUTH, groups=ref.GROUPS), "covid-19")
    assert "15 groups" in decision_curve(rows, resamples=100)[0].gain.method

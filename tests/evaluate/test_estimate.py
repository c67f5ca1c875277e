from __future__ import annotations

import json
import math

import pytest

from covidx.evaluate import Estimate, undefined


def test_nan_becomes_null_with_its_reason() -> None:
    record = undefined(3, "AUROC", "one class").to_json()
    assert json.loads(json.dumps(record, allow_nan=False)) == {
        "value": None,
        "low": None,
        "high": None,
        "n": 3,
        "method": "AUROC",
        "reason": "one class",
    }


def test_threshold_only_where_it_applies() -> None:
    plain = Estimate(0.5, 0.4, 0.6, 9, "m").to_json()
    assert set(plain) == {"value", "low", "high", "n", "method"}
    at = Estimate(0.5, 0.4, 0.6, 9, "m", threshold=0.3, threshold_origin="validation").to_json()
    assert at["threshold"] == 0.3
    assert at["threshold_origin"] == "validation"


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ((math.nan, math.nan, math.nan), None),  # no reason
        ((0.5, 0.4, 0.6), "needless"),
        ((0.5, 0.6, 0.7), None),  # value below the interval
        ((0.5, 0.3, 0.4), None),  # value above it
        ((0.5, math.nan, 0.6), "half an interval"),
        ((math.nan, 0.4, 0.6), "interval without value"),
    ],
)
def test_invalid_estimates_cannot_be_built(
    numbers: tuple[float, float, float], reason: str | None
) -> None:
    with pytest.raises(ValueError, match=r"estimate|interval"):
        Estimate(*numbers, 5, "m", reason=reason)


def test_text_for_a_person() -> None:
    assert str(Estimate(0.912, 0.85, 0.954, 40, "m")) == "0.91 (0.85 to 0.95)"
    assert str(undefined(4, "m", "no positive rows")) == "undefined (no positive rows)"
    bare = Estimate(0.4, math.nan, math.nan, 40, "m", reason="too few groups")
    assert str(bare) == "0.40 (no interval: too few groups)"

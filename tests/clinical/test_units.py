"""Units, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from covidx.clinical.units import convert, convertible
from covidx.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "source", "unit", "expected"),
    [
        (32.0, "degree Fahrenheit", "degree Celsius", 0.0),
        (212.0, "degree Fahrenheit", "degree Celsius", 100.0),
        (37.0, "degree Celsius", "degree Fahrenheit", 98.6),
        (310.15, "K", "degree Celsius", 37.0),
        (5200.0, "cell/uL", "10^9/L", 5.2),
        (5.2, "10^3/uL", "10^9/L", 5.2),
        (66.0, "%", "1", 0.66),
        (0.66, "1", "%", 66.0),
        (1.5, "mg/dL", "mg/L", 15.0),
        (13.2, "g/dL", "g/L", 132.0),
        (30.0, "month", "year", 2.5),
    ],
)
def test_by_hand(value: float, source: str, unit: str, expected: float) -> None:
    assert convert(np.array([value]), source, unit)[0] == pytest.approx(expected)


def test_unknown_stays_unknown() -> None:
    assert np.isnan(convert(np.array([np.nan]), "degree Fahrenheit", "degree Celsius")).all()


def test_an_unknown_pair_is_refused() -> None:
    with pytest.raises(ConfigError, match="UNIT_UNKNOWN") as caught:
        convert(np.array([1.0]), "mmol/L", "mg/L")
    assert "mmol/L to mg/L" in str(caught.value)
    assert convertible("10^9/L") == ["10^3/uL", "cell/uL"]

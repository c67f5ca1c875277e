"""Conversion between the units that clinical tables come in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from covidx.errors import ConfigError

FloatArray = npt.NDArray[np.float64]

LINES: dict[tuple[str, str], tuple[float, float]] = {
    ("degree Fahrenheit", "degree Celsius"): (5 / 9, -160 / 9),
    ("K", "degree Celsius"): (1.0, -273.15),
    ("cell/uL", "10^9/L"): (1e-3, 0.0),
    ("10^3/uL", "10^9/L"): (1.0, 0.0),
    ("%", "1"): (0.01, 0.0),
    ("mg/dL", "mg/L"): (10.0, 0.0),
    ("g/dL", "g/L"): (10.0, 0.0),
    ("month", "year"): (1 / 12, 0.0),
}
"""(from, to): factor and offset; the way back is worked out."""


def _line(source: str, unit: str) -> tuple[float, float] | None:
    if source == unit:
        return 1.0, 0.0
    if (source, unit) in LINES:
        return LINES[source, unit]
    if (unit, source) in LINES:
        factor, offset = LINES[unit, source]
        return 1 / factor, -offset / factor
    return None


def convert(values: FloatArray, source: str, unit: str) -> FloatArray:
    """Values in one unit as values in another; NaN stays NaN.

    Parameters
    ----------
    values : ndarray of float
        In `source`.
    source, unit : str
        Unit of the values, and that of the result.

    Examples
    --------

    >>> convert(np.array([98.6]), "degree Fahrenheit", "degree Celsius").round(6).tolist()
    [37.0]

    Raises
    ------
    ConfigError
        ``UNIT_UNKNOWN``: no conversion between the two is known.
    """
    line = _line(source, unit)
    if line is None:
        raise ConfigError(
            "UNIT_UNKNOWN",
            "There is no conversion between these units.",
            expected="; ".join(f"{a} to {b}" for a, b in LINES),
            actual=f"{source} to {unit}",
            hint="Correct unit and source_unit in the card, or convert the column yourself.",
        )
    converted: FloatArray = values * line[0] + line[1]
    return converted


def convertible(unit: str) -> list[str]:
    """Units that values in `unit` may have been recorded in."""
    pairs = [pair for pair in LINES if unit in pair]
    return sorted({name for pair in pairs for name in pair} - {unit})

"""What all answers of `covidx predict` share: their last lines, CSV and strict JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from covidx.constants import RESEARCH_NOTICE

__all__ = ["SIMULATED", "closing", "csv_text", "json_text"]

SIMULATED = "\nSCORE NOT INTERPRETABLE of a real patient: those of the training are simulated"
"""Follows what a model of simulated patients was trained on."""


def closing(threshold: float, positive: str, origin: str, trained: str) -> list[str]:
    """The lines below the answers: threshold, what the model saw, and the notice."""
    return [
        "",
        f"threshold  {threshold:.3f}: a score of this or more is called {positive}; "
        f"chosen by {origin}",
        trained,
        "The score lies between 0 and 1 and is not a patient's probability of disease.",
        RESEARCH_NOTICE,
    ]


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """One line an answer, the notice in its last column."""
    import pandas as pd

    table = pd.DataFrame(rows)
    table["notice"] = table.pop("notice")
    return table.to_csv(index=False).rstrip("\n")


def json_text(rows: Sequence[dict[str, Any]]) -> str:
    """A list of objects; what is not a number is null, as JSON has no NaN."""
    return json.dumps([_strict(row) for row in rows], indent=2, allow_nan=False)


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

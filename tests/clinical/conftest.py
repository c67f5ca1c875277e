"""A small card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from covidx.cards import DataCard, load_card

COLUMNS: list[dict[str, Any]] = [
    {"name": "id", "meaning": "patient"},
    {"name": "result", "meaning": "PCR", "timing": "outcome"},
    {"name": "day", "meaning": "day of the test", "type": "date"},
    {"name": "clinic", "meaning": "site"},
    {"name": "sex", "meaning": "sex", "codes": {"M": 1, "F": 0, "?": None}, "concept": "male"},
    {
        "name": "temperature",
        "meaning": "temperature",
        "type": "number",
        "unit": "degree Celsius",
        "source_unit": "degree Fahrenheit",
        "low": 34,
        "high": 43,
    },
    {
        "name": "wbc",
        "meaning": "white cells",
        "type": "number",
        "unit": "10^9/L",
        "low": 0,
        "high": 100,
    },
    {"name": "cough", "meaning": "cough", "type": "flag", "low": 0, "high": 1, "concept": "cough"},
    {"name": "age", "meaning": "age", "type": "integer", "low": 0, "high": 120},
    {"name": "ward", "meaning": "admitted", "type": "flag", "timing": "outcome"},
    {"name": "remark", "meaning": "words"},
]


@pytest.fixture
def card() -> DataCard:
    values = load_card(Path("phantom")).model_dump() | {
        "identifier": "small",
        "hashes": {},
        "classes": ["negative", "covid-19"],
        "columns": COLUMNS,
        "clinical": {
            "table": "table.csv",
            "patient": "id",
            "label": "result",
            "labels": {"neg": "negative", "pos": "covid-19", "lost": None},
            "date": "day",
            "site": "clinic",
            "features": ["sex", "temperature", "wbc", "cough", "age"],
        },
    }
    return DataCard.model_validate(values)

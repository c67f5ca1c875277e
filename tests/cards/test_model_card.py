from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from covidx.cards import ModelFacts, render_model_card
from covidx.constants import RESEARCH_NOTICE


def _facts(**changes: Any) -> ModelFacts:
    facts: dict[str, Any] = {
        "name": "P1, CT",
        "architecture": "tf_efficientnet_lite0, top-k bag",
        "positive": "covid-19",
        "classes": ["covid-19", "other-pneumonia", "normal"],
        "modality": "CT",
        "units": "hu",
        "domain": "simulated",
        "card_identifier": "phantom",
        "card_sha256": "ab" * 32,
        "patients_by_class": {"covid-19": 45, "other-pneumonia": 30, "normal": 25},
        "manufacturers": ["A", "B"],
        "slice_thickness_mm": (5.0, 7.0),
        "preprocessing": ["lung window", "crop to the lungs"],
        "threshold": 0.41234,
        "threshold_origin": "youden on validation, n = 20 (9 positive)",
        "metrics": {
            "auroc": {"value": 0.91, "low": 0.85, "high": 0.95, "n": 40, "method": "DeLong"},
            "ppv": {
                "value": None,
                "low": None,
                "high": None,
                "n": 0,
                "method": "Wilson",
                "reason": "no row is called positive",
            },
        },
        "metrics_on": "40 test patients",
        "limits": ["Few patients."],
    }
    return ModelFacts(**(facts | changes))


def test_a_card_says_what_a_reader_needs() -> None:
    text = render_model_card(_facts())
    for part in (
        RESEARCH_NOTICE,
        "100 (45 covid-19, 30 other-pneumonia, 25 normal)",
        "**simulated** (card `" + "ab" * 32 + "`)",
        "Manufacturers: A, B",
        "5 to 7 mm",
        "Threshold: 0.4123, by youden on validation",
        "1. lung window\n2. crop to the lungs",
        "| auroc | 0.910 | 0.850 to 0.950 | 40 | DeLong |",
        "| ppv | undefined | none | 0 | Wilson (no row is called positive) |",
        "On 40 test patients.",
        "a score on a real scan is not interpretable",
        "- Few patients.",
    ):
        assert part in text, part
    assert text == render_model_card(_facts())


def test_a_leaky_model_says_so() -> None:
    assert "Leaky on purpose" in render_model_card(_facts(leaky=True))
    assert "Leaky" not in render_model_card(_facts())


def test_display_greys_and_missing_facts() -> None:
    text = render_model_card(
        _facts(
            units="display", domain="real", manufacturers=[], metrics={}, slice_thickness_mm=None
        )
    )
    assert "as display greys" in text
    assert "not proven Hounsfield units" in text
    assert "Manufacturers: unknown" in text
    assert "None recorded." in text
    assert "simulated patients" not in text


def test_unknown_facts_are_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        _facts(colour="red")

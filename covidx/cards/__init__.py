"""Data-set and model cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.cards.card import (
        CARD_FOLDER,
        OUTCOME,
        ClinicalTable,
        Column,
        DataCard,
        ImageTable,
        MaskFiles,
        MaskSet,
        ReadersScore,
        SeverityTable,
        card_digest,
        load_card,
    )
    from covidx.cards.croissant import export_croissant, to_croissant
    from covidx.cards.model_card import ModelFacts, render_model_card, write_model_card
else:
    __getattr__ = lazy_names(__name__, __file__)

__all__ = [
    "CARD_FOLDER",
    "OUTCOME",
    "ClinicalTable",
    "Column",
    "DataCard",
    "ImageTable",
    "MaskFiles",
    "MaskSet",
    "ModelFacts",
    "ReadersScore",
    "SeverityTable",
    "card_digest",
    "export_croissant",
    "load_card",
    "render_model_card",
    "to_croissant",
    "write_model_card",
]

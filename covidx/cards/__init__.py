"""Data-set and model cards."""

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
from covidx.cards.model_card import ModelFacts, model_card, write_model_card

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
    "model_card",
    "to_croissant",
    "write_model_card",
]

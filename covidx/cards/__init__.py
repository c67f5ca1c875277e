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
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)

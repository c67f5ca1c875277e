"""Data-set and model cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.cards.card import (
        CARD_FOLDER,
        FOR_READERS,
        OUTCOME,
        ClinicalTable,
        Column,
        DataCard,
        ReadersScore,
        SeverityTable,
        card_digest,
        load_card,
    )
    from covidx.cards.croissant import export_croissant, to_croissant
    from covidx.cards.image_tables import (
        PICTURES,
        ImageNames,
        ImageTable,
        LabelTable,
        picture_kind,
    )
    from covidx.cards.masks import MaskFiles, MaskSet
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)

"""The configuration of ``train_fusion``, and where its two arms come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from covidx.config import Config, load_config
from covidx.errors import ConfigError, InvalidInputError
from covidx.evaluate import OperatingRule
from covidx.fusion import FusionRecipe
from covidx.pipelines.clinical.config import TRAIN_CLINICAL, TrainClinical, no_clinical_card
from covidx.pipelines.image.config import TRAIN_CT, TRAIN_CXR, TrainCT, TrainCXR, TrainImage
from covidx.pipelines.source import PhantomCohort, Source

TRAIN_FUSION = Path(__file__).with_name("train_fusion.yaml")


class TrainFusion(Config):
    """``train_fusion.yaml``."""

    seed: int = Field(ge=0)
    image: Literal["ct", "cxr"]
    phantom: PhantomCohort
    parts: int = Field(ge=3)
    inner_folds: int = Field(ge=2)
    operating_point: OperatingRule
    p1: list[str]
    p2: list[str]
    recipes: list[FusionRecipe] = Field(min_length=1)

    @property
    def image_config(self) -> TrainImage:
        """P1's, with this one's seed, phantom and rule of the threshold."""
        own = self.phantom
        shared = [
            f"seed={self.seed}",
            f"phantom.patients={own.patients}",
            f"phantom.seed={own.seed}",
            *self._point,
        ]
        if self.image == "ct":
            return load_config(TRAIN_CT, TrainCT, [*shared, *self.p1])
        return load_config(TRAIN_CXR, TrainCXR, [*shared, *self.p1])

    @property
    def clinical_config(self) -> TrainClinical:
        """P2's, with this one's seed and rule of the threshold."""
        shared = [f"seed={self.seed}", *self._point]
        return load_config(TRAIN_CLINICAL, TrainClinical, [*shared, *self.p2])

    @property
    def _point(self) -> list[str]:
        return [f"operating_point={self.operating_point.model_dump_json(exclude_none=True)}"]


def with_clinical_table(source: Source) -> Source:
    """The source with its clinical table: the user's, else the card's.

    Parameters
    ----------
    source : Source
        Images, labels, a clinical table and its card.

    Raises
    ------
    InvalidInputError
        ``CARD_MISSING``, ``TABLE_MISSING``.
    ConfigError
        ``CARD_NOT_CLINICAL``.
    """
    card = source.card
    if card is None:
        raise no_clinical_card(source.table or source.images)
    if card.clinical is None:
        raise ConfigError(
            "CARD_NOT_CLINICAL",
            "The card describes no clinical table.",
            path=card.identifier,
            expected="a section clinical: table, features",
            hint=(
                "Add the section (see docs/clinical.md), or name another card with "
                "--card (make: CARD=card.yaml)."
            ),
        )
    table = source.table or source.images / card.clinical.table
    if not table.is_file():
        raise InvalidInputError(
            "TABLE_MISSING",
            "There is no clinical table at this path.",
            path=table,
            hint="Name it with --clinical (make: CLINICAL=table.csv).",
        )
    return replace(source, table=table)

"""The configuration of ``train_clinical``, and where its table lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import Field, field_validator

from covidx.cards import CARD_FOLDER, load_card
from covidx.clinical import ClinicalRecipe, Division
from covidx.config import Config
from covidx.errors import InvalidInputError
from covidx.evaluate import OperatingRule
from covidx.files import sha256_file
from covidx.pipelines.source import PhantomCohort, Source

TRAIN_CLINICAL = Path(__file__).with_name("train_clinical.yaml")


FEWEST_PHANTOM_ROWS = 50


class TrainClinical(Config):
    """``train_clinical.yaml``."""

    seed: int = Field(ge=0)
    phantom: PhantomCohort
    features: list[str] | None
    require: list[str]
    division: Division
    inner_folds: int = Field(ge=2)
    nested_folds: int = Field(ge=0)
    operating_point: OperatingRule
    recipes: list[ClinicalRecipe] = Field(min_length=1)

    @field_validator("phantom")
    @classmethod
    def _enough(cls, phantom: PhantomCohort) -> PhantomCohort:
        if phantom.patients < FEWEST_PHANTOM_ROWS:
            raise ValueError(f"patients must be at least {FEWEST_PHANTOM_ROWS}")
        return phantom

    @field_validator("nested_folds")
    @classmethod
    def _several(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("one outer fold tests nothing: 0 for none, or 2 and more")
        return folds


def find_table(source: Source) -> Source:
    """The source with its clinical table: a file, or a folder that holds the one of its card.

    Without a card, that which comes with covidx and has the hash of the table is taken.

    Parameters
    ----------
    source : Source
        Whose `data` is the table or its folder.

    Raises
    ------
    InvalidInputError
        ``CARD_MISSING``: nothing says what the columns mean; ``TABLE_MISSING``.
    """
    if source.table is not None:
        return source
    data, named = source.images, source.card
    known = (load_card(path) for path in sorted(CARD_FOLDER.glob("*.yaml")))
    for card in known if named is None else [named]:
        if card.clinical is None:
            continue
        table = data / card.clinical.table if data.is_dir() else data
        if named is not None and not table.is_file():
            raise InvalidInputError(
                "TABLE_MISSING",
                "There is no clinical table at this path.",
                path=table,
                hint=(
                    "Name the table, or the folder that holds it, with --data (make: DATA=table)."
                ),
            )
        digest = card.hashes.get(card.clinical.table)
        if named is not None or (table.is_file() and sha256_file(table) == digest):
            return replace(source, data=None, card=card, table=table)
    raise no_clinical_card(data)


def no_clinical_card(path: Path) -> InvalidInputError:
    """What to raise where no card describes the clinical table at `path`."""
    return InvalidInputError(
        "CARD_MISSING",
        "No data card describes this clinical table.",
        path=path,
        expected="a card with a section clinical; meaning, unit, range and timing of columns",
        hint="Write one (see docs/clinical.md) and name it with --card (make: CARD=card.yaml).",
    )

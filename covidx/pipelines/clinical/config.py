"""The configuration of ``train_clinical``, and where its table comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator

from covidx.cards import CARD_FOLDER, DataCard, load_card
from covidx.clinical import ClinicalRecipe, Division
from covidx.config import Config
from covidx.errors import InvalidInputError
from covidx.evaluate import OperatingRule
from covidx.files import make_folder, replacing, sha256_file
from covidx.phantom import clinical_table

__all__ = [
    "TRAIN_CLINICAL",
    "ClinicalSource",
    "TrainClinical",
    "find_table",
    "phantom_rows",
    "rows_folder",
]

TRAIN_CLINICAL = Path(__file__).with_name("train_clinical.yaml")


class PhantomRows(Config):
    """Which phantom patients to draw where no data are given."""

    patients: int = Field(ge=50)
    seed: int = Field(ge=0)


class TrainClinical(Config):
    """``train_clinical.yaml``."""

    seed: int = Field(ge=0)
    phantom: PhantomRows
    features: list[str] | None
    require: list[str]
    division: Division
    inner_folds: int = Field(ge=2)
    nested_folds: int = Field(ge=0)
    operating_point: OperatingRule
    recipes: list[ClinicalRecipe] = Field(min_length=1)

    @field_validator("nested_folds")
    @classmethod
    def _several(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("one outer fold tests nothing: 0 for none, or 2 and more")
        return folds


@dataclass(frozen=True)
class ClinicalSource:
    """A clinical table and what describes it."""

    table: Path
    card: DataCard
    labels: Path | None = None


def rows_folder(work: Path, patients: int, seed: int) -> Path:
    """Where the phantom's clinical rows lie."""
    return work / f"phantom-clinical-{patients}-seed{seed}"


def phantom_rows(work: Path, how: PhantomRows) -> ClinicalSource:
    """The clinical rows and labels of the phantom, as its folders have them, without images."""
    folder = make_folder(rows_folder(work, how.patients, how.seed))
    table = clinical_table(how.patients, how.seed)
    for name, part in (
        ("clinical.csv", table.drop(columns="label")),
        ("labels.csv", table[["patient_id", "label"]]),
    ):
        with replacing(folder / name) as temporary:
            part.to_csv(temporary, index=False, lineterminator="\n")
    return ClinicalSource(
        folder / "clinical.csv", load_card(Path("phantom")), folder / "labels.csv"
    )


def find_table(data: Path, card: DataCard | None, labels: Path | None) -> ClinicalSource:
    """The table that the user named: a file, or a folder that holds the one of its card.

    Without a card, that which comes with covidx and has the hash of the table is taken.

    Raises
    ------
    InvalidInputError
        ``CARD_MISSING``: nothing says what the columns mean; ``TABLE_MISSING``.
    """
    known = [load_card(path) for path in sorted(CARD_FOLDER.glob("*.yaml"))]
    for one in [card] if card is not None else [c for c in known if c.clinical is not None]:
        if one.clinical is None:
            continue
        table = data / one.clinical.table if data.is_dir() else data
        if card is not None:
            if table.is_file():
                return ClinicalSource(table, one, labels)
            raise InvalidInputError("TABLE_MISSING", "The clinical table is not there.", path=table)
        digest = one.hashes.get(one.clinical.table)
        if digest is not None and table.is_file() and sha256_file(table) == digest:
            return ClinicalSource(table, one, labels)
    raise InvalidInputError(
        "CARD_MISSING",
        "No data card describes this clinical table.",
        path=data,
        expected="a card with a section clinical; meaning, unit, range and timing of columns",
        hint="Write one (see docs/clinical.md) and give it with --card (make: CARD=card.yaml).",
    )

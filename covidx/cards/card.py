"""The data-set card: what a data set is, where it came from, and how its tables are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from covidx.cards.image_tables import ImageTable, LabelTable
from covidx.cards.masks import MaskSet
from covidx.config import Config, load_config
from covidx.errors import ConfigError
from covidx.files import sha256_json

CARD_FOLDER = Path(__file__).parent / "data"
"""The cards that come with covidx; ``data_cards/`` in the repository points here."""

OUTCOME = "outcome"
"""The timing of a column that is known only after the diagnosis, or because of it."""


class Column(Config):
    """One column of a data set's table; its range is in `unit`, after conversion."""

    name: str
    meaning: str
    type: Literal["text", "number", "integer", "flag", "date", "category"] = "text"
    unit: str | None = None
    source_unit: str | None = Field(None, description="the unit in the file, if another")
    low: float | None = None
    high: float | None = None
    impossible: Literal["refuse", "unknown"] = Field(
        "refuse",
        description=(
            "what a value outside low to high is: a fault of the table, or, as the author of the "
            "card judges, of another unit or mistyped: then it is unknown, and counted"
        ),
    )
    codes: dict[str, float | None] | None = Field(
        None, description="value in the table -> number; null is unknown"
    )
    values: list[str] | None = Field(
        None,
        description="of a category: the values that it may have; by default those of the table",
    )
    concept: str | None = Field(None, description="what it is called in every data set")
    table: str | None = Field(
        None, description="the file it lies in; by default the image or the clinical table"
    )
    timing: str | None = Field(
        None, description="when it was measured; outcome: known only after the diagnosis"
    )

    @model_validator(mode="after")
    def _fits(self) -> Column:
        bounded = self.low is not None and self.high is not None and self.codes is None
        if self.impossible == "unknown" and not bounded:
            raise ValueError("impossible: unknown needs low and high, and is not for codes")
        if self.type != "category" and self.values is not None:
            raise ValueError("values are of a column of type category")
        if self.type == "category" and (self.codes or self.low or self.high or self.unit):
            raise ValueError("a category has no order: no codes, no range, no unit")
        return self


class ClinicalTable(Config):
    """How a CSV (zipped or not), XLSX or parquet file describes patients.

    Every value but `table`, `take`, `labels` and `features` names a column of that file.
    """

    table: str = Field(description="the file, relative to the data's root")
    patient: str | None = Field(None, description="by default each row is a patient of its own")
    group: str | None = Field(None, description="column: what must not be divided")
    order: str | None = Field(
        None, description="column, a number or an ISO date: which of a patient's rows is taken"
    )
    take: Literal["lowest", "highest"] = Field("lowest", description="the row of that `order`")
    label: str | None = Field(None, description="absent where the labels lie in another table")
    labels: dict[str, str | None] = Field(
        default_factory=dict,
        description=(
            "value in the table -> class; rows of no class (null) are left out; '' is an empty "
            "cell, '*' any value that is not named"
        ),
    )
    date: str | None = Field(None, description="column: ISO date, for splits by time and drift")
    site: str | None = Field(None, description="column: for splits by site")
    features: list[str] = Field(description="columns that a model takes by default")

    @model_validator(mode="after")
    def _fits(self) -> ClinicalTable:
        if self.order is not None and self.patient is None:
            raise ValueError("order is of a patient's rows: name the column of the patient")
        return self


class ReadersScore(Config):
    """One score that readers gave each radiograph, from 0 to `high`."""

    column: str
    high: float = Field(gt=0)


class SeverityTable(Config):
    """How a CSV holds the scores that readers gave radiographs, a row a radiograph or patient.

    `image` or `patient` names its column: a file's name, whatever its folder and format, or a
    patient who has one radiograph.
    """

    table: str = Field(description="the CSV, relative to the data's root")
    image: str | None = None
    patient: str | None = None
    scores: dict[str, ReadersScore] = Field(min_length=1)

    @property
    def key(self) -> str:
        """The column that names a row."""
        return str(self.image or self.patient)

    @model_validator(mode="after")
    def _fits(self) -> SeverityTable:
        if (self.image is None) == (self.patient is None):
            raise ValueError("name the column of the image, or that of the patient")
        if not all(name.isidentifier() for name in self.scores):
            raise ValueError("a score's name is letters, digits and _")
        return self


FOR_READERS = (
    *("title", "description", "version", "licence", "creators", "citation"),
    *("provenance", "population", "label_origin", "known_biases"),
)
"""What a reader of results asks for, and what a card for a trial may leave out."""


class DataCard(Config):
    """A data set, described so that another person can find, judge and cite it.

    A first trial needs identifier, classes and positive; `unstated` names what a reader misses.
    """

    identifier: str
    title: str
    description: str
    version: str
    licence: str
    licence_url: str | None = None
    creators: list[str]
    citation: str
    url: str | None = None
    published: str | None = Field(None, description="ISO date")
    domain: Literal["real", "simulated"]
    provenance: str
    population: str
    label_origin: str
    classes: list[str]
    positive: str
    known_biases: list[str]
    missing: list[str] = Field(
        default_factory=list,
        description="words in its tables that stand for an empty cell, such as None or NA",
    )
    public_ids: bool = Field(
        False, description="its patient ids are public or synthetic, so that they need no pseudonym"
    )
    images: ImageTable | None = None
    labels: LabelTable | None = None
    clinical: ClinicalTable | None = None
    severity: SeverityTable | None = None
    masks: MaskSet | None = None
    columns: list[Column]
    hashes: dict[str, str] = Field(default_factory=dict, description="file -> SHA-256")

    @model_validator(mode="before")
    @classmethod
    def _trial(cls, values: Any) -> Any:
        """What is left out is empty; no default of a field, which the card's digest would omit."""
        if not isinstance(values, dict):
            return values
        empty: dict[str, Any] = dict.fromkeys(FOR_READERS, "")
        empty |= {"creators": [], "known_biases": [], "columns": [], "domain": "real"}
        return empty | values

    @model_validator(mode="after")
    def _fits(self) -> DataCard:
        if self.images is not None and self.labels is not None:
            raise ValueError("pictures have their labels in the section images, not in labels")
        named = {name for name in self.label_classes(of_images=True).values() if name}
        strange = sorted(named - set(self.classes))
        if strange:
            raise ValueError(f"labels are mapped to what is none of the classes: {strange}")
        return self

    @property
    def unstated(self) -> list[str]:
        """Fields that a reader of results asks for, and that are empty."""
        return [name for name in FOR_READERS if not getattr(self, name)]

    def label_classes(self, *, of_images: bool) -> dict[str, str | None]:
        """Label in the tables -> class, or None for no class; ``*`` is any that is not named.

        Where the image table and the clinical table differ, that of images goes first `of_images`.
        """
        parts = [
            part.labels for part in (self.images, self.labels, self.clinical) if part is not None
        ]
        ordered = reversed(parts) if of_images else parts
        return {label: name for labels in ordered for label, name in labels.items() if label}

    def clinical_columns(self) -> dict[str, Column]:
        """The columns of the clinical table, by name."""
        if self.clinical is None:
            return {}
        own: set[str | None] = {self.clinical.table}
        if self.images is None or self.images.table == self.clinical.table:
            own.add(None)
        return {column.name: column for column in self.columns if column.table in own}


def load_card(path: Path) -> DataCard:
    """Read the card at `path`; a bare name such as ``covid-ct`` finds one that comes with covidx.

    Raises
    ------
    ConfigError
        ``CARD_UNKNOWN``, or as `load_config`.
    """
    bundled = CARD_FOLDER / f"{path.name}.yaml"
    if path.exists() or bundled.exists():
        try:
            return load_config(path if path.exists() else bundled, DataCard)
        except ConfigError as error:
            if error.code == "CONFIG_INVALID":
                error.hint = (
                    "Correct these fields of the card. A trial needs identifier, classes and "
                    "positive; covidx card init drafts the rest from a folder or a table."
                )
            raise
    known = sorted(card.stem for card in CARD_FOLDER.glob("*.yaml"))
    raise ConfigError(
        "CARD_UNKNOWN",
        "There is no such data card.",
        path=path,
        expected=f"{', '.join(known)}, or the path of a YAML file",
    )


def card_digest(card: DataCard) -> str:
    """SHA-256 of the content of `card`; fields left at their default are not in it."""
    return sha256_json(card.model_dump(mode="json", exclude_defaults=True))

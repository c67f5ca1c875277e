"""What a user named to learn from: files, a card that describes them, or the embedded phantom."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BeforeValidator, Field

from covidx.cards import CARD_FOLDER, DataCard, load_card
from covidx.class_names import class_named
from covidx.cohort import read_labels
from covidx.config import Config
from covidx.errors import InvalidInputError
from covidx.files import make_folder, replacing, sha256_bytes, sha256_file
from covidx.pipelines.progress import Bars

DEFAULT_POSITIVE = "covid-19"
PictureModality = Annotated[
    Literal["CT", "CR", "DX", "CXR"], BeforeValidator(lambda name: str(name).upper())
]
"""In a configuration: what pictures are that no card describes."""
SAY_PICTURES = (
    "PNG and JPEG do not say what they show: name it with --set modality=CXR or CT (make: "
    'SET="modality=CXR"), or in a card, which covidx card init drafts.'
)


class PhantomCohort(Config):
    """Which phantom cohort to make where no data are given."""

    patients: int = Field(ge=20)
    seed: int = Field(ge=0)


@dataclass(frozen=True)
class Source:
    """What a user named.

    Parameters
    ----------
    data : Path, optional
        Folder of images, or a clinical table; None where `table` alone is learnt from.
    labels : Path, optional
        CSV with a label of each patient or path.
    card : DataCard, optional
        What describes the data.
    table : Path, optional
        Clinical rows, or readers' scores, of the same patients.
    masks : Path, optional
        Folder of lung annotations, or of the phantom's true masks.
    positive : str, optional
        The positive label.
    store : Path, optional
        Where the images' store lies, if not in the folder of stores.
    columns : mapping
        Column of the label table that covidx knows -> its name in the table.
    label_map : mapping
        Label -> class; rows of an empty class are left out.
    pictures : str, optional
        What PNG and JPEG files are that no card describes, as `Rules.pictures`.
    """

    data: Path | None = None
    labels: Path | None = None
    card: DataCard | None = None
    table: Path | None = None
    masks: Path | None = None
    positive: str | None = None
    store: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    label_map: Mapping[str, str] = field(default_factory=dict)
    pictures: str | None = None

    @cached_property
    def label_rows(self) -> pd.DataFrame:
        """The label table, read once: as `read_labels`, with what user and card say of labels."""
        card = self.card
        return self.read_labels(
            mapping=self.label_map,
            classes=() if card is None else card.classes,
            aliases=None if card is None else card.label_classes(of_images=self.data is not None),
            positive=self.positive_label,
        )

    def read_labels(self, **meaning: Any) -> pd.DataFrame:
        """The label table by its columns; paths have the prefix and extension that the card says.

        Parameters
        ----------
        **meaning
            What is known of its labels, as `covidx.cohort.read_labels` takes it.
        """
        assert self.labels is not None
        missing = () if self.card is None else self.card.missing
        rows = read_labels(self.labels, columns=self.columns, missing=missing, **meaning)
        named = None if self.card is None else self.card.labels
        if named is None or "path" not in rows:
            return rows
        return rows.assign(path=rows["path"].map(named.name))

    @property
    def images(self) -> Path:
        """The folder of images."""
        assert self.data is not None
        return self.data

    @property
    def positive_label(self) -> str:
        """The positive label: the user's, else the card's, else ``covid-19``."""
        if self.card is None:
            return self.positive or DEFAULT_POSITIVE
        return class_named(self.positive or self.card.positive, self.card.classes)

    @property
    def name(self) -> str:
        """A folder name for its store; a hospital's own names stay out of it."""
        if self.card is not None:
            return re.sub(r"[^a-z0-9-]+", "-", self.card.identifier.lower())
        return "local-" + sha256_bytes(str(self.images.resolve()).encode())[:8]

    @property
    def domain(self) -> str:
        """``simulated`` if the card says so, else ``real``."""
        return "real" if self.card is None else self.card.domain


def named_source(
    data: Path | None,
    card: Path | None = None,
    *,
    labels: Path | None = None,
    table: Path | None = None,
    masks: Path | None = None,
    positive: str | None = None,
    columns: Mapping[str, str] | None = None,
    label_map: Mapping[str, str] | None = None,
    pictures: str | None = None,
    find: bool = True,
) -> Source | None:
    """The source of a user's own words; None for the phantom.

    Parameters
    ----------
    data, labels, table, masks, positive, columns, label_map, pictures
        As in `Source`.
    card : Path, optional
        Path or known name of a data card.
        Its section ``labels`` gives the table and its columns, where the user names no other.
    find : bool
        Without `card`, take the one that comes with covidx and names the image table of `data`.

    Raises
    ------
    InvalidInputError
        ``DATA_MISSING``: something else was named, but no data.
    """
    if data is not None:
        described = load_card(card) if card is not None else find_card(data) if find else None
        own = None if described is None else described.labels
        if own is not None and labels is None:
            labels = data / own.table
        elif own is not None and labels is not None and labels.name != Path(own.table).name:
            own = None
        return Source(
            data,
            labels,
            described,
            table,
            masks,
            positive,
            columns=(own.columns if own is not None else {}) | dict(columns or {}),
            label_map=label_map or {},
            pictures=pictures,
        )
    if any(part is not None for part in (card, labels, table, masks)):
        raise InvalidInputError(
            "DATA_MISSING",
            "Labels, a table, masks or a card were named, but no data.",
            hint="Add --data (make: DATA=folder).",
        )
    return None


def find_card(data: Path) -> DataCard | None:
    """The card that comes with covidx and whose image table, by hash, lies in the folder `data`."""
    for path in sorted(CARD_FOLDER.glob("*.yaml")):
        card = load_card(path)
        if card.images is None:
            continue
        table = data / card.images.table
        if table.is_file() and sha256_file(table) == card.hashes.get(card.images.table):
            return card
    return None


def store_folder(work: Path, name: str) -> Path:
    """Where, below the folder `work`, the store of a source called `name` lies."""
    return work / f"store-{name}"


def phantom_folder(work: Path, cohort: str, phantom: PhantomCohort) -> Path:
    """Where a phantom cohort lies.

    Parameters
    ----------
    work : Path
        Folder of stores and caches.
    cohort : str
        ct, cxr, distracted or clinical.
    phantom : PhantomCohort
        Number of patients, and seed.
    """
    return work / f"phantom-{cohort}-{phantom.patients}-seed{phantom.seed}"


def phantom_source(cohort: str, phantom: PhantomCohort, work: Path, bars: Bars) -> Source:
    """Generate a phantom cohort, or find it already there.

    Parameters
    ----------
    cohort : str
        ``ct``, ``cxr``, ``distracted`` (CT with what is mistaken for an opacity) or ``clinical``
        (rows without images).
    phantom : PhantomCohort
        Number of patients, and seed.
    work : Path
        Folder of stores and caches.
    bars : callable
        Opens a progress bar by name.
    """
    from covidx.phantom import clinical_table, generate_cohort

    folder = phantom_folder(work, cohort, phantom)
    card = load_card(Path("phantom"))
    labels, table = folder / "labels.csv", folder / "clinical.csv"
    if cohort == "clinical":
        make_folder(folder)
        rows = clinical_table(phantom.patients, phantom.seed)
        for path, part in (
            (table, rows.drop(columns="label")),
            (labels, rows[["patient_id", "label"]]),
        ):
            with replacing(path) as temporary:
                part.to_csv(temporary, index=False, lineterminator="\n")
        return Source(None, labels, card, table)
    with bars("phantom") as bar:
        generate_cohort(
            folder,
            phantom.patients,
            phantom.seed,
            modality="cxr" if cohort == "cxr" else "ct",
            distractors=cohort == "distracted",
            progress=bar,
        )
    return Source(folder / "dicom", labels, card, table, folder / "masks", store=folder / "store")

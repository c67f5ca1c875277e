"""Where images and labels come from: the phantom, a described data set, a hospital export."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Literal

import pandas as pd

from covidx.cards import CARD_FOLDER, DataCard, load_card
from covidx.cohort import (
    Classes,
    classes_of,
    clinical_of,
    drop_unmatched,
    join_labels,
    read_labels,
)
from covidx.errors import InvalidInputError, InvalidTableError
from covidx.files import sha256_bytes, sha256_file
from covidx.ingest import Identities, IngestResult, ingest
from covidx.phantom import generate_cohort
from covidx.pipelines.image.config import TrainImage
from covidx.pipelines.progress import Bars
from covidx.tables import MASKS, empty, read_csv

__all__ = [
    "Cohort",
    "Source",
    "find_card",
    "link",
    "phantom_folder",
    "phantom_source",
    "read_source",
    "store_folder",
]

DEFAULT_POSITIVE = "covid-19"
MASK_SUFFIXES = (".nii.gz", ".png")
"""Of volumes, and of radiographs."""


@dataclass(frozen=True)
class Source:
    """What the user named: where images lie, what labels them, what describes them."""

    data: Path
    labels: Path | None
    card: DataCard | None
    clinical: Path | None = None
    masks: Path | None = None
    positive: str | None = None

    @property
    def positive_label(self) -> str:
        """What the user named, else what the card says."""
        named = self.positive or (None if self.card is None else self.card.positive)
        return named or DEFAULT_POSITIVE

    @property
    def name(self) -> str:
        """A folder name for its store; a hospital's own names stay out of it."""
        if self.card is not None:
            return re.sub(r"[^a-z0-9-]+", "-", self.card.identifier.lower())
        return "local-" + sha256_bytes(str(self.data.resolve()).encode())[:8]


@dataclass(frozen=True, eq=False)
class Cohort:
    """Labelled images, ready to be split."""

    source: Source
    store: Path
    ingested: IngestResult
    manifest: pd.DataFrame
    clinical: pd.DataFrame | None
    masks: pd.DataFrame
    classes: Classes
    notes: list[str]

    def only(self, manifest: pd.DataFrame, notes: list[str]) -> Cohort:
        """The images of `manifest` alone; `notes` say what was left out."""
        masks = self.masks[self.masks["image_id"].isin(manifest["image_id"])]
        masks = masks.reset_index(drop=True)
        return replace(self, manifest=manifest, masks=masks, notes=[*self.notes, *notes])


def phantom_folder(work: Path, modality: str, patients: int, seed: int) -> Path:
    """Where a phantom cohort lies; its store is the folder ``store`` in it."""
    return work / f"phantom-{modality}-{patients}-seed{seed}"


def store_folder(work: Path, name: str) -> Path:
    """Where the store of a source of this name lies, other than the phantom's."""
    return work / f"store-{name}"


def phantom_source(work: Path, config: TrainImage, bars: Bars) -> Source:
    """Generate the phantom cohort of a pipeline, or find it already there."""
    how, modality = config.phantom, config.phantom_modality
    folder = phantom_folder(work, modality, how.patients, how.seed)
    with bars("phantom") as bar:
        generate_cohort(folder, how.patients, how.seed, modality=modality, progress=bar)
    card = load_card(Path("phantom"))
    return Source(
        folder / "dicom",
        folder / "labels.csv",
        card,
        clinical=folder / "clinical.csv",
        masks=folder / "masks",
    )


def find_card(data: Path) -> DataCard | None:
    """The card that comes with covidx and whose image table, by hash, lies in `data`."""
    for path in sorted(CARD_FOLDER.glob("*.yaml")):
        card = load_card(path)
        if card.images is None:
            continue
        table = data / card.images.table
        if table.is_file() and sha256_file(table) == card.hashes.get(card.images.table):
            return card
    return None


def read_source(
    source: Source, work: Path, bars: Bars, classes: Classes | None = None
) -> tuple[Path, IngestResult]:
    """Ingest a source into its store below `work`.

    Its labels are read first, so that a mistake in them does not wait for thousands of files.
    """
    if source.labels is not None:
        labels = read_labels(source.labels)
        if classes is None:
            _classes(labels, source)
    store = store_folder(work, source.name)
    if source.masks is not None:
        store = source.data.parent / "store"
    with bars("ingest") as bar:
        result = ingest(
            source.data,
            store,
            card=source.card,
            progress=lambda stage, done, total: bar(done, total) if stage == "read" else None,
        )
    return store, result


def link(
    source: Source,
    store: Path,
    ingested: IngestResult,
    unmatched: Literal["refuse", "exclude"],
    classes: Classes | None = None,
) -> Cohort:
    """Give the images their labels, and name the classes: those that occur, or the model's."""
    manifest, clinical = ingested.manifest, None
    notes: list[str] = []
    if source.labels is not None:
        identities = Identities.for_card(source.card)
        labels = read_labels(source.labels)
        if source.clinical is not None:
            labels = labels.merge(read_csv(source.clinical), on="patient_id", how="left")
        manifest, labels = join_labels(
            manifest, labels, source.labels, identities, ingested.sources
        )
        try:
            manifest, notes = drop_unmatched(manifest, labels, source.labels, unmatched)
        except InvalidTableError as error:
            error.hint = " ".join([error.hint or "", *_where_to_look(store, ingested, identities)])
            raise
        clinical = clinical_of(labels, source.labels)
    elif manifest["label"].isna().all():
        raise InvalidInputError(
            "LABELS_MISSING",
            "These images have no labels.",
            path=source.data,
            expected="a CSV with patient_id (or path) and label, or a card whose table has labels",
            hint="Give it with --labels (make: LABELS=labels.csv).",
        )
    else:
        manifest = manifest.dropna(subset="label").reset_index(drop=True)
    classes = classes or _classes(manifest, source)
    masks = _masks(source, manifest)
    return Cohort(source, store, ingested, manifest, clinical, masks, classes, notes)


def _classes(labelled: pd.DataFrame, source: Source) -> Classes:
    """The classes of a table with a column ``label``; an error names the user's table."""
    try:
        return classes_of(sorted(set(labelled["label"])), source.positive_label)
    except InvalidTableError as error:
        error.path = str(source.labels or source.data)
        raise


def _where_to_look(store: Path, ingested: IngestResult, identities: Identities) -> list[str]:
    """Where a reader finds out what became of a file, and who a pseudonym is."""
    lines = []
    if ingested.quarantined:
        lines.append(
            f"{ingested.quarantined} files were refused: {store / 'quarantine.parquet'} says why."
        )
    linkage = identities.linkage_path(store)
    if linkage is not None and linkage.is_file():
        lines.append(f"Which original lies behind a pseudonym: {linkage}.")
    return lines


def _masks(source: Source, manifest: pd.DataFrame) -> pd.DataFrame:
    """True masks by patient, where a source has them."""
    if source.masks is None:
        return empty(MASKS)
    rows = []
    for image_id, patient in zip(manifest["image_id"], manifest["patient_id"], strict=True):
        for kind, suffix in product(("lung", "lesion"), MASK_SUFFIXES):
            path = source.masks / f"{patient}_{kind}{suffix}"
            if path.is_file():
                row = {"image_id": image_id, "kind": kind, "path": path.name, "maker": "truth"}
                rows.append({**row, "sha256": sha256_file(path)})
    return pd.DataFrame(rows, columns=list(MASKS.columns))

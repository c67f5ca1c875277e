"""Images joined to what is learnt of them: labels, clinical rows, true masks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from numpy.typing import NDArray

from covidx.cells import read_cells
from covidx.class_names import NO_CLASS
from covidx.cohort import (
    Classes,
    classes_of,
    clinical_of,
    drop_unmatched,
    join_labels,
    need_parts,
    without_identities,
)
from covidx.errors import InvalidInputError, InvalidTableError
from covidx.imaging.pairs import Groups
from covidx.ingest import Identities, IngestResult, Rules, ingest, load_image, need_files
from covidx.pipelines.labels import label_rows, rest_note
from covidx.pipelines.masks import TrueMasks, phantom_masks
from covidx.pipelines.progress import Bars
from covidx.pipelines.source import SAY_PICTURES, Source, store_folder
from covidx.volume import Volume
from covidx.wording import counted

PICTURE = re.compile(r"\.(?:png|jpe?g)$", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Cohort:
    """Images with what is learnt of them, ready to be split.

    Parameters
    ----------
    source : Source
        What the user named.
    store : Path
        Folder of the ingested images.
    ingested : IngestResult
        What became of every file.
    manifest, masks : DataFrame
        As `tables.MANIFEST` and `tables.MASKS`.
    notes : list of str
        A line for each kind of image that was left out.
    classes : Classes, optional
        Of the labels; None where masks or scores are learnt.
    clinical : DataFrame, optional
        Clinical columns of the label table, as `tables.CLINICAL`.
    truth : TrueMasks, optional
        How masks are read where they are learnt.
    """

    source: Source
    store: Path
    ingested: IngestResult
    manifest: pd.DataFrame
    masks: pd.DataFrame
    notes: list[str]
    classes: Classes | None = None
    clinical: pd.DataFrame | None = None
    truth: TrueMasks | None = None

    @property
    def labels(self) -> Classes:
        """The classes of a cohort with labels."""
        assert self.classes is not None
        return self.classes

    @property
    def true_masks(self) -> TrueMasks:
        """How the masks of a cohort with masks are read."""
        assert self.truth is not None
        return self.truth

    @property
    def groups(self) -> Groups:
        """Kinds of masks and their classes."""
        return self.true_masks.groups

    @property
    def reading(self) -> dict[str, Any]:
        """All that shapes what `load` and `mask_labels` give, besides the files."""
        return self.true_masks.reading

    @property
    def simulated(self) -> bool:
        """Whether its patients are."""
        return self.source.domain == "simulated"

    def only(self, manifest: pd.DataFrame, notes: list[str]) -> Cohort:
        """The images of `manifest` alone; `notes` say what was left out."""
        masks = self.masks[self.masks["image_id"].isin(manifest["image_id"])]
        masks = masks.reset_index(drop=True)
        return replace(self, manifest=manifest, masks=masks, notes=[*self.notes, *notes])

    def load(self, row: Mapping[Any, Any]) -> Volume:
        """The image of the manifest row `row`; greys that a card knows the window of, in HU."""
        volume = load_image(self.store, row)
        return volume if self.truth is None else self.truth.in_hu(volume, str(row["image_id"]))

    def mask_labels(self, image_id: str, volume: Volume) -> dict[str, NDArray[Any]]:
        """True class numbers of each kind of mask of `image_id`, as `TrueMasks.labels`.

        The `volume` is the image in reading order.
        """
        return self.true_masks.labels(self.masks[self.masks["image_id"] == image_id], volume)


def check_source(source: Source, parts: int | None = None, classes: Classes | None = None) -> None:
    """Find mistakes in a source before anything is ingested or written.

    Parameters
    ----------
    source : Source
        What the user named.
    parts : int, optional
        Of a split that its groups must do for; without it, a model has the classes.
    classes : Classes, optional
        Of that model.

    Raises
    ------
    InvalidInputError
        As `need_files`; ``LABELS_MISSING``, ``MODALITY_ABSENT``.
    InvalidTableError
        As `read_labels`; ``ONE_CLASS``, ``POSITIVE_UNKNOWN``, ``TOO_FEW_GROUPS``.
    """
    need_files(source.images)
    if source.labels is not None:
        if parts is None:
            label_rows(source, classes)
            return
        rows = source.label_rows[source.label_rows["label"] != NO_CLASS]
        _classes(rows, source)
        _need_modality(rows, source)
        if "patient_id" not in rows:  # a path may be a folder of many patients
            return
        try:
            need_parts(rows.assign(group_id=rows["patient_id"]), parts)
        except InvalidTableError as error:
            error.path = str(source.labels)
            raise
    elif source.card is None or source.card.images is None:
        raise _no_labels(source)


def _need_modality(rows: pd.DataFrame, source: Source) -> None:
    """Refuse pictures of which nothing says what they are, before thousands are read."""
    if source.card is not None or source.pictures is not None or "path" not in rows:
        return
    if rows["path"].str.contains(PICTURE).all():
        raise InvalidInputError(
            "MODALITY_ABSENT",
            "The label table names pictures, and nothing says what they show.",
            path=source.labels,
            hint=SAY_PICTURES,
        )


def _no_labels(source: Source) -> InvalidInputError:
    return InvalidInputError(
        "LABELS_MISSING",
        "These images have no labels.",
        path=source.images,
        expected="a CSV with patient_id (or path) and label, or a card whose table has labels",
        hint="Name it with --labels (make: LABELS=labels.csv).",
    )


def ingest_source(
    source: Source, work: Path, bars: Bars, classes: Classes | None = None
) -> tuple[Path, IngestResult]:
    """Ingest a source into its store.

    Its labels are read first, so that a mistake in them does not wait for thousands of files.

    Parameters
    ----------
    source : Source
        What the user named.
    work : Path
        Folder of stores.
    bars : callable
        Opens a progress bar by name.
    classes : Classes, optional
        Of a model that the images are to be scored by; those of the labels by default.

    Returns
    -------
    store : Path
    ingested : IngestResult
    """
    if source.labels is not None:
        labels = label_rows(source, classes)
        if classes is None:
            _classes(labels, source)
    store = source.store or store_folder(work, source.name)
    with bars("ingest") as bar:
        ingested = ingest(
            source.images,
            store,
            card=source.card,
            rules=Rules(pictures=source.pictures),
            progress=lambda stage, done, total: bar(done, total) if stage == "read" else None,
        )
    return store, ingested


def link_labels(
    source: Source,
    store: Path,
    ingested: IngestResult,
    unmatched: Literal["refuse", "exclude"],
    classes: Classes | None = None,
) -> Cohort:
    """Give the images their labels, and name the classes.

    Parameters
    ----------
    source : Source
        What the user named.
    store, ingested : Path, IngestResult
        As `ingest_source` gives them.
    unmatched : {"refuse", "exclude"}
        What to do with images without a label, and labels without an image.
    classes : Classes, optional
        Those of a model; by default those that occur.

    Raises
    ------
    InvalidInputError
        ``LABELS_MISSING``.
    InvalidTableError
        As `read_labels`, `join_labels` and `drop_unmatched`.
    """
    manifest, clinical = ingested.manifest, None
    notes: list[str] = []
    if source.labels is not None:
        identities = Identities.for_card(source.card)
        labels = label_rows(source, classes)
        notes += labels.attrs["notes"]
        if source.table is not None:
            labels = labels.merge(read_cells(source.table), on="patient_id", how="left")
        manifest, labels = join_labels(
            manifest, labels, source.labels, identities, ingested.sources
        )
        try:
            manifest, left_out = drop_unmatched(
                manifest, labels, source.labels, unmatched, ingested.sources
            )
        except InvalidTableError as error:
            error.hint = " ".join([error.hint or "", *_where_to_look(store, ingested, identities)])
            raise
        clinical = clinical_of(labels, source.labels)
        notes += [*left_out, *([] if clinical is None else clinical.attrs["notes"])]
        if clinical is not None and identities.key is not None:
            clinical, personal = without_identities(clinical)
            notes += personal
    elif manifest["label"].isna().all():
        raise _no_labels(source)
    else:
        manifest = manifest.dropna(subset="label").reset_index(drop=True)
    if classes is None:
        classes = _classes(manifest, source)
        notes += rest_note(manifest, classes)
    masks = phantom_masks(source, manifest)
    return Cohort(source, store, ingested, manifest, masks, notes, classes, clinical)


def _classes(labelled: pd.DataFrame, source: Source) -> Classes:
    """The classes of a table with a column ``label``; an error names the user's table."""
    try:
        names = set(labelled["label"]) - {NO_CLASS}
        return classes_of(sorted(names), source.positive_label)
    except InvalidTableError as error:
        error.path = str(source.labels or source.data)
        raise


def _where_to_look(store: Path, ingested: IngestResult, identities: Identities) -> list[str]:
    """Where a reader learns what became of a file, and which patient a pseudonym is."""
    lines = []
    if ingested.quarantined:
        lines.append(
            f"Refused: {counted(ingested.quarantined, 'file')}; "
            f"{store / 'quarantine.parquet'} says why."
        )
    linkage = identities.linkage_path(store)
    if linkage is not None and linkage.is_file():
        lines.append(f"Which original lies behind a pseudonym: {linkage}.")
    return lines

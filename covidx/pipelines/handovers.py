"""What a run on images hands on: its tables, and what its bundle says it was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pandas as pd

from covidx.cards import card_digest
from covidx.cohort import Splits
from covidx.domain import TrainedOn
from covidx.imaging import BagCache
from covidx.ingest import IngestResult
from covidx.pipelines.sources import Cohort, Source
from covidx.runs import RunFolder
from covidx.tables import CLINICAL, MANIFEST, MASKS, QUARANTINE, table_digest, write_table

__all__ = ["trained_on", "write_shared_tables", "write_tables"]


class Read(Protocol):
    """A cohort, whatever it is learnt from: where it comes from, and what became of its files."""

    @property
    def source(self) -> Source: ...

    @property
    def ingested(self) -> IngestResult: ...


def write_tables(
    run: RunFolder, cohort: Cohort, cache: BagCache, rows: pd.DataFrame, splits: Splits
) -> dict[str, str]:
    """Write the hand-over tables into the run; returns the digests of what was trained on."""
    write_table(cohort.masks, run.path / "masks.parquet", MASKS)
    if cohort.clinical is not None:
        write_table(cohort.clinical, run.path / "clinical.parquet", CLINICAL)
    return write_shared_tables(run, cohort, cache.refused, rows, splits)


def write_shared_tables(
    run: RunFolder,
    cohort: Read,
    refused: Mapping[str, Sequence[str]],
    rows: pd.DataFrame,
    splits: Splits,
) -> dict[str, str]:
    """Write manifest, splits and quarantine, which every run on images has; returns the digests.

    Parameters
    ----------
    run : RunFolder
        Its record gains the digests.
    cohort : Read
    refused : mapping
        image_id -> code and reason of what could not be prepared.
    rows : DataFrame
        Manifest rows with fold and role.
    splits : Splits
    """
    manifest = rows.drop(columns=["fold", "role"])
    write_table(manifest, run.path / "manifest.parquet", MANIFEST)
    splits.save(run.path / "splits.parquet")
    left = [
        {"path": image_id, "kind": "quarantined", "code": code, "reason": reason}
        for image_id, (code, reason) in refused.items()
    ]
    quarantine = pd.concat([cohort.ingested.quarantine, pd.DataFrame(left)], ignore_index=True)
    write_table(quarantine, run.path / "quarantine.parquet", QUARANTINE)
    card = cohort.source.card
    digests = {
        "dataset": cohort.source.name,
        "card_sha256": "none" if card is None else card_digest(card),
        "manifest_sha256": table_digest(manifest),
        "split_sha256": splits.sha256,
    }
    run.record["data"] = digests
    return digests


def trained_on(
    source: Source,
    rows: pd.DataFrame,
    splits: Splits | None,
    classes: Sequence[str] = (),
    table_sha256: str | None = None,
) -> TrainedOn:
    """What a bundle records of the images that it was trained on.

    Parameters
    ----------
    source : Source
    rows : DataFrame
        Manifest rows with role.
    splits : Splits, optional
        None where all rows were trained on.
    classes : sequence of str
        Names of the labels; none where masks or scores are learnt.
    table_sha256 : str, optional
        Of the table of readers' scores.
    """
    train, card = rows if splits is None else rows[rows["role"] == "train"], source.card
    thickness = train["slice_thickness_mm"].dropna()
    patients = train.drop_duplicates("patient_id")
    counts = {name: int((patients["label"] == name).sum()) for name in classes}
    digested = ["image_id", "sha256", "group_id", *(["label"] if classes else [])]
    return TrainedOn(
        dataset=source.name,
        domain="real" if card is None else card.domain,
        card_sha256=None if card is None else card_digest(card),
        manifest_sha256=table_digest(rows[digested]),
        split_sha256=None if splits is None else splits.sha256,
        table_sha256=table_sha256,
        patients=counts or {"all": len(patients)},
        modalities=sorted(train["modality"].unique()),
        kind=str(train["kind"].mode().iloc[0]),
        units=str(train["units"].mode().iloc[0]),
        manufacturers=sorted(train["manufacturer"].dropna().unique()),
        slice_thickness_mm=(float(thickness.min()), float(thickness.max()))
        if len(thickness)
        else None,
        contrast="contrast" in train and bool((train["contrast"] == "given").any()),
    )

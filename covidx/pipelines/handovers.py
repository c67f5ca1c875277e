"""The hand-over tables that a run on images leaves in its folder."""

from __future__ import annotations

import pandas as pd

from covidx.cards import card_digest
from covidx.cohort import Splits
from covidx.imaging import BagCache
from covidx.pipelines.sources import Cohort
from covidx.runs import RunFolder
from covidx.tables import CLINICAL, MANIFEST, MASKS, QUARANTINE, table_digest, write_table

__all__ = ["write_tables"]


def write_tables(
    run: RunFolder, cohort: Cohort, cache: BagCache, rows: pd.DataFrame, splits: Splits
) -> dict[str, str]:
    """Write the hand-over tables into the run; returns the digests of what was trained on."""
    manifest = rows.drop(columns=["fold", "role"])
    write_table(manifest, run.path / "manifest.parquet", MANIFEST)
    splits.save(run.path / "splits.parquet")
    write_table(cohort.masks, run.path / "masks.parquet", MASKS)
    if cohort.clinical is not None:
        write_table(cohort.clinical, run.path / "clinical.parquet", CLINICAL)
    refused = [
        {"path": image_id, "kind": "quarantined", "code": code, "reason": reason}
        for image_id, (code, reason) in cache.refused.items()
    ]
    quarantine = pd.concat([cohort.ingested.quarantine, pd.DataFrame(refused)], ignore_index=True)
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

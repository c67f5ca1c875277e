"""Images joined to their true masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from covidx.errors import InvalidInputError
from covidx.pipelines.cohort import Cohort, ingest_source
from covidx.pipelines.masks import TrueMasks
from covidx.pipelines.progress import Bars
from covidx.pipelines.source import Source


def link_masks(source: Source, work: Path, bars: Bars) -> Cohort:
    """Ingest a source and find the true masks of its images.

    Parameters
    ----------
    source : Source
        The phantom, or images with a card that says where their masks lie.
    work : Path
        Folder of stores.
    bars : callable
        Opens a progress bar by name.

    Raises
    ------
    InvalidInputError
        As `TrueMasks.of`; ``MASKS_MISSING``: no image has all of its masks.
    """
    truth, folder = TrueMasks.of(source)
    source = replace(source, data=folder)
    store, ingested = ingest_source(source, work, bars)
    truth = replace(truth, names=ingested.sources)
    manifest = truth.corrected(ingested.manifest)
    masks, notes = truth.find(manifest)
    complete = manifest[manifest["image_id"].isin(masks["image_id"])].reset_index(drop=True)
    if complete.empty:
        raise InvalidInputError(
            "MASKS_MISSING",
            "No image has all of its masks.",
            path=truth.root,
            expected=", ".join(files.path for files in truth.described.files),
            actual="; ".join(notes),
            hint="Correct the names of the mask files, or their paths in the card.",
        )
    return Cohort(source, store, ingested, complete, masks, notes, truth=truth)

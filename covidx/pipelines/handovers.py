"""What a run on images hands on: its tables, and what its bundle says it was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from covidx.cards import card_digest
from covidx.cohort import Splits
from covidx.domain import TrainedOn
from covidx.pipelines.card_warnings import card_warnings
from covidx.pipelines.cohort import Cohort
from covidx.pipelines.run import TrainingRun
from covidx.pipelines.source import Source
from covidx.report.words import FEW_TESTED, FEWEST_TESTED
from covidx.tables import CLINICAL, MANIFEST, MASKS, QUARANTINE, table_digest, write_table


def card_digest_of(source: Source) -> str:
    """The digest of the card of `source`; ``none`` without one."""
    return "none" if source.card is None else card_digest(source.card)


def hand_over(
    run: TrainingRun,
    cohort: Cohort,
    refused: Mapping[str, Sequence[str]],
    rows: pd.DataFrame,
    splits: Splits,
    **more: str,
) -> None:
    """Write manifest, masks, splits, quarantine and clinical rows into a run, and record digests.

    Parameters
    ----------
    run : TrainingRun
        Whose folder takes the tables.
    cohort : Cohort
        Its masks, clinical rows and quarantined files are written, too.
    refused : mapping
        image_id -> code and reason of what could not be prepared.
    rows : DataFrame
        Manifest rows with fold and role.
    splits : Splits
        The roles of `rows`.
    more
        Further digests, by name.
    """
    manifest = rows.drop(columns=["fold", "role"])
    masks = cohort.masks[cohort.masks["image_id"].isin(rows["image_id"])].reset_index(drop=True)
    left = [
        {"path": image_id, "kind": "quarantined", "code": code, "reason": reason}
        for image_id, (code, reason) in refused.items()
    ]
    quarantine = pd.concat([cohort.ingested.quarantine, pd.DataFrame(left)], ignore_index=True)
    write_table(manifest, run.path / "manifest.parquet", MANIFEST)
    write_table(masks, run.path / "masks.parquet", MASKS)
    write_table(quarantine, run.path / "quarantine.parquet", QUARANTINE)
    if cohort.clinical is not None:
        write_table(cohort.clinical, run.path / "clinical.parquet", CLINICAL)
    splits.save(run.path / "splits.parquet")
    digests = {
        "dataset": cohort.source.name,
        "card_sha256": card_digest_of(cohort.source),
        "manifest_sha256": table_digest(manifest),
        "split_sha256": splits.sha256,
    }
    if cohort.truth is not None:
        digests["masks_sha256"] = table_digest(masks[["image_id", "kind", "sha256"]])
    run.learn_from(digests | more, cohort.source.name, rows)


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
        Its name, card and domain are recorded.
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
        body_parts=sorted(train["body_part"].dropna().unique()) if "body_part" in train else [],
        pixel_mm=_range(train["pixel_spacing_mm"]),
        step_mm=_range(train["slice_spacing_mm"]),
    )


def _range(values: pd.Series) -> tuple[float, float] | None:
    known = values[values > 0]  # some headers say 0
    return (float(known.min()), float(known.max())) if len(known) else None


def source_warnings(source: Source, tested: int, notes: Sequence[str]) -> list[str]:
    """What a reader must know of the data before any figure.

    Parameters
    ----------
    source : Source
        Its card, if any, says whether it is simulated, and lists known biases.
    tested : int
        Test patients.
    notes : sequence of str
        What was left out of the cohort.
    """
    lines = card_warnings(source)
    if tested < FEWEST_TESTED:
        lines.append(FEW_TESTED)
    return [*lines, *notes]

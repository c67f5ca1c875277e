"""What a run on true masks leaves behind: tables, warnings, the card of its model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from covidx.cohort import Splits
from covidx.evaluate import Estimate
from covidx.files import replacing
from covidx.imaging.pairs import PairCache
from covidx.inference.network_bundle import NetworkBundle
from covidx.pipelines.handovers import write_shared_tables
from covidx.pipelines.masked.cohort import MaskedCohort
from covidx.report.words import FEW_TESTED, FEWEST_TESTED, SIMULATED
from covidx.runs import RunFolder
from covidx.tables import MASKS, table_digest, write_table

__all__ = [
    "warnings_of",
    "write_masked_tables",
    "write_network_card",
]

PIXELS = "surface distances and the NSD's tolerance are in pixels: radiographs here have no spacing"


def write_masked_tables(
    run: RunFolder, cohort: MaskedCohort, cache: PairCache, rows: pd.DataFrame, splits: Splits
) -> dict[str, str]:
    """Write the hand-over tables into the run; returns the digests of what was trained on."""
    used = cohort.masks["image_id"].isin(rows["image_id"])
    masks = cohort.masks[used].reset_index(drop=True)
    write_table(masks, run.path / "masks.parquet", MASKS)
    digests = write_shared_tables(run, cohort, cache.refused, rows, splits)
    digests["masks_sha256"] = table_digest(masks[["image_id", "kind", "sha256"]])
    return digests


def warnings_of(cohort: MaskedCohort, rows: pd.DataFrame) -> list[str]:
    """What a reader must know before any figure."""
    lines = list(cohort.notes)
    card = cohort.source.card
    if card is not None and card.domain == "simulated":
        lines.insert(0, SIMULATED)
    tested = rows.loc[rows["role"] == "test", "patient_id"].nunique()
    if tested < FEWEST_TESTED:
        lines.append(FEW_TESTED)
    if (rows["geometry"] == "none").all():
        lines.append(PIXELS)
    if card is not None:
        lines += [f"Known bias: {bias}" for bias in card.known_biases]
    return lines


def write_network_card(
    folder: Path,
    bundle: NetworkBundle,
    words: tuple[str, str, Sequence[str]],
    found: Mapping[str, Estimate],
    warnings: list[str],
) -> None:
    """Write ``MODEL_CARD.md`` into a bundle.

    Parameters
    ----------
    folder : Path
    bundle : NetworkBundle
    words : tuple
        What the model is called, what it is for, and lines that describe it.
    found : mapping
    warnings : list of str
    """
    name, use, model = words
    seen = bundle.trained_on
    lines = [
        f"# covidx {name} on {seen.modality}",
        f"> **{bundle.notice}**",
        "## Intended use",
        f"Research on {use}: comparing methods, teaching, testing software. An opacity is "
        "what is denser than lung: many diseases look so, and none is named by it.",
        "## Model",
        "\n".join(f"- {line}" for line in [*model, f"Bundle: `{bundle.sha256}`"]),
        "## Trained on",
        f"{seen.dataset}, **{seen.domain}** (card `{seen.card_sha256}`), "
        f"{seen.patients['all']} patients.",
        "## Results",
        "On test patients of the same data set, by patient.",
        "| metric | value | 95 % interval | n | method |\n|---|---|---|---|---|\n"
        + "\n".join(_line(name, one) for name, one in found.items()),
        "## Known limits",
        "\n".join(f"- {line}" for line in warnings) or "- None noted.",
    ]
    with replacing(folder / "MODEL_CARD.md") as temporary:
        temporary.write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def _line(name: str, one: Estimate) -> str:
    if one.reason:
        return f"| {name} | – | – | {one.n} | {one.method}; {one.reason} |"
    return (
        f"| {name} | {one.value:.3f} | {one.low:.3f} to {one.high:.3f} | {one.n} | {one.method} |"
    )

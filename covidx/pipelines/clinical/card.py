"""The model card in a clinical bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from covidx.cards import Column, ModelFacts, write_model_card
from covidx.clinical import ClinicalBundle, Fitted
from covidx.evaluate import Metrics
from covidx.pipelines.clinical.results import what_it_is

__all__ = ["write_clinical_model_card"]

INTENDED_USE = (
    "Research on clinical prediction models: comparing methods, teaching, testing software. The "
    "score is not a probability of disease for a patient, and must not inform care."
)


def write_clinical_model_card(
    folder: Path, bundle: ClinicalBundle, fitted: Fitted, metrics: Metrics, notes: Sequence[str]
) -> None:
    """Write ``MODEL_CARD.md``: the columns with their units, test results and all."""
    facts = ModelFacts(
        name=f"covidx P2: {bundle.positive} on clinical rows",
        architecture=f"{bundle.recipe.name}: {what_it_is(fitted)}",
        positive=bundle.positive,
        classes=bundle.classes,
        modality="clinical rows",
        domain=bundle.trained_on.domain,
        card_identifier=bundle.trained_on.dataset,
        card_sha256=bundle.trained_on.card_sha256 or "none",
        patients_by_class=bundle.trained_on.patients,
        preprocessing=[_column(column) for column in bundle.columns],
        threshold=bundle.threshold.value,
        threshold_origin=bundle.threshold.provenance,
        metrics=metrics.to_json(),
        metrics_on=f"{metrics.n} test {metrics.level}s of the same data set",
        limits=list(notes),
        intended_use=INTENDED_USE,
        bundle_sha256=bundle.sha256,
        versions=bundle.versions,
    )
    write_model_card(folder, facts)


def _column(column: Column) -> str:
    """What a new table must have in a column."""
    said = f"`{column.name}`, {column.meaning}"
    if column.codes is not None:
        pairs = column.codes.items()
        said += ": " + ", ".join(f"{k} is {'unknown' if v is None else f'{v:g}'}" for k, v in pairs)
    elif column.values is not None:
        said += f": {', '.join(column.values)}"
    elif column.unit is not None:
        given = column.source_unit or column.unit
        said += f", in {given}" + (f", read as {column.unit}" if given != column.unit else "")
    if column.low is not None and column.high is not None and column.codes is None:
        said += f", from {column.low:g} to {column.high:g}"
    return said

"""What the verbs that train share: options, what the user named, what is told at the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from covidx.constants import RESEARCH_NOTICE
from covidx.errors import InvalidInputError

if TYPE_CHECKING:
    from covidx.evaluate import Estimate, Metrics
    from covidx.pipelines.sources import Source

__all__ = [
    "Card",
    "Changes",
    "Configuration",
    "Data",
    "Labels",
    "Positive",
    "Runs",
    "Work",
    "named_source",
    "no_data",
    "tell_found",
    "tell_metrics",
    "tell_places",
    "train_app",
]

train_app = typer.Typer(help="Train, evaluate and explain a model.", no_args_is_help=True)
HEADLINE = ("auroc", "sensitivity", "specificity", "ppv", "npv", "brier")
KNOWN_BIAS = "Known bias: "


@train_app.callback()
def _train() -> None:
    """Train, evaluate and explain a model."""


Data = Annotated[Path | None, typer.Option(help="Folder of images [the embedded phantom cohort].")]
Labels = Annotated[
    Path | None, typer.Option(help="CSV: patient_id or path, label, clinical columns.")
]
Card = Annotated[Path | None, typer.Option(help="Data card (path, or known name).")]
Positive = Annotated[
    str | None, typer.Option(help="The positive label [the card's, else covid-19].")
]
Configuration = Annotated[Path | None, typer.Option("--config", help="YAML [the pipeline's own].")]
Changes = Annotated[list[str] | None, typer.Option("--set", help="key=value over it.")]
Runs = Annotated[Path, typer.Option(help="Folder of runs.")]
Work = Annotated[Path, typer.Option(help="Folder of stores and caches.")]


def named_source(
    data: Path | None, labels: Path | None, card: Path | None, positive: str | None
) -> Source | None:
    """What the user named; None for the phantom."""
    if data is not None:
        from covidx.cards import load_card
        from covidx.pipelines.sources import Source, find_card

        described = find_card(data) if card is None else load_card(card)
        return Source(data, labels, described, positive=positive)
    if labels is not None or card is not None:
        raise no_data()
    return None


def no_data() -> InvalidInputError:
    """What to raise where a table was named, but no images."""
    return InvalidInputError(
        "DATA_MISSING", "Labels, a table or a card were given, but no data.", hint="Add --data."
    )


def tell_metrics(metrics: Metrics, notes: list[str]) -> None:
    """The headline figures of a classifier, and what to know before reading them."""
    typer.echo(f"\n{metrics.positive} against the rest, {metrics.n} test {metrics.level}s")
    for name in HEADLINE:
        found = metrics[name]
        typer.echo(f"  {name:<12} {found}   n = {found.n}")
    if metrics.point is not None:
        typer.echo(f"  threshold    {metrics.point.threshold:.3f}, {metrics.point.text}\n")
    biases = [line for line in notes if line.startswith(KNOWN_BIAS)]
    for line in notes:
        if line not in biases:
            typer.echo(f"  note: {line}")
    if biases:
        typer.echo(f"  note: {len(biases)} known biases of this data set stand in the report")


def tell_found(found: Mapping[str, Estimate], told: list[str], warnings: list[str]) -> None:
    """Some figures by name, and what to know before reading them."""
    for name in told:
        typer.echo(f"  {name:<28} {found[name]}   n = {found[name].n}")
    for line in warnings:
        if not line.startswith(KNOWN_BIAS):
            typer.echo(f"  note: {line}")


def tell_places(folder: Path) -> None:
    """Where report and bundle of a finished run lie, and what they are not for."""
    typer.echo(f"\nreport   {folder / 'report.html'}\nbundle   {folder / 'bundle'}")
    typer.echo(f"\n{RESEARCH_NOTICE}")

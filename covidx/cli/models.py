"""Verbs that train and use models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from covidx.cli.progress import terminal_bar
from covidx.constants import RESEARCH_NOTICE

if TYPE_CHECKING:
    from covidx.pipelines.train_ct import Trained
    from covidx.training import Prediction

__all__ = ["predict", "train_app"]

train_app = typer.Typer(help="Train, evaluate and explain a model.", no_args_is_help=True)
HEADLINE = ("auroc", "sensitivity", "specificity", "ppv", "npv", "brier")


@train_app.callback()
def _train() -> None:
    """Train, evaluate and explain a model."""


@train_app.command()
def ct(
    data: Annotated[
        Path | None, typer.Option(help="Folder of images [the embedded phantom cohort].")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV: patient_id or path, label, clinical columns.")
    ] = None,
    card: Annotated[Path | None, typer.Option(help="Data card (path, or known name).")] = None,
    positive: Annotated[
        str | None, typer.Option(help="The positive label [the card's, else covid-19].")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML [train_ct.yaml].")] = None,
    change: Annotated[list[str] | None, typer.Option("--set", help="key=value over it.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of runs.")] = Path("runs"),
    work: Annotated[Path, typer.Option(help="Folder of stores and caches.")] = Path("data"),
) -> None:
    """CT: DICOM, NIfTI or slices in; classifier, metrics, heatmaps and bundle out."""
    from covidx.cards import load_card
    from covidx.config import load_config
    from covidx.errors import InvalidInputError
    from covidx.pipelines.config import TRAIN_CT, TrainCT

    settings = load_config(config or TRAIN_CT, TrainCT, change or [])
    source = None
    if data is not None:
        from covidx.pipelines.sources import Source, find_card

        described = find_card(data) if card is None else load_card(card)
        source = Source(data, labels, described, positive=positive)
    elif labels is not None or card is not None:
        raise InvalidInputError(
            "DATA_MISSING", "Labels or a card were given, but no data.", hint="Add --data."
        )
    from covidx.pipelines.train_ct import train_ct

    _tell(train_ct(settings, source, work=work, runs=runs, bars=terminal_bar))


def _tell(trained: Trained) -> None:
    metrics, folder = trained.metrics, trained.folder
    typer.echo(f"\n{metrics.positive} against the rest, {metrics.n} test {metrics.level}s")
    for name in HEADLINE:
        found = metrics[name]
        typer.echo(f"  {name:<12} {found}   n = {found.n}")
    point = metrics.point
    typer.echo(f"  threshold    {point.threshold:.3f}, {point.text}\n")
    for line in trained.warnings:
        typer.echo(f"  note: {line}")
    typer.echo(f"\nreport   {folder / 'report.html'}\nbundle   {folder / 'bundle'}")
    typer.echo(f"\n{RESEARCH_NOTICE}")


def predict(
    bundle: Annotated[Path, typer.Argument(help="Model bundle.")],
    paths: Annotated[list[Path], typer.Argument(help="DICOM folders, NIfTI or picture files.")],
    format: Annotated[  # noqa: A002
        Literal["table", "csv", "json"], typer.Option(help="What to print.")
    ] = "table",
    out: Annotated[Path | None, typer.Option(help="Write there instead.")] = None,
) -> None:
    """Score images with a trained bundle; exit code 1 where an image has no score."""
    from covidx.files import replacing
    from covidx.ingest import Identities
    from covidx.training import Predictor, predict_path

    predictor, identities = Predictor.load(bundle), Identities.keyed()
    found: list[Prediction] = []
    with terminal_bar("predict") as bar:
        for done, path in enumerate(paths, 1):
            found += predict_path(predictor, path, identities=identities)
            bar(done, len(paths))
    text = {"table": _as_table, "csv": _as_csv, "json": _as_json}[format](found)
    if out is None:
        typer.echo(text)
    else:
        with replacing(out) as temporary:
            temporary.write_text(text + "\n")
    if format == "table":
        seen = predictor.bundle.trained_on
        typer.echo(f"trained on: {seen.dataset}, {seen.domain} {seen.modality} in {seen.units}")
        typer.echo(RESEARCH_NOTICE)
    if any(one.problem for one in found):
        raise typer.Exit(1)


def _as_table(found: list[Prediction]) -> str:
    from covidx.training import NOT_INTERPRETABLE

    lines = []
    for one in found:
        lines.append(one.path)
        if one.problem is not None:
            lines.append(f"  no score: {one.problem}")
        else:
            lines.append(f"  score {one.score:.3f} -> {one.decision}")
            lines.append(f"  threshold {one.threshold:.3f}, {one.threshold_origin}")
        if one.outside:
            lines.append(f"  {NOT_INTERPRETABLE.upper()}: {'; '.join(one.outside)}")
        if one.receipt:
            lines.append(f"  series: {one.receipt['series']}")
            lines.append(f"  units: {one.receipt['units_from']}")
    return "\n".join(lines)


def _as_csv(found: list[Prediction]) -> str:
    import pandas as pd

    rows = []
    for one in found:
        row = one.to_json()
        row |= {f"prob_{name}": value for name, value in row.pop("probabilities").items()}
        row["outside"] = "; ".join(one.outside)
        row["series"] = row.pop("receipt").get("series")
        rows.append(row)
    return pd.DataFrame(rows).to_csv(index=False).rstrip("\n")


def _as_json(found: list[Prediction]) -> str:
    return json.dumps([one.to_json() for one in found], indent=2)

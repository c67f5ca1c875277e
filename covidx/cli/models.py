"""Verbs that train and use models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from covidx.cli.answers import as_csv, as_json, as_table
from covidx.cli.progress import terminal_bar
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import StoreError
from covidx.files import make_folder, replacing

if TYPE_CHECKING:
    from covidx.pipelines.train_ct import Trained
    from covidx.training import Prediction

__all__ = ["predict", "train_app"]

train_app = typer.Typer(help="Train, evaluate and explain a model.", no_args_is_help=True)
HEADLINE = ("auroc", "sensitivity", "specificity", "ppv", "npv", "brier")
KNOWN_BIAS = "Known bias: "


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
    if metrics.point is not None:
        typer.echo(f"  threshold    {metrics.point.threshold:.3f}, {metrics.point.text}\n")
    biases = [line for line in trained.warnings if line.startswith(KNOWN_BIAS)]
    for line in trained.warnings:
        if line not in biases:
            typer.echo(f"  note: {line}")
    if biases:
        typer.echo(f"  note: {len(biases)} known biases of this data set stand in the report")
    typer.echo(f"\nreport   {folder / 'report.html'}\nbundle   {folder / 'bundle'}")
    typer.echo(f"\n{RESEARCH_NOTICE}")


def predict(
    bundle: Annotated[Path, typer.Argument(help="Model bundle.")],
    paths: Annotated[
        list[Path], typer.Argument(help="A DICOM study's folder, a NIfTI or picture file, each.")
    ],
    format: Annotated[  # noqa: A002
        Literal["table", "csv", "json"], typer.Option(help="What to print.")
    ] = "table",
    out: Annotated[Path | None, typer.Option(help="Write there instead.")] = None,
    card: Annotated[
        Path | None, typer.Option(help="Data card of pictures with a table (path, or known name).")
    ] = None,
) -> None:
    """Score images with a trained bundle; exit code 1 where an image has no score."""
    from covidx.cards import load_card
    from covidx.ingest import Identities
    from covidx.training import Predictor, predict_path

    if out is not None:
        _check_writable(out)
    described = None if card is None else load_card(card)
    identities = Identities.for_card(described)
    predictor = Predictor.load(bundle)
    found: list[Prediction] = []
    with terminal_bar("predict") as bar:
        for done, path in enumerate(paths, 1):
            found += predict_path(predictor, path, identities=identities, card=described)
            bar(done, len(paths))
    text = {"table": as_table, "csv": as_csv, "json": as_json}[format](found, predictor.bundle)
    if out is None:
        typer.echo(text)
    else:
        with replacing(out) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    if any(one.problem for one in found):
        raise typer.Exit(1)


def _check_writable(out: Path) -> None:
    """Refuse before the work, not after it."""
    make_folder(out.absolute().parent)
    if out.is_dir():
        raise StoreError(
            "UNWRITABLE",
            "This is a folder, not a file to write.",
            path=out,
            hint="Name a file.",
        )

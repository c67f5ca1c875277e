"""Verbs that train and test classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from covidx.cli.progress import terminal_bar
from covidx.cli.training import (
    Card,
    Changes,
    Configuration,
    Data,
    Labels,
    Positive,
    Runs,
    Work,
    named_source,
    no_data,
    tell_metrics,
    tell_places,
)
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import InvalidInputError

if TYPE_CHECKING:
    from covidx.pipelines.image.config import TrainImage
    from covidx.pipelines.image.train import Trained
    from covidx.pipelines.sources import Source

__all__ = ["clinical", "ct", "cxr", "external_test", "fusion"]


def ct(
    data: Data = None,
    labels: Labels = None,
    card: Card = None,
    positive: Positive = None,
    config: Configuration = None,
    change: Changes = None,
    runs: Runs = Path("runs"),
    work: Work = Path("data"),
) -> None:
    """CT: DICOM, NIfTI or slices in; classifier, metrics, heatmaps and bundle out."""
    from covidx.config import load_config
    from covidx.pipelines.image.config import TRAIN_CT, TrainCT

    settings = load_config(config or TRAIN_CT, TrainCT, change or [])
    _train_image(settings, named_source(data, labels, card, positive), work, runs)


def cxr(
    data: Data = None,
    labels: Labels = None,
    card: Card = None,
    positive: Positive = None,
    config: Configuration = None,
    change: Changes = None,
    runs: Runs = Path("runs"),
    work: Work = Path("data"),
) -> None:
    """Chest radiographs: DICOM or pictures in; classifier, metrics, heatmaps and bundle out."""
    from covidx.config import load_config
    from covidx.pipelines.image.config import TRAIN_CXR, TrainCXR

    settings = load_config(config or TRAIN_CXR, TrainCXR, change or [])
    _train_image(settings, named_source(data, labels, card, positive), work, runs)


def clinical(
    data: Annotated[
        Path | None, typer.Option(help="CSV (zipped or not), XLSX or parquet [the phantom's rows].")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV: patient_id, label, if the table has no label.")
    ] = None,
    card: Card = None,
    config: Configuration = None,
    change: Changes = None,
    runs: Runs = Path("runs"),
    work: Work = Path("data"),
) -> None:
    """Clinical rows: a table and its card in; classifier, controls, odds ratios and drift out."""
    from covidx.cards import load_card
    from covidx.config import load_config
    from covidx.pipelines.clinical.config import TRAIN_CLINICAL, TrainClinical, find_table
    from covidx.pipelines.clinical.train import train_clinical

    settings = load_config(config or TRAIN_CLINICAL, TrainClinical, change or [])
    source = None
    if data is not None:
        source = find_table(data, None if card is None else load_card(card), labels)
    elif labels is not None or card is not None:
        raise no_data()
    trained = train_clinical(settings, source, work=work, runs=runs, bars=terminal_bar)
    tell_metrics(trained.metrics, trained.warnings)
    typer.echo("\n  model                 AUROC on the same test patients")
    for line in trained.models:
        typer.echo(f"  {line.name:<21} {line.auroc}   n = {line.n}")
    tell_places(trained.folder)


def fusion(
    data: Data = None,
    labels: Annotated[Path | None, typer.Option(help="CSV: patient_id, label.")] = None,
    clinical: Annotated[
        Path | None,
        typer.Option(
            help="Clinical table of the same patients [the card's, in the data's folder]."
        ),
    ] = None,
    card: Card = None,
    config: Configuration = None,
    change: Changes = None,
    runs: Runs = Path("runs"),
    work: Work = Path("data"),
) -> None:
    """Image and clinic of the same patients: P1, P2 and their fusion P3, and what each adds."""
    from covidx.cards import load_card
    from covidx.config import load_config
    from covidx.pipelines.fusion.config import TRAIN_FUSION, TrainFusion, fusion_source
    from covidx.pipelines.fusion.train import train_fusion
    from covidx.pipelines.sources import find_card

    settings = load_config(config or TRAIN_FUSION, TrainFusion, change or [])
    source = None
    if data is not None:
        described = find_card(data) if card is None else load_card(card)
        source = fusion_source(data, labels, clinical, described)
    elif labels is not None or card is not None or clinical is not None:
        raise no_data()
    trained = train_fusion(settings, source, work=work, runs=runs, bars=terminal_bar)
    tell_metrics(trained.metrics, trained.warnings)
    typer.echo("\n  arm                   AUROC on the same test patients; P3 minus it")
    for line in trained.arms:
        minus = f"   {line.against.differences['auroc']}" if line.against else ""
        typer.echo(f"  {line.name:<21} {line.metrics['auroc']}{minus}")
    typer.echo("\n  P3 was given          AUROC on the test patients who have both")
    for name, found in trained.missing.items():
        typer.echo(f"  {name:<21} {found['auroc']}")
    tell_places(trained.folder)


def _train_image(settings: TrainImage, source: Source | None, work: Path, runs: Path) -> None:
    from covidx.pipelines.image.train import train_image

    _tell(train_image(settings, source, work=work, runs=runs, bars=terminal_bar))


def external_test(
    run: Annotated[Path, typer.Argument(help="A finished run, such as runs/train_cxr/latest.")],
    data: Annotated[Path, typer.Option(help="Folder of images of the second data set.")],
    labels: Labels = None,
    card: Card = None,
    mapped: Annotated[
        list[str] | None, typer.Option("--map", help="label=class of the model, or label=rest.")
    ] = None,
    runs: Runs = Path("runs"),
    work: Work = Path("data"),
) -> None:
    """Test a run's bundle on a second data set, and say what it loses there."""
    source = named_source(data, labels, card, None)
    assert source is not None
    mapping = dict(_pair(text) for text in mapped or [])
    from covidx.pipelines.external_test import external_test as test

    found = test(run, source, mapping, work=work, runs=runs, bars=terminal_bar)
    tell_metrics(found.metrics, found.notes)
    typer.echo("\nlost from the run's own test set (95 % interval)")
    for name, estimate in found.drops.items():
        typer.echo(f"  {name:<12} {estimate}")
    typer.echo(f"\nreport   {found.folder / 'report.html'}\n\n{RESEARCH_NOTICE}")


def _pair(text: str) -> tuple[str, str]:
    label, equals, name = text.partition("=")
    if not (label and equals and name):
        raise InvalidInputError(
            "MAP_INVALID", "A mapped label must read label=class.", expected="a=b", actual=text
        )
    return label, name


def _tell(trained: Trained) -> None:
    tell_metrics(trained.metrics, trained.warnings)
    tell_places(trained.folder)

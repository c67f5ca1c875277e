"""Verbs that train and test models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from covidx.cli.progress import terminal_bar
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import InvalidInputError

if TYPE_CHECKING:
    from covidx.evaluate import Estimate, Metrics
    from covidx.pipelines.config import TrainImage
    from covidx.pipelines.sources import Source
    from covidx.pipelines.train_image import Trained

__all__ = ["external_test", "train_app"]

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


@train_app.command()
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
    from covidx.pipelines.config import TRAIN_CT, TrainCT

    settings = load_config(config or TRAIN_CT, TrainCT, change or [])
    _train_image(settings, _source(data, labels, card, positive), work, runs)


@train_app.command()
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
    from covidx.pipelines.config import TRAIN_CXR, TrainCXR

    settings = load_config(config or TRAIN_CXR, TrainCXR, change or [])
    _train_image(settings, _source(data, labels, card, positive), work, runs)


@train_app.command()
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
    from covidx.pipelines.clinical_config import TRAIN_CLINICAL, TrainClinical, find_table
    from covidx.pipelines.train_clinical import train_clinical

    settings = load_config(config or TRAIN_CLINICAL, TrainClinical, change or [])
    source = None
    if data is not None:
        source = find_table(data, None if card is None else load_card(card), labels)
    elif labels is not None or card is not None:
        raise _no_data()
    trained = train_clinical(settings, source, work=work, runs=runs, bars=terminal_bar)
    _tell_metrics(trained.metrics, trained.warnings)
    typer.echo("\n  model                 AUROC on the same test patients")
    for line in trained.models:
        typer.echo(f"  {line.name:<21} {line.auroc}   n = {line.n}")
    _tell_places(trained.folder)


@train_app.command()
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
    from covidx.pipelines.fusion_config import TRAIN_FUSION, TrainFusion, fusion_source
    from covidx.pipelines.sources import find_card
    from covidx.pipelines.train_fusion import train_fusion

    settings = load_config(config or TRAIN_FUSION, TrainFusion, change or [])
    source = None
    if data is not None:
        described = find_card(data) if card is None else load_card(card)
        source = fusion_source(data, labels, clinical, described)
    elif labels is not None or card is not None or clinical is not None:
        raise _no_data()
    trained = train_fusion(settings, source, work=work, runs=runs, bars=terminal_bar)
    _tell_metrics(trained.metrics, trained.warnings)
    typer.echo("\n  arm                   AUROC on the same test patients; P3 minus it")
    for line in trained.arms:
        minus = f"   {line.against.differences['auroc']}" if line.against else ""
        typer.echo(f"  {line.name:<21} {line.metrics['auroc']}{minus}")
    typer.echo("\n  P3 was given          AUROC on the test patients who have both")
    for name, found in trained.missing.items():
        typer.echo(f"  {name:<21} {found['auroc']}")
    _tell_places(trained.folder)


@train_app.command()
def severity(
    data: Data = None,
    scores: Annotated[
        Path | None,
        typer.Option(help="CSV: image or patient_id; extent, opacity [the card's]."),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(help="Folder of drawn lungs, PNG by the films' names [the card's]."),
    ] = None,
    card: Card = None,
    config: Configuration = None,
    change: Changes = None,
    runs: Runs = Path("runs"),
    work: Work = Path("data"),
) -> None:
    """Radiographs and readers' scores: extent and opacity of a new film, with an interval."""
    from covidx.config import load_config
    from covidx.pipelines.severity_source import TRAIN_SEVERITY, TrainSeverity, scored_source
    from covidx.pipelines.train_severity import train_severity

    settings = load_config(config or TRAIN_SEVERITY, TrainSeverity, change or [])
    source = None
    if data is not None:
        named = _source(data, None, card, None)
        assert named is not None
        source = scored_source(named, scores, masks)
    elif scores is not None or masks is not None or card is not None:
        raise _no_data()
    trained = train_severity(settings, source, work=work, runs=runs, bars=terminal_bar)
    typer.echo(f"\neach of {trained.patients} patients left out in turn")
    for name, metrics in trained.metrics.items():
        for key in ("mae", "mae_control", "r2", "spearman", "kappa", "interval_coverage"):
            typer.echo(f"  {name:<10} {key:<18} {metrics[key]}   n = {metrics[key].n}")
    for line in trained.warnings:
        typer.echo(f"  note: {line}")
    _tell_places(trained.folder)


Masked = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of images and masks [the phantom, distracted]."),
]
MaskCard = Annotated[
    Path | None,
    typer.Option("--card", help="Data card with a section masks (path, or known name)."),
]


@train_app.command()
def segmentation(
    data: Masked = None,
    card: MaskCard = None,
    config: Configuration = None,
    change: Changes = None,
    runs: Runs = Path("runs"),
    work: Work = Path("data"),
) -> None:
    """Lungs and opacities: images with masks in; network, agreement and bundle out."""
    from covidx.config import load_config
    from covidx.pipelines.segmentation_config import TRAIN_SEGMENTATION, TrainSegmentation
    from covidx.pipelines.train_segmentation import train_segmentation

    settings = load_config(config or TRAIN_SEGMENTATION, TrainSegmentation, change or [])
    source = _source(data, None, card, None)
    trained = train_segmentation(settings, source, work=work, runs=runs, bars=terminal_bar)
    typer.echo("\nagreement with the true masks of test patients, means by patient")
    told = [name for name in trained.estimates if name.endswith((".dice", ".false_ml"))]
    _tell_found(trained.estimates, told, trained.warnings)
    _tell_places(trained.folder)


@train_app.command()
def detection(
    data: Masked = None,
    card: MaskCard = None,
    config: Configuration = None,
    change: Changes = None,
    runs: Runs = Path("runs"),
    work: Work = Path("data"),
) -> None:
    """Opacities on CT as boxes: volumes with masks in; network, mAP, FROC and bundle out."""
    from covidx.config import load_config
    from covidx.pipelines.detection_config import TRAIN_DETECTION, TrainDetection
    from covidx.pipelines.train_detection import train_detection

    settings = load_config(config or TRAIN_DETECTION, TrainDetection, change or [])
    source = _source(data, None, card, None)
    trained = train_detection(settings, source, work=work, runs=runs, bars=terminal_bar)
    typer.echo("\nboxes beside the true ones of test patients; n: boxes, lesions or scans")
    _tell_found(trained.estimates, list(trained.estimates), trained.warnings)
    _tell_places(trained.folder)


def _tell_found(found: Mapping[str, Estimate], told: list[str], warnings: list[str]) -> None:
    for name in told:
        typer.echo(f"  {name:<28} {found[name]}   n = {found[name].n}")
    for line in warnings:
        if not line.startswith(KNOWN_BIAS):
            typer.echo(f"  note: {line}")


def _no_data() -> InvalidInputError:
    return InvalidInputError(
        "DATA_MISSING", "Labels, a table or a card were given, but no data.", hint="Add --data."
    )


def _source(
    data: Path | None, labels: Path | None, card: Path | None, positive: str | None
) -> Source | None:
    """What the user named; None for the phantom."""
    if data is not None:
        from covidx.cards import load_card
        from covidx.pipelines.sources import Source, find_card

        described = find_card(data) if card is None else load_card(card)
        return Source(data, labels, described, positive=positive)
    if labels is not None or card is not None:
        raise _no_data()
    return None


def _train_image(settings: TrainImage, source: Source | None, work: Path, runs: Path) -> None:
    from covidx.pipelines.train_image import train_image

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
    source = _source(data, labels, card, None)
    assert source is not None
    mapping = dict(_pair(text) for text in mapped or [])
    from covidx.pipelines.external_test import external_test as test

    found = test(run, source, mapping, work=work, runs=runs, bars=terminal_bar)
    _tell_metrics(found.metrics, found.notes)
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
    _tell_metrics(trained.metrics, trained.warnings)
    _tell_places(trained.folder)


def _tell_places(folder: Path) -> None:
    """Where report and bundle of a finished run lie, and what they are not for."""
    typer.echo(f"\nreport   {folder / 'report.html'}\nbundle   {folder / 'bundle'}")
    typer.echo(f"\n{RESEARCH_NOTICE}")


def _tell_metrics(metrics: Metrics, notes: list[str]) -> None:
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

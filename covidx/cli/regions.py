"""Verbs that train what finds and grades regions: lungs, opacities, readers' scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from covidx.cli.progress import terminal_bar
from covidx.cli.training import (
    Card,
    Changes,
    Configuration,
    Data,
    Runs,
    Work,
    named_source,
    no_data,
    tell_found,
    tell_places,
)

__all__ = ["detection", "segmentation", "severity"]


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
    from covidx.pipelines.radiograph_severity.source import (
        TRAIN_SEVERITY,
        TrainSeverity,
        scored_source,
    )
    from covidx.pipelines.radiograph_severity.train import train_severity

    settings = load_config(config or TRAIN_SEVERITY, TrainSeverity, change or [])
    source = None
    if data is not None:
        named = named_source(data, None, card, None)
        assert named is not None
        source = scored_source(named, scores, masks)
    elif scores is not None or masks is not None or card is not None:
        raise no_data()
    trained = train_severity(settings, source, work=work, runs=runs, bars=terminal_bar)
    typer.echo(f"\neach of {trained.patients} patients left out in turn")
    for name, metrics in trained.metrics.items():
        for key in ("mae", "mae_control", "r2", "spearman", "kappa", "interval_coverage"):
            typer.echo(f"  {name:<10} {key:<18} {metrics[key]}   n = {metrics[key].n}")
    for line in trained.warnings:
        typer.echo(f"  note: {line}")
    tell_places(trained.folder)


Masked = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of images and masks [the phantom, distracted]."),
]
MaskCard = Annotated[
    Path | None,
    typer.Option("--card", help="Data card with a section masks (path, or known name)."),
]


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
    from covidx.pipelines.segmentation.config import TRAIN_SEGMENTATION, TrainSegmentation
    from covidx.pipelines.segmentation.train import train_segmentation

    settings = load_config(config or TRAIN_SEGMENTATION, TrainSegmentation, change or [])
    source = named_source(data, None, card, None)
    trained = train_segmentation(settings, source, work=work, runs=runs, bars=terminal_bar)
    typer.echo("\nagreement with the true masks of test patients, means by patient")
    told = [name for name in trained.estimates if name.endswith((".dice", ".false_ml"))]
    tell_found(trained.estimates, told, trained.warnings)
    tell_places(trained.folder)


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
    from covidx.pipelines.detection.config import TRAIN_DETECTION, TrainDetection
    from covidx.pipelines.detection.train import train_detection

    settings = load_config(config or TRAIN_DETECTION, TrainDetection, change or [])
    source = named_source(data, None, card, None)
    trained = train_detection(settings, source, work=work, runs=runs, bars=terminal_bar)
    typer.echo("\nboxes beside the true ones of test patients; n: boxes, lesions or scans")
    tell_found(trained.estimates, list(trained.estimates), trained.warnings)
    tell_places(trained.folder)

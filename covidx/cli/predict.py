"""``covidx predict``: images, clinical rows or both, by whatever a bundle is of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from covidx.cli.answers import as_csv, as_json, as_table
from covidx.cli.films import predict_films
from covidx.cli.patients import predict_fused
from covidx.cli.progress import terminal_bar
from covidx.cli.rows import predict_tables
from covidx.errors import InvalidInputError, StoreError
from covidx.files import make_folder, replacing

if TYPE_CHECKING:
    from covidx.cards import DataCard
    from covidx.inference import Prediction
    from covidx.ingest import Identities

__all__ = ["predict"]

TAKEN = ("image", "clinical", "fusion", "radiograph-severity")
"""Kinds of bundles."""


def predict(
    bundle: Annotated[Path, typer.Argument(help="Model bundle.")],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="A DICOM study's folder, a NIfTI or picture file, each. Of P2: tables."
        ),
    ] = None,
    clinical: Annotated[
        Path | None,
        typer.Option(help="Of a fusion bundle: the clinical table of the same patients."),
    ] = None,
    format: Annotated[  # noqa: A002
        Literal["table", "csv", "json"], typer.Option(help="What to print.")
    ] = "table",
    out: Annotated[Path | None, typer.Option(help="Write there instead.")] = None,
    card: Annotated[
        Path | None,
        typer.Option(help="Data card (path, or known name): pictures with a table, or public ids."),
    ] = None,
) -> None:
    """Score images, clinical rows or both with a bundle; exit code 1 where one has no score."""
    from covidx.bundles import need_kind
    from covidx.cards import load_card
    from covidx.ingest import Identities

    if out is not None:
        _check_writable(out)
    described = None if card is None else load_card(card)
    identities = Identities.for_card(described)
    kind, paths = need_kind(bundle, TAKEN), paths or []
    _check_asked(kind, paths, clinical)
    if kind == "clinical":
        text, whole = predict_tables(bundle, paths, format, identities)
    elif kind == "fusion":
        text, whole = predict_fused(bundle, paths, clinical, format, identities, described)
    elif kind == "radiograph-severity":
        text, whole = predict_films(bundle, paths, format, identities, described)
    else:
        text, whole = _predict_images(bundle, paths, format, identities, described)
    if out is None:
        typer.echo(text)
    else:
        with replacing(out) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    if not whole:
        raise typer.Exit(1)


def _predict_images(
    bundle: Path,
    paths: list[Path],
    format: Literal["table", "csv", "json"],  # noqa: A002
    identities: Identities,
    card: DataCard | None,
) -> tuple[str, bool]:
    """What is said of the images, and whether all of them have a score."""
    from covidx.inference import Predictor, predict_path

    predictor = Predictor.load(bundle)
    found: list[Prediction] = []
    with terminal_bar("predict") as bar:
        for done, path in enumerate(paths, 1):
            found += predict_path(predictor, path, identities=identities, card=card)
            bar(done, len(paths))
    text = {"table": as_table, "csv": as_csv, "json": as_json}[format](found, predictor.bundle)
    return text, not any(one.problem for one in found)


def _check_asked(kind: str, paths: list[Path], clinical: Path | None) -> None:
    """Refuse a call that asks about nothing, or gives a model what it does not take."""
    if not paths and (clinical is None or kind != "fusion"):
        raise InvalidInputError(
            "NOTHING_ASKED",
            "There is nothing to score.",
            expected="studies, pictures or tables"
            + (", or --clinical" if kind == "fusion" else ""),
        )
    if clinical is not None and kind != "fusion":
        raise InvalidInputError(
            "CLINICAL_NOT_TAKEN",
            f"A bundle of kind {kind} takes no clinical table beside images.",
            expected="a bundle of train_fusion",
            actual=clinical,
            hint="A clinical bundle takes tables as its arguments.",
        )


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

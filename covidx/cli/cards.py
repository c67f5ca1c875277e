"""Verbs on data-set cards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

card_app = typer.Typer(help="Data-set cards.", no_args_is_help=True)


@card_app.callback()
def _cards() -> None:
    """Data-set cards."""


@card_app.command()
def export(
    card: Annotated[Path, typer.Argument(help="Card (path, or a known name such as covid-ct).")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    format: Annotated[Literal["croissant"], typer.Option(help="Format.")] = "croissant",  # noqa: A002
) -> None:
    """Write a card as Croissant JSON-LD, which `mlcroissant validate` accepts."""
    from covidx.cards import export_croissant

    export_croissant(card, out)
    typer.echo(f"{format} of {card} in {out}")

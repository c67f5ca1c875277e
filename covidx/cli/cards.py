"""Verbs on data-set cards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from covidx.cli.pairs import Columns, columns_of

card_app = typer.Typer(help="Data-set cards.", no_args_is_help=True)


@card_app.callback()
def _cards() -> None:
    """Data-set cards."""


@card_app.command()
def init(
    data: Annotated[Path | None, typer.Option(help="Folder of images.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Table of labels (by default the one in the folder).")
    ] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("card.yaml"),
    columns: Columns = None,
    modality: Annotated[
        str | None, typer.Option(help="What pictures are: CT, or CXR (or CR, DX).")
    ] = None,
    positive: Annotated[str | None, typer.Option(help="Positive label.")] = None,
) -> None:
    """Draft a card from a folder, a table of labels, or both; it marks what is to be filled in."""
    from covidx.cohort import draft_card
    from covidx.errors import StoreError
    from covidx.files import make_folder, replacing

    if out.exists():
        raise StoreError(
            "CARD_EXISTS",
            "There is a file of this name, which may be a card that was filled in.",
            path=out,
            hint="Name another one with --out, or remove it.",
        )
    draft = draft_card(
        data, labels, columns=columns_of(columns), modality=modality, positive=positive
    )
    make_folder(out.absolute().parent)
    with replacing(out) as temporary:
        temporary.write_text(draft.text, encoding="utf-8")
    typer.echo(draft.text)
    if draft.needed:
        typer.echo(f"{out}: to be filled in before it can be used: {', '.join(draft.needed)}")
    else:
        typer.echo(f"{out} can be used as it is: --card {out} (make: CARD={out})")


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

"""Verbs that look for faults. Exit code 0: none found; 1: some; 2: the input cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from covidx.cli.progress import terminal_bar

__all__ = ["audit_app"]

audit_app = typer.Typer(help="Look for faults in data.", no_args_is_help=True)


@audit_app.callback()
def _audit() -> None:
    """Look for faults: exit code 0 if there are none, 1 if there are, 2 for unusable input."""


@audit_app.command(name="data")
def data_command(
    manifests: Annotated[
        list[Path],
        typer.Argument(help="Manifest, or any CSV or parquet with a row an image; one a data set."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    splits: Annotated[
        list[str] | None,
        typer.Option(help="FILE or ROLE=FILE: table with roles, or an id a line; repeatable."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder that image paths start from [each table's own].")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="OURS=THEIRS where usual names do not do: patient=subject; repeatable."),
    ] = None,
) -> None:
    """Leakage, copies (by pixels), conflicting labels, and columns that give the label away."""
    from covidx.audit.data import audit_data
    from covidx.audit.page import write_audit
    from covidx.errors import InvalidInputError

    columns: dict[str, str] = {}
    for text in column or ():
        ours, equals, theirs = text.partition("=")
        if not (ours and equals and theirs):
            raise InvalidInputError(
                "COLUMN_OPTION", "A column is named as OURS=THEIRS.", actual=text
            )
        columns[ours] = theirs
    with terminal_bar("images") as bar:
        found = audit_data(manifests, splits or (), images=images, columns=columns, progress=bar)
    page = write_audit(out, "Audit of the data", found.facts, found.findings)
    for finding in found.findings:
        if finding.verdict in ("fail", "note"):
            typer.echo(f"{finding.verdict:<5} {finding.title}: {finding.found}")
    typer.echo(f"\nverdict  {found.verdict}\nreport   {page}")
    raise typer.Exit(found.verdict == "fail")

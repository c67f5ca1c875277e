"""``covidx bundle``: bundles of earlier versions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

bundle_app = typer.Typer(help="Model bundles.", no_args_is_help=True)


@bundle_app.callback()
def _bundle() -> None:
    """Model bundles."""


@bundle_app.command()
def upgrade(
    old: Annotated[Path, typer.Argument(help="Bundle of an earlier version; it stays as it is.")],
    new: Annotated[Path, typer.Argument(help="Folder to write; it must not exist.")],
) -> None:
    """Bring an image, clinical or segmentation bundle to the present version.

    The new bundle must give the recorded scores of its reference cases.
    """
    from covidx.inference.upgrade import upgrade_bundle

    upgrade_bundle(old, new)
    typer.echo(f"{new}: its reference cases have the scores that they had")

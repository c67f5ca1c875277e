"""``covidx sync``: runs to MLflow, once it can take them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sync(
    runs: Annotated[list[Path], typer.Argument(help="Runs, such as runs/train_ct/latest.")],
) -> None:
    """Send runs to MLflow that it did not take, or send them again; exit code 1 if one failed."""
    from covidx.errors import CovidxError
    from covidx.pipelines.tracked import send_run
    from covidx.tracking import tracking_uri

    failed = 0
    for run in runs:
        try:
            number = send_run(run)
        except CovidxError as error:
            failed += 1
            typer.echo(f"{run}: {error}", err=True)
        else:
            typer.echo(
                f"sent     {run}: MLflow run {number}, {tracking_uri(run.resolve().parents[1])}"
            )
    raise typer.Exit(failed > 0)

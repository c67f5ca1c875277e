"""``covidx view``: a run's pages in the browser, from this machine alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer


def view(
    folder: Annotated[
        Path, typer.Argument(help="With report.html or index.html, such as runs/train_ct/latest.")
    ],
    port: Annotated[
        int,
        typer.Option(help="Of this machine; a browser keeps what readers answered by it. 0: any."),
    ] = 8021,
) -> None:
    """Show a folder's pages by an address that this machine alone can open; Ctrl-C ends it."""
    from covidx.report.viewer.serve import PageServer

    with PageServer(folder, port) as server, suppress(KeyboardInterrupt):
        typer.echo(server.address)
        server.serve_forever()

"""``covidx explain``: where in its images a classifier found evidence, and whether to trust it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from covidx.cli.predict import CardOption, Images, finish, inputs_of
from covidx.cli.progress import terminal_bar


def explain(
    bundle: Annotated[
        Path, typer.Argument(help="Model bundle: an image classifier, or a fusion (its image arm).")
    ],
    paths: Images,
    out: Annotated[Path, typer.Option(help="Folder of the heatmaps, exam.json and heatmaps.csv.")],
    method: Annotated[
        str | None, typer.Option(help="Such as occlusion or grad-cam (docs/heatmaps.md).")
    ] = None,
    card: CardOption = None,
) -> None:
    """Map the slices that decided, and examine each map: NIfTI in log-odds on the image's own grid.

    Exit code 1 where an image has no maps.
    """
    from covidx.explain.methods import DEFAULT
    from covidx.explain.study import EXAM, explain_images, load_explainer

    explainer = load_explainer(bundle, method or DEFAULT)
    with terminal_bar("explain") as bar:
        found = explain_images(explainer, inputs_of(paths, card, progress=bar), out)
    typer.echo(f"exam     {out / EXAM}")
    finish(found, "table")

"""``covidx segment``: masks of lungs and opacities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from covidx.cli.progress import terminal_bar
from covidx.constants import RESEARCH_NOTICE

if TYPE_CHECKING:
    from covidx.pipelines.segmentation.segment import Answer

__all__ = ["segment"]


def segment(
    paths: Annotated[
        list[Path], typer.Argument(help="A DICOM study's folder, a NIfTI or picture file, each.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the masks.")],
    bundle: Annotated[
        Path | None,
        typer.Option(help="Of train_segmentation; without it, lungs on CT by threshold."),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Opacities' probabilities, too (0 to 1).")
    ] = False,
    card: Annotated[
        Path | None,
        typer.Option(help="Data card (path, or known name): pictures with a table, or public ids."),
    ] = None,
) -> None:
    """Segment lungs, and opacities where the bundle knows them; NIfTI on the images' own grids.

    Exit code 1 where an image has no masks.
    """
    from covidx.cards import load_card
    from covidx.inference.segmenter import Segmenter
    from covidx.ingest import Identities
    from covidx.pipelines.segmentation.segment import Method, segment_paths

    described = None if card is None else load_card(card)
    segmenter = None if bundle is None else Segmenter.load(bundle)
    method = Method(segmenter, probabilities)
    with terminal_bar("segment") as bar:
        answers = segment_paths(
            paths,
            out,
            method,
            identities=Identities.for_card(described),
            card=described,
            bar=bar,
        )
    for one in answers:
        typer.echo(_said(one))
    typer.echo(f"masks    {out / 'masks.parquet'}\n{RESEARCH_NOTICE}")
    if any(one.problem for one in answers):
        raise typer.Exit(1)


def _said(one: Answer) -> str:
    lines = [f"{one.path}  {one.image_id or ''}".rstrip()]
    if one.problem:
        return f"{lines[0]}\n  no masks: {one.problem}"
    for kind, name in one.masks.items():
        values = ", ".join(
            f"{value} {label} {one.amounts[label]}"
            for value, label in enumerate(one.classes[kind], 1)
        )
        lines.append(f"  {name}: {values}")
    if one.likely:
        lines.append(f"  {one.likely}: how likely each voxel is an opacity")
    return "\n".join([*lines, *(f"  NOTE: {flag}" for flag in one.flags)])

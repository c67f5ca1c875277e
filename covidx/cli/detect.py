"""``covidx detect``: boxes of opacities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from covidx.cli.progress import terminal_bar
from covidx.constants import RESEARCH_NOTICE

if TYPE_CHECKING:
    from covidx.pipelines.detection.detect import BoxAnswer

__all__ = ["detect"]


def detect(
    paths: Annotated[list[Path], typer.Argument(help="A CT study's folder or a NIfTI file, each.")],
    out: Annotated[Path, typer.Option(help="Folder of boxes.csv and detection.json.")],
    bundle: Annotated[Path, typer.Option(help="Of train_detection.")],
    card: Annotated[
        Path | None, typer.Option(help="Data card (path, or known name): public ids.")
    ] = None,
) -> None:
    """Box opacities on CT: pixels of each slice, and mm in the patient (LPS).

    Exit code 1 where an image could not be looked at.
    """
    from covidx.cards import load_card
    from covidx.inference.detector import Detector
    from covidx.ingest import Identities
    from covidx.pipelines.detection.detect import detect_paths

    described = None if card is None else load_card(card)
    detector = Detector.load(bundle)
    with terminal_bar("detect") as bar:
        answers = detect_paths(
            paths,
            out,
            detector,
            identities=Identities.for_card(described),
            card=described,
            bar=bar,
        )
    for one in answers:
        typer.echo(_said(one))
    typer.echo(f"boxes    {out / 'boxes.csv'}\n{RESEARCH_NOTICE}")
    if any(one.problem for one in answers):
        raise typer.Exit(1)


def _said(one: BoxAnswer) -> str:
    lines = [f"{one.path}  {one.image_id or ''}".rstrip()]
    if one.problem:
        return f"{lines[0]}\n  no boxes: {one.problem}"
    lines.append(f"  {len(one.finds)} finds" + (", the surest first" if one.finds else ""))
    for find in one.finds:
        first, last = find["slices"]
        middle = [(find[f"{axis}_min"] + find[f"{axis}_max"]) / 2 for axis in "xyz"]
        at = ", ".join(f"{mm:.0f}" for mm in middle)
        lines.append(
            f"  {find['find_score']:.2f}  slices {first} to {last}, middle at {at} mm (LPS)"
        )
    return "\n".join([*lines, *(f"  NOTE: {flag}" for flag in one.flags)])

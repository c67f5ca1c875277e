"""``covidx external-test``: a run's bundle on a second data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from covidx.cli.progress import terminal_bar
from covidx.cli.train import Card, Labels, Runs, Work
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import InvalidInputError


def external_test(
    run: Annotated[Path, typer.Argument(help="A finished run, such as runs/train_cxr/latest.")],
    data: Annotated[Path, typer.Option(help="Folder of images of the second data set.")],
    labels: Labels = None,
    card: Card = None,
    mapped: Annotated[
        list[str] | None, typer.Option("--map", help="label=class of the model, or label=rest.")
    ] = None,
    runs: Runs = Path("runs"),
    work: Work = Path("data"),
) -> None:
    """Test a run's bundle on a second data set, and say what it loses there."""
    from covidx.pipelines.external_test import evaluate_externally
    from covidx.pipelines.run import estimate_lines, metrics_lines
    from covidx.pipelines.source import named_source

    mapping = dict(_pair(text) for text in mapped or [])
    source = named_source(data, card, labels=labels)
    assert source is not None
    tested = evaluate_externally(run, source, mapping, work=work, runs=runs, bars=terminal_bar)
    lines = ["", *metrics_lines(tested.metrics), "", *(f"  note: {note}" for note in tested.notes)]
    lines += ["", "lost from the run's own test set (95 % interval)"]
    lines += estimate_lines(tested.change, width=12)
    lines += ["", f"report   {tested.folder / 'report.html'}", "", RESEARCH_NOTICE]
    typer.echo("\n".join(lines))


def _pair(text: str) -> tuple[str, str]:
    label, equals, name = text.partition("=")
    if not (label and equals and name):
        raise InvalidInputError(
            "MAP_INVALID",
            "A mapped label must have the form label=class.",
            expected="a=b",
            actual=text,
            hint="Write it as in --map pneumonia=rest (make: MAP=pneumonia=rest).",
        )
    return label, name

"""``covidx external-test``: a run's bundle on a second data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from covidx.cli.pairs import Columns, Mapped, columns_of, map_of
from covidx.cli.progress import terminal_bar
from covidx.cli.train import Card, Labels, Runs, Work
from covidx.constants import RESEARCH_NOTICE


def external_test(
    run: Annotated[Path, typer.Argument(help="A finished run, such as runs/train_cxr/latest.")],
    data: Annotated[Path, typer.Option(help="Folder of images of the second data set.")],
    labels: Labels = None,
    card: Card = None,
    columns: Columns = None,
    mapped: Mapped = None,
    runs: Runs = Path("runs"),
    work: Work = Path("data"),
) -> None:
    """Test a run's bundle on a second data set, and say what it loses there."""
    from covidx.pipelines.external_test import evaluate_externally
    from covidx.pipelines.run import estimate_lines, metrics_lines
    from covidx.pipelines.source import named_source

    mapping = map_of(mapped)
    source = named_source(data, card, labels=labels, columns=columns_of(columns))
    assert source is not None
    tested = evaluate_externally(run, source, mapping, work=work, runs=runs, bars=terminal_bar)
    lines = ["", *metrics_lines(tested.metrics), "", *(f"  note: {note}" for note in tested.notes)]
    lines += ["", "lost from the run's own test set (95 % interval)"]
    lines += estimate_lines(tested.change, width=12)
    lines += ["", f"report   {tested.folder / 'report.html'}", "", RESEARCH_NOTICE]
    typer.echo("\n".join(lines))

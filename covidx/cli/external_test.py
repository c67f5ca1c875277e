"""``covidx external-test``: a run's bundle on a second data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from covidx.cli.pairs import Columns, Mapped, columns_of, map_of
from covidx.cli.predict import ModalityOption
from covidx.cli.progress import terminal_bar
from covidx.cli.train import Card, Labels, Runs, Work
from covidx.constants import RESEARCH_NOTICE

Period = Literal["week", "month"]


def external_test(
    run: Annotated[Path, typer.Argument(help="A finished run, such as runs/train_cxr/latest.")],
    data: Annotated[Path, typer.Option(help="Second data set: images, or of P2 a table.")],
    labels: Labels = None,
    clinical: Annotated[
        Path | None, typer.Option(help="Of a fusion run: clinical table of the same patients.")
    ] = None,
    card: Card = None,
    columns: Columns = None,
    mapped: Mapped = None,
    modality: ModalityOption = None,
    by: Annotated[Period, typer.Option(help="Drift by week or by month.")] = "week",
    runs: Runs = Path("runs"),
    work: Work = Path("data"),
) -> None:
    """Test a run's bundle on a second data set, and say what it loses there."""
    from covidx.pipelines.external_test import evaluate_externally
    from covidx.pipelines.run import estimate_lines, metrics_lines
    from covidx.pipelines.source import named_source

    mapping = map_of(mapped)
    source = named_source(
        data, card, labels=labels, table=clinical, columns=columns_of(columns), pictures=modality
    )
    assert source is not None
    tested = evaluate_externally(
        run, source, mapping, period=by, work=work, runs=runs, bars=terminal_bar,
        report=lambda line: typer.echo(f"  note: {line}"),
    )  # fmt: skip
    lines = ["", "lost from the run's own test set (95 % interval)"]
    lines += estimate_lines(tested.change, width=12)
    lines += ["", *metrics_lines(tested.metrics), ""]
    lines += [f"  {caution}" for caution in tested.cautions]
    lines += [f"  note: {note}" for note in tested.notes]
    lines += [f"  known limit: {limit}" for limit in tested.limits]
    lines += ["", f"report   {tested.folder / 'report.html'}", "", RESEARCH_NOTICE]
    typer.echo("\n".join(lines))

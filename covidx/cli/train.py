"""``covidx train``: a verb for every training that `covidx.kinds` knows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from covidx.cli.examples import epilog
from covidx.cli.pairs import columns_of, map_of
from covidx.cli.progress import terminal_bar
from covidx.constants import RESEARCH_NOTICE
from covidx.kinds import ModelKind, Training, resolve, trainings

LABELS = "CSV, TSV, XLSX or parquet: patient_id, path or both; label, clinical columns."
OTHER_NAMES = "Columns of the labels under other names: patient_id=PatientID,label=diagnosis"
Labels = Annotated[Path | None, typer.Option(help=LABELS)]
Card = Annotated[Path | None, typer.Option(help="Data card (path, or known name).")]
Runs = Annotated[Path, typer.Option(help="Folder of runs.")]
Work = Annotated[Path, typer.Option(help="Folder of stores and caches.")]
TABLES = {
    "clinical": "Clinical table of the same patients (by default the card's).",
    "scores": "CSV: image or patient_id; extent, opacity (by default the card's).",
}


class TrainGroup(TyperGroup):
    """The verbs of every kind, those that were registered from outside of covidx too."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The verbs, in the order of the kinds."""
        return [training.verb for _, training in trainings()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb `cmd_name`, also under its former name."""
        for kind, training in trainings():
            if cmd_name == training.former_verb:
                typer.echo(f"covidx train {cmd_name} is now {training.verb}.", err=True)
            if cmd_name in (training.verb, training.former_verb):
                app = typer.Typer(add_completion=False)
                app.command(name=training.verb, help=training.help)(_verb(kind, training))
                command = typer.main.get_command(app)
                command.epilog = epilog(f"train {training.verb}")
                return command
        return None


train_app = typer.Typer(
    cls=TrainGroup,
    help="Train, evaluate and explain a model.",
    no_args_is_help=True,
    add_completion=False,
)


@train_app.callback()
def _train() -> None:
    """Train, evaluate and explain a model."""


def _verb(kind: ModelKind, training: Training) -> Callable[..., None]:
    """A function whose signature has the options that a training takes."""

    def verb(**options: Any) -> None:
        _run(kind, training, **options)

    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)
        for name, (option, default) in _options(training).items()
    ]
    verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    verb.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return verb


def _options(training: Training) -> dict[str, tuple[Any, Any]]:
    """Name -> annotation and default of the options of a verb."""
    data = "Folder of images" if training.images else "CSV (zipped or not), XLSX or parquet"
    table = training.table_option
    named: dict[str, tuple[Any, str, str]] = {
        "data": (Path, "--data", f"{data} (by default the phantom's)."),
        "labels": (Path, "--labels", LABELS),
        "table": (Path, f"--{table}", TABLES.get(table, "Table of the same patients.")),
        "columns": (list[str], "--columns", f"{OTHER_NAMES}."),
        "label_map": (list[str], "--map", "LABEL=CLASS; an empty class leaves its rows out."),
        "masks": (Path, "--masks", "Folder of lung annotations, PNG by name."),
        "card": (Path, "--card", "Data card (path, or known name)."),
        "positive": (str, "--positive", "Positive label (by default the card's, else covid-19)."),
        "config": (Path, "--config", "YAML (by default the pipeline's own)."),
        "change": (list[str], "--set", "key=value over it."),
    }
    taken = {"data", "card", "config", "change"} | training.source_fields
    return {
        name: (Annotated[kind | None, typer.Option(option, help=text)], None)
        for name, (kind, option, text) in named.items()
        if name in taken
    } | {"runs": (Runs, Path("runs")), "work": (Work, Path("data"))}


def _run(
    kind: ModelKind,
    training: Training,
    *,
    data: Path | None,
    card: Path | None,
    config: Path | None,
    change: list[str] | None,
    runs: Path,
    work: Path,
    columns: list[str] | None = None,
    label_map: list[str] | None = None,
    **named: Any,
) -> None:
    """Check what was named, train, and print the closing lines."""
    from covidx.config import load_config
    from covidx.pipelines.source import named_source
    from covidx.report.words import KNOWN_BIAS

    settings = load_config(
        config or resolve(training.settings), resolve(training.config), change or []
    )
    source = named_source(
        data,
        card,
        columns=columns_of(columns),
        label_map=map_of(label_map),
        find=training.images,
        **named,
    )
    trained = resolve(kind.train)(settings, source, work=work, runs=runs, bars=terminal_bar)
    typer.echo("\n" + "\n".join([*trained.summary, ""]))
    biases = sum(line.startswith(KNOWN_BIAS) for line in trained.warnings)
    for line in trained.warnings:
        if not line.startswith(KNOWN_BIAS):
            typer.echo(f"  note: {line}")
    if biases:
        typer.echo(f"  note: {biases} known biases of this data set stand in the report")
    typer.echo(f"\nreport   {trained.folder / 'report.html'}\nbundle   {trained.folder / 'bundle'}")
    typer.echo(f"\n{RESEARCH_NOTICE}")

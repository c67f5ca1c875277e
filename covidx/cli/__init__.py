"""The command line: arguments, progress and exit codes; all else lies in the rooms below."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from covidx import __version__
from covidx.cli.examples import epilog
from covidx.cli.library_warnings import held_back
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import CovidxError, StoreError

__all__ = ["app", "main"]

GROUPS = {
    "Data": {
        "phantom": "data:phantom",
        "ingest": "data:ingest_command",
        "deidentify": "data:deidentify_command",
        "linkage": "linkage:linkage",
        "pacs": "pacs:pacs_app",
        "card": "cards:card_app",
    },
    "Training": {
        "train": "train:train_app",
        "runs": "runs:runs_app",
        "sync": "sync:sync",
        "reproduce": "reproduce:reproduce",
        "bundle": "bundle:bundle_app",
        "models": "models:models_app",
    },
    "Prediction": {
        "predict": "predict:predict",
        "report": "report:report",
        "view": "view:view",
        "explain": "explain:explain",
        "segment": "predict:segment",
        "detect": "predict:detect",
        "opacity-burden": "opacity_burden:opacity_burden",
        "severity": "opacity_burden:severity",
        "export": "export:export_app",
    },
    "Evaluation and audit": {
        "evaluate": "evaluation:evaluate_command",
        "compare": "evaluation:compare_command",
        "external-test": "external_test:external_test",
        "audit": "audit:audit_app",
    },
    "This installation": {"info": "information:info"},
}
"""Heading of the help -> its verbs, each with the module of this room and the function or group
there; a verb loads its own alone."""
VERBS = {name: (panel, place) for panel, verbs in GROUPS.items() for name, place in verbs.items()}
"""Verb -> heading, place."""
MARKUP: Literal["markdown"] = "markdown"
"""Of help texts: rich would take words in square brackets for markup."""
HIDDEN = ("severity",)
"""Former names."""


class _Verbs(TyperGroup):
    """The verbs, each loaded when it is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Those that help shows."""
        return [name for name in VERBS if name not in HIDDEN]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb `cmd_name`; None if there is none."""
        if cmd_name not in VERBS:
            return None
        panel, place = VERBS[cmd_name]
        module, _, name = place.partition(":")
        verb = getattr(import_module(f"covidx.cli.{module}"), name)
        if not isinstance(verb, typer.Typer):
            function, verb = verb, typer.Typer(add_completion=False)
            verb.command()(function)
        verb.rich_markup_mode = MARKUP
        command = typer.main.get_command(verb)
        command.name = cmd_name
        command.rich_help_panel = panel  # type: ignore[attr-defined]
        command.epilog = epilog(cmd_name)
        for sub_name, sub_command in getattr(command, "commands", {}).items():
            sub_command.epilog = epilog(f"{cmd_name} {sub_name}")
        return command


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=MARKUP,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"covidx {__version__}")
        raise typer.Exit


@app.callback(
    help=f"From DICOM to audited COVID-19 classifiers.\n\n{RESEARCH_NOTICE}",
    epilog="Exit codes: 0 done; 1 something has no result or failed a check; 2 unusable input or "
    "options, with nothing half-written; 3 an audit cannot tell.",
)
def _covidx(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run a verb. A known error ends with its message and exit code 2, and no traceback."""
    try:
        with held_back():
            app()
    except CovidxError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:  # `covidx predict ... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        print(_disk_error(error), file=sys.stderr)
        raise SystemExit(2) from None


def _disk_error(error: OSError) -> StoreError:
    return StoreError(
        "INPUT_OUTPUT",
        "A file or folder cannot be read or written.",
        path=error.filename,
        actual=error.strerror or error,
        hint="Check that the folder exists, that you may write to it, and that the disk has room.",
    )

"""The command line: arguments, progress and exit codes; all else lies in the rooms below."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, Literal

import typer
from typer.core import TyperGroup

from covidx.cli.library_warnings import held_back
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import CovidxError, StoreError

__all__ = ["app", "main"]

VERBS = {
    "info": "information:info",
    "phantom": "data:phantom",
    "ingest": "data:ingest_command",
    "deidentify": "data:deidentify_command",
    "linkage": "linkage:linkage",
    "pacs": "pacs:pacs_app",
    "train": "train:train_app",
    "runs": "runs:runs_app",
    "sync": "sync:sync",
    "bundle": "bundle:bundle_app",
    "predict": "predict:predict",
    "report": "report:report",
    "view": "view:view",
    "external-test": "external_test:external_test",
    "evaluate": "evaluation:evaluate_command",
    "compare": "evaluation:compare_command",
    "export": "export:export_app",
    "explain": "explain:explain",
    "segment": "predict:segment",
    "detect": "predict:detect",
    "opacity-burden": "opacity_burden:opacity_burden",
    "severity": "opacity_burden:severity",
    "audit": "audit:audit_app",
    "reproduce": "reproduce:reproduce",
    "card": "cards:card_app",
}
"""Verb -> the module of this room and the function or group there; a verb loads its own alone."""
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
        module, _, name = VERBS[cmd_name].partition(":")
        verb = getattr(import_module(f"covidx.cli.{module}"), name)
        if not isinstance(verb, typer.Typer):
            function, verb = verb, typer.Typer(add_completion=False)
            verb.command()(function)
        verb.rich_markup_mode = MARKUP
        command = typer.main.get_command(verb)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=MARKUP,
)


@app.callback(help=f"From DICOM to audited COVID-19 classifiers.\n\n{RESEARCH_NOTICE}")
def _covidx() -> None:
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

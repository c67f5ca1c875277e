"""The command line: arguments, progress and exit codes; all else lies in the rooms below."""

from __future__ import annotations

import os
import sys

import typer

from covidx.cli import (
    audit,
    cards,
    data,
    detect,
    evaluation,
    export,
    information,
    models,
    pacs,
    predict,
    regions,
    reproduce,
    segment,
    severity,
    training,
)
from covidx.constants import RESEARCH_NOTICE
from covidx.errors import CovidxError, StoreError

__all__ = ["app", "main"]

app = typer.Typer(
    name="covidx",
    help=f"From DICOM to audited COVID-19 classifiers.\n\n{RESEARCH_NOTICE}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # rich would take words in square brackets for markup
)
app.command()(information.info)
app.command()(data.phantom)
app.command(name="ingest")(data.ingest_command)
app.command(name="deidentify")(data.deidentify_command)
app.add_typer(pacs.pacs_app, name="pacs")
training.train_app.command()(models.ct)
training.train_app.command()(models.cxr)
training.train_app.command()(models.clinical)
training.train_app.command()(models.fusion)
training.train_app.command()(regions.segmentation)
training.train_app.command()(regions.detection)
training.train_app.command()(regions.severity)
app.add_typer(training.train_app, name="train")
app.command()(predict.predict)
app.command()(models.external_test)
app.command(name="evaluate")(evaluation.evaluate_command)
app.command(name="compare")(evaluation.compare_command)
app.add_typer(export.export_app, name="export")
app.command()(segment.segment)
app.command()(detect.detect)
app.command()(severity.severity)
app.add_typer(audit.audit_app, name="audit")
app.command()(reproduce.reproduce)
app.add_typer(cards.card_app, name="card")


def main() -> None:
    """Run a verb. A known error ends with its message and exit code 2, and no traceback."""
    try:
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
        hint="Is the place there, may you write to it, and has the disk room?",
    )

"""From found files to the work that they make, and the files that make none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from covidx.cards import DataCard, card_digest
from covidx.ingest.header import Header
from covidx.ingest.identity import Identities
from covidx.ingest.jobs import Job
from covidx.ingest.records import Context, relative_to_root
from covidx.ingest.rules import Rules
from covidx.ingest.scan import Found
from covidx.ingest.series import Outcome, sort_headers
from covidx.ingest.table import TableRow, read_image_table

__all__ = ["Plan", "make_context", "make_plan", "quarantine_path", "quarantine_rows"]

NOT_AN_IMAGE = ("NOT_AN_IMAGE", "This file is no DICOM, NIfTI, PNG or JPEG.")


@dataclass(frozen=True, eq=False)
class Plan:
    """The work that a scan leads to, and the files that lead to none."""

    jobs: tuple[Job, ...]
    outcomes: tuple[Outcome, ...]
    context: Context


def make_plan(found: Sequence[Found], context: Context, card: DataCard | None) -> Plan:
    """Sort what was found into jobs.

    Raises
    ------
    InvalidTableError
        Where the card's image table does not fit.
    """
    outcomes: list[Outcome] = []
    rows: list[TableRow] = []
    table = None
    if card is not None and card.images is not None:
        table = str(context.root / card.images.table)
        rows, outcomes = read_image_table(context.root, card)
        rows = [replace(row, modality=card.images.modality, kind=card.images.kind) for row in rows]
    others = [file for file in found if file.format not in ("none", "raster")]
    lone = not others and table is None
    named = {str(row.path) for row in rows} | {outcome.path for outcome in outcomes}
    jobs: list[Job] = list(rows)
    headers: list[Header] = []
    for file in found:
        if file.path in named:
            continue
        outcome = _not_a_job(file, table, lone)
        if outcome is not None:
            outcomes.append(Outcome(file.path, *outcome))
        elif file.format == "dicom":
            headers += file.headers
        elif file.format == "raster":
            jobs.append(_lone_picture(file, context))
        else:
            jobs.append(Path(file.path))
    studies = sort_headers(headers, resample=context.rules.resample)
    return Plan((*studies.studies, *jobs), (*outcomes, *studies.outcomes), context)


def _not_a_job(file: Found, table: str | None, lone: bool) -> tuple[str, str, str] | None:
    if file.error is not None:
        return ("quarantined", *file.error)
    if file.path == table:
        return "set_aside", "IMAGE_TABLE", "This is the table that the card describes."
    if file.format == "none":
        return ("set_aside", *NOT_AN_IMAGE)
    if file.format == "raster" and not lone:
        why = "beside other images" if table is None else "not named in the card's table"
        return "set_aside", "RASTER_UNNAMED", f"A picture {why}."
    return None


def _lone_picture(file: Found, context: Context) -> TableRow:
    name = relative_to_root(file.path, context.root)
    return TableRow(Path(file.path), name, patient="", group=None, label=None)


def make_context(
    source: Path, identities: Identities, card: DataCard | None, rules: Rules
) -> Context:
    """What all jobs of one source share; its root is absolute."""
    root = source if source.is_dir() else source.parent
    if card is None:
        return Context(root, identities, rules=rules)
    return Context(root, identities, card.identifier, card_digest(card), card.licence, rules)


def quarantine_rows(outcomes: Iterable[Outcome], context: Context) -> list[dict[str, str]]:
    """Rows of the quarantine table, their paths relative to the source and pseudonymised."""
    return [
        {
            "path": quarantine_path(outcome.path, context),
            "kind": outcome.kind,
            "code": outcome.code,
            "reason": outcome.reason,
        }
        for outcome in outcomes
    ]


def quarantine_path(path: str, context: Context) -> str:
    """The path of a refused file as it may be shown; a row of a table is named as it is."""
    if not Path(path).is_absolute():
        return path
    return context.identities.path(relative_to_root(path, context.root))

"""From scanned files to jobs, and the files that make none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from covidx.cards import DataCard, card_digest, picture_kind
from covidx.ingest.context import Context, relative_to_root
from covidx.ingest.dicom.header import Header
from covidx.ingest.dicom.series import Outcome, sort_headers
from covidx.ingest.find.dicomdir import why_incomplete
from covidx.ingest.find.scan import ScannedFile
from covidx.ingest.identity import Identities
from covidx.ingest.jobs import Job
from covidx.ingest.rules import Rules
from covidx.ingest.table import TableRow, read_image_table, set_root
from covidx.ingest.words import DEFINED_TERMS, holds_any, words_of, words_of_places

NESTED = (
    "ARCHIVE_NESTED",
    "An archive in an archive is not looked into; unpack the outer one if it holds images.",
)
FREE_TEXT = ("modality", "photometric", "rescale_type", "kernel", "manufacturer", "view", "sex")
"""Of a header: what is written as it is."""
WITH_TERMS = ("modality", "rescale_type", "view")
NOT_AN_IMAGE = ("NOT_AN_IMAGE", "This file is none of the images and archives that are read.")


@dataclass(frozen=True, eq=False)
class Plan:
    """The work that a scan leads to, and the files that lead to none."""

    jobs: tuple[Job, ...]
    outcomes: tuple[Outcome, ...]
    context: Context


def make_plan(files: Sequence[ScannedFile], context: Context, card: DataCard | None) -> Plan:
    """Sort scanned files into jobs.

    Parameters
    ----------
    files : sequence of ScannedFile
        Every file of the source.
    context : Context
        What all jobs share.
    card : DataCard, optional
        Its image table names pictures.

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
        rows, outcomes = read_image_table(context.root, card, context.within)
        rows = [replace(row, modality=card.images.modality, kind=card.images.kind) for row in rows]
    files = _check_directories(files)
    others = [file for file in files if file.format in ("dicom", "nifti", "itk")]
    lone = table is None and (not others or context.rules.pictures is not None)
    named = {str(row.path) for row in rows} | {outcome.path for outcome in outcomes}
    jobs: list[Job] = list(rows)
    headers: list[Header] = []
    for file in files:
        if file.path in named:
            continue
        outcome = _not_a_job(file, table, lone)
        if outcome is not None:
            outcomes.append(Outcome(file.path, *outcome))
        elif file.format == "dicom":
            headers += _nameless(file.headers, context.identities)
        elif file.format == "raster":
            jobs.append(_lone_picture(file, context))
        else:
            jobs.append(Path(file.path))
    studies = sort_headers(headers, resample=context.rules.resample)
    return Plan((*studies.studies, *jobs), (*outcomes, *studies.outcomes), context)


def _check_directories(files: Sequence[ScannedFile]) -> list[ScannedFile]:
    """Refuse, by `aside`, each DICOMDIR that names files which are not there."""
    if not any(file.named for file in files):
        return list(files)
    paths = {file.path.casefold() for file in files}
    uids = {header.sop_uid for file in files for header in file.headers}
    return [
        replace(file, aside=why_incomplete(file.path, file.named, paths, uids))
        if file.named
        else file
        for file in files
    ]


def _not_a_job(file: ScannedFile, table: str | None, lone: bool) -> tuple[str, str, str] | None:
    if file.error is not None:
        return ("quarantined", *file.error)
    if file.aside is not None:
        return ("set_aside", *file.aside)
    if file.format == "archive":
        return ("set_aside", *NESTED)
    if file.path == table:
        return "set_aside", "IMAGE_TABLE", "This is the table that the card describes."
    if file.format in ("binary", "empty", "none"):
        return ("set_aside", *NOT_AN_IMAGE)
    if file.format == "raster" and not lone:
        why = "beside other images" if table is None else "not named in the card's table"
        return "set_aside", "RASTER_UNNAMED", f"A picture {why}."
    return None


def _nameless(headers: Iterable[Header], identities: Identities) -> Iterable[Header]:
    """Headers whose free text holds no name, since it goes into receipts, reasons and the manifest.

    A type of rescale that is a name becomes US, which is to say unspecified (PS3.3 C.11.1.1.2).
    """
    if identities.key is None:
        yield from headers
        return
    for header in headers:
        words = words_of((*header.names, header.patient_id)) | words_of_places([header.site])
        named: dict[str, Any] = {
            name: "US" if name == "rescale_type" else ""
            for name in FREE_TEXT
            if _is_named(name, getattr(header, name), words)
        }
        yield replace(header, **named) if named else header


def _is_named(attribute: str, value: str, words: Set[str]) -> bool:
    defined = attribute in WITH_TERMS and value in DEFINED_TERMS
    return not defined and holds_any(value, words)


def _lone_picture(file: ScannedFile, context: Context) -> TableRow:
    name = relative_to_root(file.path, context)
    row = TableRow(Path(file.path), name, patient="", group=None, label=None)
    modality = context.rules.picture_modality
    if modality is None:
        return row
    note = f"Its modality, {modality}, is what the user said."
    return replace(row, modality=modality, kind=picture_kind(modality), note=note)


def make_context(
    source: Path, identities: Identities, card: DataCard | None, rules: Rules
) -> Context:
    """What all jobs of one source share; its root, that of `set_root`, is absolute.

    Parameters
    ----------
    source : Path
        A folder or file, absolute.
    identities : Identities
        Pseudonyms, or public ids.
    card : DataCard, optional
        Names the data set.
    rules : Rules
        What is kept of a study.
    """
    root = set_root(source, card)
    within = None if source == root else source
    if card is None:
        return Context(root, identities, rules=rules, within=within)
    digest = card_digest(card)
    return Context(
        root, identities, card.identifier, digest, card.licence or None, rules, within=within
    )


def quarantine_rows(outcomes: Iterable[Outcome], context: Context) -> list[dict[str, str]]:
    """Rows of the quarantine table for `outcomes` of `context`, with pseudonymous paths."""
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
    """The `path` of a refused file as it may be shown; one of a table's row stays as it is.

    Parameters
    ----------
    path : str
        Of a file below the source, or ``table:row``.
    context : Context
        What all jobs share.
    """
    if not Path(path).is_absolute():
        return path
    return context.identities.path(relative_to_root(path, context))

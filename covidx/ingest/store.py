"""The ingest verb: a source of files into a store of images, with an account of every file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from covidx.cards import DataCard
from covidx.errors import InvalidInputError, StoreError
from covidx.files import (
    locked,
    make_folder,
    remove_unfinished,
    sha256_file,
    sha256_json,
    write_json,
)
from covidx.ingest.account import IngestResult, Stored, account, without_repeats
from covidx.ingest.context import Context, source_place
from covidx.ingest.dicom.series import Outcome
from covidx.ingest.find.scan import Progress, check_apart, find_files, silent
from covidx.ingest.find.search import searching
from covidx.ingest.identity import Identities
from covidx.ingest.jobs import Job, read_job
from covidx.ingest.linkage import write_linkage
from covidx.ingest.nifti import read_stored, write_nifti
from covidx.ingest.plan import Plan, make_context, make_plan, quarantine_path
from covidx.ingest.pool import Team
from covidx.ingest.raster import read_stored_picture, write_picture
from covidx.ingest.rules import USUAL, Rules
from covidx.tables import MANIFEST, QUARANTINE, write_table
from covidx.volume import Volume
from covidx.wording import counted

STORED_NAME = re.compile(r"[0-9a-f]{16}\.(nii\.gz|png|json)")


def ingest(
    source: Path,
    out: Path,
    *,
    card: DataCard | None = None,
    rules: Rules = USUAL,
    workers: int | None = None,
    progress: Progress = silent,
) -> IngestResult:
    """Read every image below `source` into the store `out`.

    Writes ``manifest.parquet``, ``quarantine.parquet``, ``ingest.json``, ``images/`` and
    ``receipts/``. The same source gives the same bytes, whatever the number of workers. A run that
    was killed leaves no half a file under its name; the same run again completes it.

    Parameters
    ----------
    source : Path
        A folder or a file: DICOM, NIfTI, or pictures that a card's table names. ZIP and TAR
        archives are looked into as if they were folders, unpacked below ``TMPDIR`` meanwhile.
    out : Path
        The store; made if need be, and held against other writers meanwhile.
    card : DataCard, optional
        Names the data set, its image table, and whether its ids are public. Without a card, or
        where they are not, every identifier becomes a pseudonym (see `Identities`).
    rules : Rules, optional
        What is kept of a study; one CT series, as it was measured, by default.
    workers : int, optional
        Processes; by default all cores, or this one alone for few files.
    progress : callable, optional
        Called with ("scan", "unpack" or "read", done, total).

    Raises
    ------
    InvalidInputError
        ``SOURCE_MISSING``, ``SOURCE_EMPTY``, ``NO_IMAGES``, ``KEY_EXPOSED``, ``OUTPUT_IN_SOURCE``.
    InvalidTableError
        ``CARD_COLUMN`` or ``TABLE_UNREADABLE``, where the card's table does not fit.
    StoreError
        ``UNWRITABLE``, ``IN_USE``, ``DISK_FULL`` or ``SCRATCH_FULL``.
    """
    source, out = source.absolute(), out.absolute()
    check_apart(source, out)
    files = find_files(source)
    with ExitStack() as stack:
        stack.enter_context(locked(out))
        context = make_context(source, Identities.for_card(card, out=out), card, rules)
        searched, team = stack.enter_context(searching(files, context, workers, progress))
        context = searched.context
        plan = make_plan(searched.files, context, card)
        stored, outcomes = _store(plan, out, team, progress)
        stored, again = without_repeats(stored)
        result = account(searched.paths, stored, [*outcomes, *again], context, out)
        _write(result, stored, [*outcomes, *again], context)
    if result.manifest.empty:
        raise _no_images(source, result)
    return result


def _store(
    plan: Plan, out: Path, team: Team, progress: Progress
) -> tuple[list[Stored], list[Outcome]]:
    for folder in (out, make_folder(out / "images"), make_folder(out / "receipts")):
        remove_unfinished(folder)
    stored: list[Stored] = []
    outcomes = list(plan.outcomes)
    store_one = partial(_store_one, context=plan.context, out=out)
    for done, results in enumerate(team(store_one, plan.jobs), start=1):
        stored += [result for result in results if isinstance(result, Stored)]
        outcomes += [result for result in results if isinstance(result, Outcome)]
        progress("read", done, len(plan.jobs))
    return stored, outcomes


def _store_one(job: Job, context: Context, out: Path) -> list[Stored | Outcome]:
    results: list[Stored | Outcome] = []
    for result in read_job(job, context):
        if isinstance(result, Outcome):
            results.append(result)
            continue
        picture = result.fields["source_format"] in ("png", "jpeg")
        suffix, write = (".png", write_picture) if picture else (".nii.gz", write_nifti)
        path = out / "images" / f"{result.fields['image_id']}{suffix}"
        write(result.volume, path)
        row = {**result.fields, "path": f"images/{path.name}", "sha256": sha256_file(path)}
        results.append(Stored(row, result.receipt, result.paths, result.link))
    return results


def _write(
    result: IngestResult, stored: Sequence[Stored], outcomes: Sequence[Outcome], context: Context
) -> None:
    """Write receipts, linkage, then the tables, so that the manifest names only what is there."""
    out = result.store
    for image in stored:
        image.receipt.write(out / "receipts")
    links: list[dict[str, object]] = [{**image.link, "path": image.row["path"]} for image in stored]
    accepted = {path for image in stored for path in image.paths}
    links += [
        {"path": quarantine_path(o.path, context), "source_path": source_place(o.path, context)}
        for o in outcomes
        if o.path not in accepted
    ]
    write_linkage(links, out, context.identities)
    write_table(result.quarantine, out / "quarantine.parquet", QUARANTINE)
    write_table(result.manifest, out / "manifest.parquet", MANIFEST)
    _remove_strays(result)
    write_json(
        out / "ingest.json",
        {
            "dataset": context.dataset,
            "card_sha256": context.card_sha256,
            "rules": asdict(context.rules),
            "images": len(result.manifest),
            "files_seen": result.files_seen,
            "accepted_files": result.accepted_files,
            "set_aside": result.set_aside,
            "quarantined": result.quarantined,
            "reasons": result.reasons,
            "content_sha256": sha256_json(result.manifest["sha256"].sort_values().tolist()),
        },
    )


def _remove_strays(result: IngestResult) -> None:
    """Remove images and receipts that an earlier ingest left and the new manifest does not name."""
    ids = set(result.manifest["image_id"])
    for folder in ("images", "receipts"):
        for path in (result.store / folder).iterdir():
            if STORED_NAME.fullmatch(path.name) and path.name.partition(".")[0] not in ids:
                path.unlink()


def _no_images(source: Path, result: IngestResult) -> InvalidInputError:
    counts = ", ".join(f"{code}: {count}" for code, count in result.reasons.items())
    return InvalidInputError(
        "NO_IMAGES",
        f"None of {counted(result.files_seen, 'file')} gave an image.",
        path=source,
        expected="DICOM series, NIfTI volumes, or pictures named by a card's table",
        actual=counts,
        hint=f"The reason for each file is in {result.store / 'quarantine.parquet'}.",
    )


def load_image(store: Path, row: Mapping[str, Any]) -> Volume:
    """Read an image back from the store.

    Parameters
    ----------
    store : Path
        The folder that `ingest` wrote.
    row : mapping
        A row of its manifest: a Series or a dict.

    Raises
    ------
    StoreError
        ``IMAGE_MISSING``, or ``IMAGE_CHANGED`` where its SHA-256 is not that of the manifest.
    """
    path = store / str(row["path"])
    if not path.is_file():
        raise StoreError("IMAGE_MISSING", "The store lacks an image of its manifest.", path=path)
    digest = sha256_file(path)
    if digest != row["sha256"]:
        raise StoreError(
            "IMAGE_CHANGED",
            "An image of the store is not what the manifest says.",
            path=path,
            expected=row["sha256"],
            actual=digest,
            hint="Ingest the source again.",
        )
    if path.suffix == ".png":
        return read_stored_picture(path, str(row["modality"]))
    return read_stored(path, str(row["modality"]), row["units"], row["geometry"])

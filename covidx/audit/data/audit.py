"""The audit of one or several tables of images: all findings together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from covidx.audit.data.association import associations
from covidx.audit.data.finder import search_copies
from covidx.audit.data.labels import (
    association_findings,
    conflict_finding,
    repeat_finding,
    site_finding,
)
from covidx.audit.data.leakage import copy_findings, role_findings, roleless_finding
from covidx.audit.data.listing import Listing, joined, read_listing
from covidx.audit.data.pictures import FORMATS
from covidx.audit.data.roles import read_roles
from covidx.audit.finding import Finding, Overall, gravest_first, overall
from covidx.errors import CovidxError, InvalidInputError
from covidx.wording import counted

Progress = Callable[[int, int], None]
HEADER = ["format", "mode", "width", "height"]


@dataclass(frozen=True)
class DataAudit:
    """What was audited, and what was found; the gravest findings first."""

    facts: list[tuple[str, str]]
    findings: list[Finding] = field(repr=False)

    @property
    def verdict(self) -> Overall:
        """As `finding.overall`."""
        return overall(self.findings)


def audit_data(
    manifests: Sequence[Path],
    splits: Sequence[str] = (),
    *,
    images: Path | None = None,
    columns: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> DataAudit:
    """Audit tables of images, each a data set of its own.

    Parameters
    ----------
    manifests : sequence of Path
        Manifests of covidx, or any CSV or parquet with a row an image.
    splits : sequence of str
        ``FILE`` or ``ROLE=FILE``, as `roles.read_roles` takes them.
    images : Path, optional
        Folder that paths start from; by default each table's own.
    columns : mapping, optional
        Column of the audit (`listing.NAMES`) -> column of the tables.
    progress : callable, optional
        Called with (images read, all).

    Raises
    ------
    InvalidTableError
        As `listing.read_listing` and `roles.read_roles`.
    InvalidInputError
        ``NO_IMAGE_READ``: none of the images could be read.
    """
    names = _dataset_names(manifests)
    listings = [
        _with_headers(read_listing(path, columns or {}, images, name))
        for path, name in zip(manifests, names, strict=True)
    ]
    table = joined(listings)
    roles, strange = read_roles(splits, table) if splits else (None, [])

    files = [Path(file) for file in table["file"]]
    described, copies = search_copies(files, table["unit"].tolist(), progress)
    if len(described.refused) == len(table):
        error = next(iter(described.refused.values()))
        raise InvalidInputError(
            "NO_IMAGE_READ",
            "None of the images could be read.",
            path=error.path,
            actual=error.code,
            hint="Name the folder that the paths start from (--images).",
        )
    labelled = associations(table) if "label" in table else ([], {"label": "no such column"})
    findings = [
        _unread_finding(table, described.refused),
        roleless_finding(table, roles, strange),
        *role_findings(table, roles),
        *copy_findings(table, copies, roles),
        conflict_finding(table),
        repeat_finding(table),
        site_finding(table),
        *association_findings(*labelled),
    ]
    return DataAudit(_facts(listings, names, table, roles), gravest_first(findings))


def _dataset_names(manifests: Sequence[Path]) -> list[str]:
    """The folder's name, or the file's where that would name two alike."""
    folders = [path.resolve().parent.name for path in manifests]
    stems = [path.stem for path in manifests]
    for names in (folders, stems):
        if len(set(names)) == len(names):
            return names
    return [f"{name}-{place}" for place, name in enumerate(folders, 1)]


def _with_headers(listing: Listing) -> Listing:
    """Format, mode and size from the files themselves, where the table lacks them."""
    table, taken = listing.table, dict(listing.taken)
    if not {"width", "height"} <= set(table):  # one alone may be a patient's
        table = table.drop(columns=["width", "height"], errors="ignore")
    missing = [name for name in HEADER if name not in table]
    if not missing:
        return listing
    headers = pd.DataFrame(map(_header, table["file"]), columns=HEADER, index=table.index)
    read = headers[missing].dropna(axis=1, how="all")
    taken |= dict.fromkeys(map(str, read), "the file's")
    return replace(listing, table=table.join(read), taken=taken)


def _header(file: str) -> tuple[str | None, str | None, str | None, str | None]:
    try:
        with Image.open(file, formats=FORMATS) as image:
            return image.format, image.mode, str(image.width), str(image.height)
    except Exception:  # a damaged file makes Pillow raise nearly anything; reported when it is read
        return None, None, None, None


def _unread_finding(table: pd.DataFrame, refused: Mapping[int, CovidxError]) -> Finding:
    rows = [
        {"image": table["place"].iloc[place], "code": error.code, "reason": error.reason}
        for place, error in refused.items()
    ]
    name, title, looked = "unread_images", "Images that cannot be read", "every image, once"
    if not rows:
        return Finding(name, title, "pass", looked, f"All {len(table)} were read.", "Certain.")
    found = f"{len(rows)} of {len(table)} cannot be read; nothing is known of their copies."
    return Finding(
        name, title, "fail", looked, found, "Certain.", "Correct or remove these rows.", rows
    )


def _facts(
    listings: Sequence[Listing], names: Sequence[str], table: pd.DataFrame, roles: Any
) -> list[tuple[str, str]]:
    facts = []
    for listing, name in zip(listings, names, strict=True):
        taken = ", ".join(f"{ours} = {theirs}" for ours, theirs in listing.taken.items())
        lines, images = listing.without_image, counted(len(listing.table), "image")
        left = f"; {counted(lines, 'row')} without an image" if lines else ""
        facts.append((name, f"{images}{left}. Columns: {taken}"))
    if roles is not None:
        counts = roles.drop_duplicates(["row", "role"])["role"].value_counts()
        facts.append(("roles", ", ".join(f"{role} {n}" for role, n in counts.items())))
    return facts

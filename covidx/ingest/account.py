"""What an ingest made, with every file accounted for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from covidx.errors import StoreError
from covidx.html import table
from covidx.ingest.context import Context
from covidx.ingest.dicom.series import Outcome
from covidx.ingest.plan import quarantine_rows
from covidx.ingest.receipt import Receipt
from covidx.tables import MANIFEST, QUARANTINE
from covidx.wording import counted


@dataclass(frozen=True, eq=False)
class IngestResult:
    """What an ingest made; every file seen is accepted, set aside or quarantined.

    `sources` says where each image came from (image_id -> path), by which labels may name it; it is
    not to be shown where identifiers are pseudonyms.

    Raises
    ------
    StoreError
        ``FILES_UNACCOUNTED``, where the three do not add up: a fault of covidx.
    """

    store: Path
    manifest: pd.DataFrame
    quarantine: pd.DataFrame
    files_seen: int
    accepted_files: int
    set_aside: int
    quarantined: int
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def reasons(self) -> dict[str, int]:
        """Files refused, by code."""
        return {
            str(k): int(v) for k, v in self.quarantine["code"].value_counts().sort_index().items()
        }

    def __repr__(self) -> str:
        return (
            f"IngestResult({counted(len(self.manifest), 'image')}; "
            f"{counted(self.files_seen, 'file')} seen = {self.accepted_files} accepted + "
            f"{self.set_aside} set aside + {self.quarantined} quarantined)"
        )

    def _repr_html_(self) -> str:
        rows = [(code, str(count)) for code, count in self.reasons.items()]
        return table(repr(self), rows, [f"Store: {self.store}"])

    def __post_init__(self) -> None:
        parts = (self.accepted_files, self.set_aside, self.quarantined)
        if sum(parts) != self.files_seen:
            raise StoreError(
                "FILES_UNACCOUNTED",
                "Accepted, set aside and quarantined files are not all files seen.",
                path=self.store,
                expected=self.files_seen,
                actual=" + ".join(map(str, parts)),
                hint="This is a fault of covidx; please report it.",
            )


@dataclass(frozen=True, eq=False)
class Stored:
    """One image in the store, as a worker reports it."""

    row: dict[str, Any]
    receipt: Receipt
    paths: tuple[str, ...]
    link: dict[str, object] = field(repr=False)


def without_repeats(stored: Sequence[Stored]) -> tuple[list[Stored], list[Outcome]]:
    """Keep one of identical images of one patient; refuse them all where their labels differ.

    Parameters
    ----------
    stored : sequence of Stored
        Images of one ingest.
    """
    by_id: defaultdict[str, list[Stored]] = defaultdict(list)
    for image in sorted(stored, key=lambda image: image.paths):
        by_id[image.row["image_id"]].append(image)
    kept: list[Stored] = []
    outcomes: list[Outcome] = []
    for first, *others in by_id.values():
        labels = {image.row["label"] for image in (first, *others)}
        kind, code, reason = "set_aside", "IMAGE_DUPLICATE", "Identical to another image."
        if len(labels) > 1:
            kind, code = "quarantined", "LABEL_CONFLICT"
            reason = "Identical images of one patient have different labels."
            others = [first, *others]
        else:
            kept.append(first)
        outcomes += [Outcome(path, kind, code, reason) for image in others for path in image.paths]
    return kept, outcomes


def account(
    files: Sequence[str],
    stored: Sequence[Stored],
    outcomes: Iterable[Outcome],
    context: Context,
    out: Path,
) -> IngestResult:
    """Count every file once: accepted if any image was made of it, else by its outcome.

    Parameters
    ----------
    files : sequence of str
        Path of every file of the source, members of archives among them.
    stored : sequence of Stored
        Images in the store.
    outcomes : iterable of Outcome
        Why files gave no image; of one that gave an image they count for nothing.
    context : Context
        What all jobs share.
    out : Path
        The store.
    """
    accepted = {path for image in stored for path in image.paths}
    refused = {outcome.path: outcome for outcome in outcomes if outcome.path not in accepted}
    rows = quarantine_rows(refused.values(), context)
    quarantine = pd.DataFrame(rows, columns=list(QUARANTINE.columns))
    manifest = pd.DataFrame([image.row for image in stored], columns=list(MANIFEST.columns))
    kinds = Counter(outcome.kind for outcome in refused.values())
    # A row of a table that names no file is seen as well, and is refused.
    seen = set(files) | {path for path in refused if not Path(path).is_absolute()}
    return IngestResult(
        store=out,
        manifest=manifest.sort_values("image_id", ignore_index=True),
        quarantine=quarantine.sort_values(["path", "code"], ignore_index=True),
        files_seen=len(seen),
        accepted_files=len(accepted),
        set_aside=kinds["set_aside"],
        quarantined=kinds["quarantined"],
        sources={image.row["image_id"]: str(image.link["source_path"]) for image in stored},
    )

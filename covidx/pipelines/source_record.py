"""Where a run's data lay: digests in ``run.json``, this machine's paths apart.

A path may name a patient or a hospital, and says nothing on another machine. It stays in the folder
of stores (`work`), which only this machine has; the run, which may be published, holds digests.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from covidx.cards import DataCard
from covidx.errors import InvalidInputError, StoreError
from covidx.files import make_folder, read_json, replacing, sha256_file, sha256_json
from covidx.kinds import training_named
from covidx.pipelines.source import PhantomCohort, Source, phantom_folder, store_folder
from covidx.runs import RunRecord, SourceRecord

DIGESTED = ("labels", "table", "masks")
PLACES = ("data", *DIGESTED)
OPTIONS = {"data": "FOLDER", "labels": "CSV", "table": "TABLE", "masks": "FOLDER"}


def source_record(source: Source | None) -> SourceRecord:
    """What ``run.json`` says of a source.

    Parameters
    ----------
    source : Source, optional
        As the user named it; None is the phantom, which the configuration makes again.
    """
    if source is None:
        return SourceRecord(kind="phantom", public_ids=True)
    public = source.card is not None and source.card.public_ids
    words = {name: dict(getattr(source, name)) for name in ("columns", "label_map")}
    return SourceRecord(
        kind="given", public_ids=public, positive=source.positive, **words, **_digests(source)
    )


def _digests(source: Source) -> dict[str, str | None]:
    """SHA-256 of the files; a folder of images has none before it is ingested."""
    return {f"{name}_sha256": _digest(getattr(source, name)) for name in DIGESTED}


def _digest(path: Path | None) -> str | None:
    """Of a file, or of all files of a folder."""
    if path is None:
        return None
    if path.is_file():
        return sha256_file(path)
    return sha256_json({p.name: sha256_file(p) for p in path.iterdir() if p.is_file()})


def keep_paths(source: Source, work: Path, run_id: str) -> None:
    """Note on this machine where the source of a run lies, in a file for its owner alone.

    Parameters
    ----------
    source : Source
        As the user named it; its card is kept whole.
    work : Path
        Folder of stores, which stays on this machine.
    run_id : str
        Of the run that was trained on it.
    """
    paths = {name: getattr(source, name) for name in PLACES}
    value = {name: None if path is None else str(path.resolve()) for name, path in paths.items()}
    card = None if source.card is None else source.card.model_dump(mode="json")
    path = _paths_file(work, run_id)
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.touch(0o600)
        temporary.write_text(json.dumps({**value, "card": card}))


def _paths_file(work: Path, run_id: str) -> Path:
    return work / "sources" / f"{run_id}.json"


def recall_source(record: RunRecord, work: Path, again: Source | None = None) -> Source | None:
    """What a run was trained on; None for the phantom.

    Parameters
    ----------
    record : RunRecord
        Of the run.
    work : Path
        Folder of stores that the run was trained with.
    again : Source, optional
        Where the user says that the data lie now; a part that is None is as remembered.

    Raises
    ------
    InvalidInputError
        ``SOURCE_UNKNOWN``: the run, of an earlier version, does not say; ``SOURCE_NOT_TAKEN``: data
        are named for a run on the phantom; ``SOURCE_NOT_FOUND``: nothing says where the data lie,
        or they are gone; ``SOURCE_CHANGED``: labels, table or masks are not those of the run.
    """
    recorded = record.source
    if recorded is None:
        raise InvalidInputError(
            "SOURCE_UNKNOWN",
            "The run's record, of an earlier version, does not name its training data.",
            hint="Train it again with this version.",
        )
    if recorded.kind == "phantom":
        if again not in (None, Source()):
            raise InvalidInputError(
                "SOURCE_NOT_TAKEN",
                "The run was trained on the phantom, which is generated again.",
                hint="Leave --data, --labels, --table, --masks and --card out.",
            )
        return None
    source = _with_kept(again or Source(), work, record.run_id)
    source = replace(
        source,
        positive=recorded.positive,
        columns=recorded.columns,
        label_map=recorded.label_map,
    )
    needed = [name for name in DIGESTED if getattr(recorded, f"{name}_sha256") is not None]
    if training_named(record.pipeline).images:
        needed.insert(0, "data")
    for name in needed:
        path = getattr(source, name)
        if path is None or not path.exists():
            raise _not_found(name, path)
    for name, digest in _digests(source).items():
        expected = getattr(recorded, name)
        if digest != expected:
            raise InvalidInputError(
                "SOURCE_CHANGED",
                f"The {name.removesuffix('_sha256')} are not those that the run was trained on.",
                expected=expected or "none",
                actual=digest or "none",
                hint=(
                    "Restore what it was trained on, or name an unchanged copy by the same option."
                ),
            )
    return source


def _with_kept(again: Source, work: Path, run_id: str) -> Source:
    """Fill what was not named again from what this machine remembers."""
    try:
        kept: dict[str, Any] = read_json(_paths_file(work, run_id))
    except StoreError:
        kept = {}
    paths: dict[str, Any] = {name: Path(kept[name]) for name in PLACES if kept.get(name)}
    paths |= {name: getattr(again, name) for name in PLACES if getattr(again, name) is not None}
    card = again.card or (DataCard.model_validate(kept["card"]) if kept.get("card") else None)
    return replace(again, card=card, **paths)


def _not_found(name: str, path: Path | None) -> InvalidInputError:
    return InvalidInputError(
        "SOURCE_NOT_FOUND",
        f"The {name} that the run was trained on cannot be found.",
        path=path,
        actual="not recorded on this machine" if path is None else "no such file or folder",
        hint=f"Name it with --{name} {OPTIONS[name]} (make: {name.upper()}=...).",
    )


def store_of(record: RunRecord, work: Path) -> Path | None:
    """The store that the run of `record` took its images from, where the folder `work` has it."""
    if not training_named(record.pipeline).images:
        return None
    kind = None if record.source is None else record.source.kind
    places = []
    if kind != "given":
        places.append(_phantom_of(record, work) / "store")
    if kind != "phantom":  # earlier runs do not say which
        places.append(store_folder(work, str(record.data.get("dataset"))))
    return next((place for place in places if (place / "manifest.parquet").is_file()), None)


def table_of(record: RunRecord, work: Path) -> Path | None:
    """The table, clinical or of readers' scores, that a run read, where this machine has it.

    The `record` is the run's, and `work` the folder of stores that it was trained with.
    """
    if "table_sha256" not in record.data:
        return None
    if record.source is not None and record.source.kind == "given":
        kept = _with_kept(Source(), work, record.run_id).table
        return kept if kept is not None and kept.is_file() else None
    path = _phantom_of(record, work) / training_named(record.pipeline).phantom_table
    return path if path.is_file() else None


def card_of(record: RunRecord, work: Path) -> DataCard | None:
    """The card that a run was trained by, where this machine still knows it.

    The `record` is the run's, and `work` the folder of stores that it was trained with.
    """
    return _with_kept(Source(), work, record.run_id).card


def _phantom_of(record: RunRecord, work: Path) -> Path:
    """Where the phantom cohort of a run lies."""
    config, cohort = record.config, training_named(record.pipeline).phantom
    phantom = PhantomCohort.model_validate(config["phantom"])
    return phantom_folder(work, config.get(cohort, cohort), phantom)

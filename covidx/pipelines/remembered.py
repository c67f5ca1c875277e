"""Where a run's data lay: what another person needs in ``run.json``, this machine's paths apart.

A path may name a patient or a hospital, and says nothing on another machine. It stays in the folder
of stores (`work`), which only this machine has; the run, which may be published, holds digests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covidx.cards import DataCard
from covidx.errors import InvalidInputError, StoreError
from covidx.files import make_folder, read_json, replacing, sha256_file, sha256_json
from covidx.pipelines.clinical.config import ClinicalSource, rows_folder
from covidx.pipelines.fusion.config import FusionSource
from covidx.pipelines.radiograph_severity.source import PHANTOM_TABLE, ScoredSource, scored_source
from covidx.pipelines.sources import Source, phantom_folder, store_folder
from covidx.runs import RunFolder

__all__ = ["Given", "found_store", "found_table", "recall", "remember"]

PHANTOM, GIVEN = "phantom", "given"
COHORT = {
    "train_ct": "ct",
    "train_cxr": "cxr",
    "train_severity": "cxr",
    "train_segmentation": "distracted",
    "train_detection": "distracted",
}
"""What the phantom cohort of a pipeline is called; a fusion's configuration says it."""
DIGESTED = ("labels", "table", "masks")
AnySource = Source | ClinicalSource | FusionSource | ScoredSource


@dataclass(frozen=True)
class Given:
    """What a user named: files, the card that describes them, the positive label.

    `table` is a clinical one, or of readers' scores; `masks` a folder of drawn lungs.
    """

    data: Path | None = None
    labels: Path | None = None
    table: Path | None = None
    card: DataCard | None = None
    positive: str | None = None
    masks: Path | None = None

    @classmethod
    def of(cls, source: AnySource) -> Given:
        """The same of any pipeline's source."""
        if isinstance(source, ScoredSource):
            table, masks = source.named
            return cls(source.source.data, None, table, source.source.card, masks=masks)
        if isinstance(source, Source):
            labels, positive = source.labels, source.positive
            return cls(source.data, labels, None, source.card, positive)
        if isinstance(source, ClinicalSource):
            return cls(None, source.labels, source.table, source.card)
        image, clinical = source.image, source.clinical
        return cls(image.data, image.labels, clinical.table, clinical.card)

    def source(self, pipeline: str) -> AnySource:
        """As the pipeline takes it."""
        if self.data is None:
            return self._clinical
        images = Source(self.data, self.labels, self.card, positive=self.positive)
        if pipeline == "train_severity":
            return scored_source(images, self.table, self.masks)
        return FusionSource(images, self._clinical) if pipeline == "train_fusion" else images

    @property
    def _clinical(self) -> ClinicalSource:
        assert self.table is not None and self.card is not None
        return ClinicalSource(self.table, self.card, self.labels)

    @property
    def digests(self) -> dict[str, str | None]:
        """SHA-256 of the files; a folder of images has none before it is ingested."""
        return {f"{name}_sha256": _digest(getattr(self, name)) for name in DIGESTED}


def _digest(path: Path | None) -> str | None:
    """Of a file, or of all files of a folder."""
    if path is None:
        return None
    if path.is_file():
        return sha256_file(path)
    return sha256_json({p.name: sha256_file(p) for p in path.iterdir() if p.is_file()})


def remember(run: RunFolder, work: Path, source: AnySource | None) -> None:
    """Note in the run's record what it was trained on, and in `work` where that lies.

    Parameters
    ----------
    run : RunFolder
    work : Path
    source : Source, ClinicalSource, FusionSource or ScoredSource, optional
        As the user gave it; None is the phantom, which the configuration makes again.
    """
    if source is None:
        run.record["source"] = {"kind": PHANTOM, "public_ids": True}
        return
    given = Given.of(source)
    public = given.card is not None and given.card.public_ids
    run.record["source"] = {
        "kind": GIVEN,
        "public_ids": public,
        "positive": given.positive,
        **given.digests,
    }
    paths = {name: getattr(given, name) for name in ("data", *DIGESTED)}
    value = {name: None if path is None else str(path.resolve()) for name, path in paths.items()}
    card = None if given.card is None else given.card.model_dump(mode="json")
    place = _place(work, run.run_id)
    make_folder(place.parent)
    with replacing(place) as temporary:
        temporary.touch(0o600)
        temporary.write_text(json.dumps({**value, "card": card}))


def _place(work: Path, run_id: str) -> Path:
    return work / "sources" / f"{run_id}.json"


def recall(record: Mapping[str, Any], work: Path, again: Given | None = None) -> Given | None:
    """What a run was trained on; None for the phantom.

    Parameters
    ----------
    record : mapping
        The run's ``run.json``.
    work : Path
    again : Given, optional
        Where the user says that the data lie now; a part that is None is as remembered.

    Raises
    ------
    InvalidInputError
        ``SOURCE_UNKNOWN``: the run, of an earlier version, does not say; ``SOURCE_NOT_TAKEN``: data
        are given for a run on the phantom; ``SOURCE_NOT_FOUND``: nothing says where the data lie,
        or they are gone; ``SOURCE_CHANGED``: labels, table or drawn lungs are not those of the run.
    """
    said = record.get("source")
    if said is None:
        raise InvalidInputError(
            "SOURCE_UNKNOWN",
            "The run does not say what it was trained on: it is of an earlier version.",
            hint="Train it again with this version.",
        )
    if said["kind"] == PHANTOM:
        if again not in (None, Given()):
            raise InvalidInputError(
                "SOURCE_NOT_TAKEN",
                "The run was trained on the phantom, which is made again.",
                hint="Leave --data, --labels, --table, --masks and --card out.",
            )
        return None
    found = _with_remembered(again or Given(), _place(work, str(record["run_id"])), said)
    for name in _needed(str(record["pipeline"]), said):
        path = getattr(found, name)
        if path is None or not path.exists():
            raise _not_found(name, path)
    for name, digest in found.digests.items():
        if digest != said.get(name):
            raise InvalidInputError(
                "SOURCE_CHANGED",
                f"The {name.removesuffix('_sha256')} are not those that the run was trained on.",
                expected=said.get(name) or "none",
                actual=digest or "none",
                hint="Give the unchanged one.",
            )
    return found


def _needed(pipeline: str, said: Mapping[str, Any]) -> list[str]:
    needed = [] if pipeline == "train_clinical" else ["data"]
    return needed + [name for name in DIGESTED if said.get(f"{name}_sha256") is not None]


def _with_remembered(again: Given, place: Path, said: Mapping[str, Any]) -> Given:
    """Fill what was not given again from what this machine remembers."""
    try:
        kept = read_json(place)
    except StoreError:
        kept = {}

    def path(name: str) -> Path | None:
        value: Path | None = getattr(again, name)
        return value or (Path(kept[name]) if kept.get(name) else None)

    card = again.card or (DataCard.model_validate(kept["card"]) if kept.get("card") else None)
    files = (path("data"), path("labels"), path("table"))
    return Given(*files, card, said.get("positive"), path("masks"))


def _not_found(name: str, path: Path | None) -> InvalidInputError:
    kind = {"data": "FOLDER", "labels": "CSV", "table": "TABLE", "masks": "FOLDER"}[name]
    return InvalidInputError(
        "SOURCE_NOT_FOUND",
        f"The {name} that the run was trained on cannot be found.",
        path=path,
        actual="nothing is known of their place on this machine" if path is None else "gone",
        hint=f"Say where: --{name} {kind}.",
    )


def found_store(record: Mapping[str, Any], work: Path) -> Path | None:
    """The store that a run's images came from, where `work` has it."""
    if record["pipeline"] == "train_clinical":
        return None
    kind = (record.get("source") or {}).get("kind")
    places = []
    if kind != GIVEN:
        places.append(_phantom_of(record, work) / "store")
    if kind != PHANTOM:  # a run of an earlier version does not say which
        places.append(store_folder(work, record["data"]["dataset"]))
    return next((place for place in places if (place / "manifest.parquet").is_file()), None)


def found_table(record: Mapping[str, Any], work: Path) -> Path | None:
    """The table, clinical or of scores, that a run read, where this machine has it."""
    if "table_sha256" not in record["data"]:
        return None
    if (record.get("source") or {}).get("kind") == GIVEN:
        kept = _with_remembered(Given(), _place(work, str(record["run_id"])), {}).table
    else:
        name = PHANTOM_TABLE if record["pipeline"] == "train_severity" else "clinical.csv"
        kept = _phantom_of(record, work) / name
    return kept if kept is not None and kept.is_file() else None


def _phantom_of(record: Mapping[str, Any], work: Path) -> Path:
    """Where the phantom cohort of a run lies."""
    config, pipeline = record["config"], record["pipeline"]
    patients, seed = config["phantom"]["patients"], config["phantom"]["seed"]
    if pipeline == "train_clinical":
        return rows_folder(work, patients, seed)
    return phantom_folder(work, COHORT.get(pipeline) or config["image"], patients, seed)

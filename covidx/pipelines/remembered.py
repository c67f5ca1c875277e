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
from covidx.files import make_folder, read_json, replacing, sha256_file
from covidx.pipelines.clinical_config import ClinicalSource, rows_folder
from covidx.pipelines.fusion_config import FusionSource
from covidx.pipelines.sources import Source, phantom_folder, store_folder
from covidx.runs import RunFolder

__all__ = ["Given", "found_store", "found_table", "recall", "remember"]

PHANTOM, GIVEN = "phantom", "given"
MODALITY = {"train_ct": "ct", "train_cxr": "cxr"}


@dataclass(frozen=True)
class Given:
    """What a user named: files, the card that describes them, the positive label."""

    data: Path | None = None
    labels: Path | None = None
    table: Path | None = None
    card: DataCard | None = None
    positive: str | None = None

    @classmethod
    def of(cls, source: Source | ClinicalSource | FusionSource) -> Given:
        """The same of any pipeline's source."""
        if isinstance(source, Source):
            labels, positive = source.labels, source.positive
            return cls(source.data, labels, None, source.card, positive)
        if isinstance(source, ClinicalSource):
            return cls(None, source.labels, source.table, source.card)
        image, clinical = source.image, source.clinical
        return cls(image.data, image.labels, clinical.table, clinical.card)

    def source(self, pipeline: str) -> Source | ClinicalSource | FusionSource:
        """As the pipeline takes it."""
        if pipeline in MODALITY:
            assert self.data is not None
            return Source(self.data, self.labels, self.card, positive=self.positive)
        assert self.table is not None and self.card is not None
        table = ClinicalSource(self.table, self.card, self.labels)
        if self.data is None:
            return table
        return FusionSource(Source(self.data, self.labels, self.card), table)

    @property
    def digests(self) -> dict[str, str | None]:
        """SHA-256 of the files; a folder of images has none before it is ingested."""
        return {
            f"{name}_sha256": None if path is None else sha256_file(path)
            for name, path in (("labels", self.labels), ("table", self.table))
        }


def remember(
    run: RunFolder, work: Path, source: Source | ClinicalSource | FusionSource | None
) -> None:
    """Note in the run's record what it was trained on, and in `work` where that lies.

    Parameters
    ----------
    run : RunFolder
    work : Path
    source : Source, ClinicalSource or FusionSource, optional
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
    paths = {name: getattr(given, name) for name in ("data", "labels", "table")}
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
        or they are gone; ``SOURCE_CHANGED``: labels or table are not those of the run.
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
                hint="Leave --data, --labels, --clinical and --card out.",
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
                hint="Give the unchanged file.",
            )
    return found


def _needed(pipeline: str, said: Mapping[str, Any]) -> list[str]:
    needed = [] if pipeline == "train_clinical" else ["data"]
    return needed + [n for n in ("labels", "table") if said.get(f"{n}_sha256") is not None]


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
    return Given(path("data"), path("labels"), path("table"), card, said.get("positive"))


def _not_found(name: str, path: Path | None) -> InvalidInputError:
    option = {"data": "--data FOLDER", "labels": "--labels CSV", "table": "--clinical TABLE"}[name]
    return InvalidInputError(
        "SOURCE_NOT_FOUND",
        f"The {name} that the run was trained on cannot be found.",
        path=path,
        actual="nothing is known of their place on this machine" if path is None else "gone",
        hint=f"Say where: {option}.",
    )


def found_store(record: Mapping[str, Any], work: Path) -> Path | None:
    """The store that a run's images came from, where `work` has it."""
    if record["pipeline"] == "train_clinical":
        return None
    kind = (record.get("source") or {}).get("kind")
    config, name = record["config"], record["data"]["dataset"]
    places = []
    if kind != GIVEN:
        modality = MODALITY.get(record["pipeline"]) or config["image"]
        how = config["phantom"]
        places.append(phantom_folder(work, modality, how["patients"], how["seed"]) / "store")
    if kind != PHANTOM:  # a run of an earlier version does not say which
        places.append(store_folder(work, name))
    return next((place for place in places if (place / "manifest.parquet").is_file()), None)


def found_table(record: Mapping[str, Any], work: Path) -> Path | None:
    """The clinical table that a run read, where this machine has it."""
    if "table_sha256" not in record["data"]:
        return None
    how = record["config"]["phantom"]
    if (record.get("source") or {}).get("kind") == GIVEN:
        kept = _with_remembered(Given(), _place(work, str(record["run_id"])), {}).table
    elif record["pipeline"] == "train_clinical":
        kept = rows_folder(work, how["patients"], how["seed"]) / "clinical.csv"
    else:
        modality = record["config"]["image"]
        kept = phantom_folder(work, modality, how["patients"], how["seed"]) / "clinical.csv"
    return kept if kept is not None and kept.is_file() else None

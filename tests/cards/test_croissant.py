from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from covidx.cards import CARD_FOLDER, DataCard, export_croissant, load_card, to_croissant

CARDS = sorted(path.stem for path in CARD_FOLDER.glob("*.yaml"))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the test reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def _small_card(**changes: Any) -> DataCard:
    card = load_card(Path("covid-ct")).model_dump() | {"identifier": "small", "hashes": {}}
    card["columns"] = [
        {"name": "image", "meaning": "path"},
        {"name": "age", "meaning": "age", "type": "number", "unit": "year", "low": 0, "high": 120},
    ]
    return DataCard.model_validate(card | changes)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", CARDS)
def test_mlcroissant_accepts_every_card(name: str, tmp_path: Path) -> None:
    import mlcroissant  # slow to import

    path = export_croissant(Path(name), tmp_path / "out" / "card.json")
    metadata = mlcroissant.Dataset(jsonld=str(path)).metadata
    assert not metadata.ctx.issues.errors
    card = load_card(Path(name))
    assert metadata.data_biases == card.known_biases
    assert metadata.data_collection == card.provenance
    fields = [field.id for records in metadata.record_sets for field in records.fields]
    assert [field.split("/", 1)[1] for field in fields] == [
        column.name.replace(" ", "_") for column in card.columns
    ]


@pytest.mark.usefixtures("offline")
def test_mlcroissant_reads_the_rows(tmp_path: Path) -> None:
    import mlcroissant

    (tmp_path / "images.csv").write_text("image,age\na.png,41\nb.png,\n")
    record = to_croissant(_small_card(), tmp_path)
    (tmp_path / "croissant.json").write_text(json.dumps(record))
    data = mlcroissant.Dataset(jsonld=str(tmp_path / "croissant.json"))
    rows = list(data.records("images"))
    assert [row["images/image"] for row in rows] == [b"a.png", b"b.png"]
    assert rows[0]["images/age"] == 41.0


def test_hashes_of_the_card_and_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text("image,age\n")
    expected = hashlib.sha256(b"image,age\n").hexdigest()
    result = to_croissant(_small_card(), tmp_path)
    assert result["distribution"][0]["sha256"] == expected
    assert "isLiveDataset" not in result
    stated = to_croissant(_small_card(hashes={"images.csv": "0" * 64}), tmp_path)
    assert stated["distribution"][0]["sha256"] == "0" * 64


def test_without_hash_it_is_a_live_data_set() -> None:
    record = to_croissant(load_card(Path("phantom")))
    assert record["isLiveDataset"] is True
    assert [file["@id"] for file in record["distribution"]] == ["labels.csv", "clinical.csv"]


def test_unit_and_range_are_in_words() -> None:
    field = to_croissant(_small_card())["recordSet"][0]["field"][1]
    assert field["description"] == "age; unit year; range 0.0 to 120.0"
    assert field["dataType"] == "sc:Float"


@pytest.mark.parametrize(
    ("version", "shown"), [("1", "1.0.0"), ("2020.1", "2020.1.0"), ("v2", "v2")]
)
def test_version_has_three_numbers(version: str, shown: str) -> None:
    assert to_croissant(_small_card(version=version))["version"] == shown

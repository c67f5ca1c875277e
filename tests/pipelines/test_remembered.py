"""Where a run's data lay: digests in the run, paths on this machine alone."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from covidx.cards import load_card
from covidx.errors import InvalidInputError
from covidx.files import read_json, sha256_file
from covidx.pipelines.radiograph_severity.source import scored_source
from covidx.pipelines.remembered import Given, found_store, found_table, recall, remember
from covidx.pipelines.sources import Source
from covidx.runs import RunFolder
from tests.conftest import Run


@pytest.fixture
def source(tmp_path: Path) -> Source:
    data = tmp_path / "Mustermann, Anna" / "dicom"
    data.mkdir(parents=True)
    labels = tmp_path / "labels.csv"
    labels.write_text("patient_id,label\n1,a\n")
    return Source(data, labels, load_card(Path("phantom")), positive="a")


@pytest.fixture
def record(tmp_path: Path, source: Source) -> dict[str, Any]:
    run = RunFolder("train_ct", tmp_path / "runs")
    remember(run, tmp_path / "work", source)
    run.save()
    return read_json(run.path / "run.json")


def test_the_run_holds_digests_and_no_path(
    tmp_path: Path, source: Source, record: dict[str, Any]
) -> None:
    assert source.labels is not None
    assert record["source"] == {
        "kind": "given",
        "public_ids": True,
        "positive": "a",
        "labels_sha256": sha256_file(source.labels),
        "table_sha256": None,
        "masks_sha256": None,
    }
    assert (
        "Mustermann" not in (tmp_path / "runs/train_ct" / record["run_id"] / "run.json").read_text()
    )
    kept = tmp_path / "work" / "sources" / f"{record['run_id']}.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "Mustermann" in kept.read_text()


def test_it_is_found_again(tmp_path: Path, source: Source, record: dict[str, Any]) -> None:
    found = recall(record, tmp_path / "work")
    assert found is not None and found.source("train_ct") == source


def test_gone_or_changed_is_a_clear_error(
    tmp_path: Path, source: Source, record: dict[str, Any]
) -> None:
    assert source.labels is not None
    with pytest.raises(InvalidInputError, match="SOURCE_NOT_FOUND") as caught:
        recall(record, tmp_path / "another machine")
    assert "--data" in str(caught.value)
    moved = source.data.parent / "moved"
    source.data.rename(moved)
    with pytest.raises(InvalidInputError, match="SOURCE_NOT_FOUND"):
        recall(record, tmp_path / "work")
    again = recall(record, tmp_path / "work", Given(data=moved))
    assert again is not None and again.data == moved and again.labels == source.labels
    source.labels.write_text("patient_id,label\n1,b\n")
    with pytest.raises(InvalidInputError, match="SOURCE_CHANGED"):
        recall(record, tmp_path / "work", Given(data=moved))


def test_given_again_on_another_machine(
    tmp_path: Path, source: Source, record: dict[str, Any]
) -> None:
    given = Given(source.data, source.labels, card=source.card)
    found = recall(record, tmp_path / "another machine", given)
    assert found is not None and found.source("train_ct") == source  # the positive label, too


@pytest.mark.parametrize("by_card", [True, False])
def test_scores_and_drawn_lungs_are_found_again(tmp_path: Path, by_card: bool) -> None:
    card = load_card(Path("covid-chestxray"))
    assert card.severity is not None
    data = tmp_path / "films"
    (data / "lung_masks_v7labs").mkdir(parents=True)
    (data / "own").mkdir()
    (data / "own" / "a.png").write_bytes(b"lungs")
    for name in (card.severity.table, "own.csv"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_text("image,extent\na,1\n")
    named = (None, None) if by_card else (data / "own.csv", data / "own")
    source = scored_source(Source(data, None, card), *named)
    run = RunFolder("train_severity", tmp_path / "runs")
    remember(run, tmp_path / "work", source)
    found = recall(run.record, tmp_path / "work")
    assert found is not None and found.source("train_severity") == source
    if not by_card:
        (data / "own" / "a.png").write_bytes(b"others")
        with pytest.raises(InvalidInputError, match="SOURCE_CHANGED"):
            recall(run.record, tmp_path / "work")
    moved = tmp_path / "moved"
    data.rename(moved)  # what the card names is found with the data
    if by_card:
        again = recall(run.record, tmp_path / "work", Given(data=moved))
        assert again is not None
        assert again.source("train_severity") == scored_source(Source(moved, None, card), *named)
    else:
        with pytest.raises(InvalidInputError, match="SOURCE_NOT_FOUND") as caught:
            recall(run.record, tmp_path / "work", Given(data=moved, table=moved / "own.csv"))
        assert "--masks" in str(caught.value)


def test_the_phantom_is_made_again(trained: Run) -> None:
    record = read_json(trained.folder / "run.json")
    assert record["source"] == {"kind": "phantom", "public_ids": True}
    assert recall(record, trained.work) is None
    with pytest.raises(InvalidInputError, match="SOURCE_NOT_TAKEN"):
        recall(record, trained.work, Given(data=trained.work))
    with pytest.raises(InvalidInputError, match="SOURCE_UNKNOWN"):
        recall({k: v for k, v in record.items() if k != "source"}, trained.work)
    assert found_store(record, trained.work) == trained.phantom / "store"
    assert found_store(record, trained.work / "elsewhere") is None
    assert found_table(record, trained.work) is None

"""Where a run's data lay: digests in the run, paths on this machine alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from covidx.cards import load_card
from covidx.errors import InvalidInputError
from covidx.files import sha256_file
from covidx.pipelines.source import Source
from covidx.pipelines.source_record import (
    keep_paths,
    recall_source,
    source_record,
    store_of,
    table_of,
)
from covidx.runs import RunFolder, RunRecord, SourceRecord, read_record
from tests.conftest import Run


@pytest.fixture
def source(tmp_path: Path) -> Source:
    data = tmp_path / "Mustermann, Anna" / "dicom"
    data.mkdir(parents=True)
    labels = tmp_path / "labels.csv"
    labels.write_text("patient_id,label\n1,a\n")
    return Source(data, labels, load_card(Path("phantom")), positive="a")


@pytest.fixture
def record(tmp_path: Path, source: Source) -> RunRecord:
    return recorded("train_ct", source, tmp_path)


def recorded(pipeline: str, source: Source, base: Path) -> RunRecord:
    run = RunFolder(pipeline, base / "runs")
    run.record.source = source_record(source)
    keep_paths(source, base / "work", run.run_id)
    run.save()
    return read_record(run.path)


def test_the_run_holds_digests_and_no_path(
    tmp_path: Path, source: Source, record: RunRecord
) -> None:
    assert source.labels is not None
    assert record.source == SourceRecord(
        kind="given", public_ids=True, positive="a", labels_sha256=sha256_file(source.labels)
    )
    assert "Mustermann" not in (tmp_path / "runs/train_ct" / record.run_id / "run.json").read_text()
    kept = tmp_path / "work" / "sources" / f"{record.run_id}.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "Mustermann" in kept.read_text()


def test_it_is_found_again(tmp_path: Path, source: Source, record: RunRecord) -> None:
    assert recall_source(record, tmp_path / "work") == source


def test_gone_or_changed_is_a_clear_error(
    tmp_path: Path, source: Source, record: RunRecord
) -> None:
    assert source.labels is not None
    with pytest.raises(InvalidInputError, match="SOURCE_NOT_FOUND") as caught:
        recall_source(record, tmp_path / "another machine")
    assert "--data" in str(caught.value)
    moved = source.data.parent / "moved"
    source.data.rename(moved)
    with pytest.raises(InvalidInputError, match="SOURCE_NOT_FOUND"):
        recall_source(record, tmp_path / "work")
    again = recall_source(record, tmp_path / "work", Source(data=moved))
    assert again is not None and again.data == moved and again.labels == source.labels
    source.labels.write_text("patient_id,label\n1,b\n")
    with pytest.raises(InvalidInputError, match="SOURCE_CHANGED"):
        recall_source(record, tmp_path / "work", Source(data=moved))


def test_given_again_on_another_machine(tmp_path: Path, source: Source, record: RunRecord) -> None:
    named = Source(source.data, source.labels, source.card)
    found = recall_source(record, tmp_path / "another machine", named)
    assert found == source  # the positive label, too


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
    source = Source(data, None, card, *named)
    record = recorded("train_radiograph_severity", source, tmp_path)
    assert recall_source(record, tmp_path / "work") == source
    if not by_card:
        (data / "own" / "a.png").write_bytes(b"others")
        with pytest.raises(InvalidInputError, match="SOURCE_CHANGED"):
            recall_source(record, tmp_path / "work")
    moved = tmp_path / "moved"
    data.rename(moved)  # what the card names is found with the data
    if by_card:
        again = recall_source(record, tmp_path / "work", Source(data=moved))
        assert again == Source(moved, None, card)
    else:
        with pytest.raises(InvalidInputError, match="SOURCE_NOT_FOUND") as caught:
            recall_source(record, tmp_path / "work", Source(moved, table=moved / "own.csv"))
        assert "--masks" in str(caught.value)


def test_the_phantom_is_made_again(trained: Run) -> None:
    record = read_record(trained.folder)
    assert record.source == SourceRecord(kind="phantom", public_ids=True)
    assert recall_source(record, trained.work) is None
    with pytest.raises(InvalidInputError, match="SOURCE_NOT_TAKEN"):
        recall_source(record, trained.work, Source(data=trained.work))
    with pytest.raises(InvalidInputError, match="SOURCE_UNKNOWN"):
        recall_source(record.model_copy(update={"source": None}), trained.work)
    assert store_of(record, trained.work) == trained.phantom / "store"
    assert store_of(record, trained.work / "elsewhere") is None
    assert table_of(record, trained.work) is None

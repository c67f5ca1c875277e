"""`covidx reproduce` and `covidx audit run` on runs that segment, box and grade."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from covidx.audit.run import Places, audit_run, compare_runs
from covidx.cli import app
from covidx.config import load_config
from covidx.files import read_json, write_json
from covidx.pipelines.detection.config import TRAIN_DETECTION, TrainDetection
from covidx.pipelines.detection.train import train_detection
from covidx.pipelines.radiograph_severity.train import train_radiograph_severity
from covidx.pipelines.segmentation.config import TRAIN_SEGMENTATION, TrainSegmentation
from covidx.pipelines.segmentation.train import train_segmentation
from covidx.pipelines.source import Source
from covidx.pipelines.source_record import store_of, table_of
from covidx.runs import read_record
from tests.pipelines.ct_seg import TINY_DETECTION, TINY_SEGMENTATION, Layout, lay, source
from tests.pipelines.scored_films import CONFIG, make_films

TABLES = {
    "train_segmentation": ("scores.csv", "dice"),
    "train_detection": ("truth.csv", "left"),
    "train_radiograph_severity": ("predictions.csv", "extent_predicted"),
}
FIGURES = {
    "train_segmentation": "opacity.dice",
    "train_detection": "map50",
    "train_radiograph_severity": "extent.mae",
}


@dataclass(frozen=True)
class Tiny:
    """A run, and one that was trained from its record."""

    pipeline: str
    folder: Path
    replay: Path
    said: Result
    base: Path

    def invoke(self, *words: object) -> Result:
        places = ("--work", self.base / "work")
        return CliRunner().invoke(app, [str(word) for word in (*words, *places)])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("regions")


@pytest.fixture(scope="module")
def layout(base: Path) -> Layout:
    return lay(base / "ct-seg")


def _train(pipeline: str, base: Path, layout: Layout) -> Path:
    places: dict[str, Any] = {"work": base / "work", "runs": base / "runs"}
    if pipeline == "train_radiograph_severity":
        films = make_films(base)
        scored = Source(films / "images", table=films / "scores.csv", masks=films / "masks")
        return train_radiograph_severity(CONFIG, scored, **places).folder
    if pipeline == "train_detection":
        boxes = load_config(TRAIN_DETECTION, TrainDetection, TINY_DETECTION)
        return train_detection(boxes, source(layout), **places).folder
    regions = load_config(TRAIN_SEGMENTATION, TrainSegmentation, TINY_SEGMENTATION)
    return train_segmentation(regions, source(layout), **places).folder


@pytest.fixture(scope="module", params=list(TABLES))
def tiny(request: pytest.FixtureRequest, base: Path, layout: Layout) -> Tiny:
    folder = _train(request.param, base, layout)
    before = set(folder.parent.iterdir())
    words = ("reproduce", folder, "--work", base / "work", "--runs", base / "runs")
    said = CliRunner().invoke(app, [str(word) for word in words])
    (replay,) = set(folder.parent.iterdir()) - before
    return Tiny(request.param, folder, replay, said, base)


@pytest.fixture
def copy(tiny: Tiny, tmp_path: Path) -> Path:
    """The run, to tamper with."""
    shutil.copytree(tiny.folder, tmp_path / tiny.folder.name)
    return tmp_path / tiny.folder.name


def _spoil_weights(run: Path) -> None:
    path = run / "bundle" / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_it_comes_out_again_bit_for_bit(tiny: Tiny) -> None:
    assert tiny.said.exit_code == 0, tiny.said.output
    assert "bit for bit, on the same machine, lock and code" in tiny.said.output
    name, _ = TABLES[tiny.pipeline]
    for part in (name, "metrics.json", "bundle/weights.safetensors"):
        assert (tiny.folder / part).read_bytes() == (tiny.replay / part).read_bytes()
    assert (tiny.folder.parent / "latest").resolve() == tiny.folder.resolve()


def test_what_is_told_is_what_the_run_claims(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("covidx.cli.replay.train_again", lambda *_, **__: tiny.replay)
    tiny.invoke("reproduce", tiny.folder, "--runs", tmp_path)
    said = read_json(tmp_path / "reproduce" / "latest" / "reproduction.json")
    metrics = read_json(tiny.folder / "metrics.json")
    assert said["figure"] == FIGURES[tiny.pipeline]
    assert said["claimed"] == said["replayed"] == metrics[said["figure"]]
    tables = ["boxes.csv", "truth.csv"] if said["figure"] == "map50" else [TABLES[tiny.pipeline][0]]
    assert said["rows"] == sum(len(pd.read_csv(tiny.folder / name)) for name in tables) > 0


def test_tampered_weights_and_tables_are_named(
    tiny: Tiny, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil_weights(copy)
    name, column = TABLES[tiny.pipeline]
    table = pd.read_csv(copy / name)
    table[column] = table[column].astype(float).where(table.index > 0, table[column] + 0.5)
    table.to_csv(copy / name, index=False)
    monkeypatch.setattr("covidx.cli.replay.train_again", lambda *_, **__: tiny.replay)
    result = tiny.invoke("reproduce", copy, "--runs", copy.parent)
    assert result.exit_code == 1 and "not reproduced" in result.output
    out = copy.parent / "reproduce" / "latest"
    said = read_json(out / "reproduction.json")
    assert said["max_abs_difference"] == pytest.approx(0.5)
    found = {one["name"]: one for one in read_json(out / "audit.json")["findings"]}
    assert {key for key, one in found.items() if one["verdict"] == "fail"} == {
        "same_tables",
        "same_bundle",
    }
    (row,) = found["same_tables"]["rows"]
    assert (row["table"], row["row"], row["column"]) == (name, 1, column)
    assert [one["what"] for one in found["same_bundle"]["rows"]] == ["bundle/weights.safetensors"]


def test_elsewhere_boxes_may_be_others_and_images_may_not(tiny: Tiny, copy: Path) -> None:
    record = read_json(copy / "run.json")
    record["machine"]["cpu"] = "another"
    write_json(copy / "run.json", record)
    name = TABLES[tiny.pipeline][0].replace("truth", "boxes")
    lines = (copy / name).read_text().splitlines()
    (copy / name).write_text("\n".join(lines[:-1]) + "\n")
    found = compare_runs(copy, tiny.replay)
    verdicts = {one.name: one.verdict for one in found.findings}
    assert verdicts["same_place"] == "note"
    assert verdicts["same_tables"] == ("note" if name == "boxes.csv" else "fail")
    assert found.verdict == ("pass" if name == "boxes.csv" else "fail")


def test_seeds_where_they_change_nothing_are_refused(tiny: Tiny) -> None:
    if tiny.pipeline != "train_radiograph_severity":
        pytest.skip("its seed divides the patients")
    result = tiny.invoke("reproduce", tiny.folder, "--seeds", 1, "--runs", tiny.base / "runs")
    assert "SEEDS_WITHOUT_EFFECT" in str(result.exception)


def test_data_that_moved_are_asked_for(tiny: Tiny, tmp_path: Path) -> None:
    words = ["reproduce", tiny.folder, "--work", tmp_path, "--runs", tmp_path / "runs"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert "SOURCE_NOT_FOUND" in str(result.exception)
    assert not (tmp_path / "runs").exists()


def _audit(tiny: Tiny, run: Path) -> dict[str, str]:
    record = read_record(run)
    work = tiny.base / "work"
    at = Places(store_of(record, work), table_of(record, work), work / "cache")
    return {one.name: one.verdict for one in audit_run(run, at).findings}


def test_the_audit_looks_at_what_there_is(tiny: Tiny, copy: Path) -> None:
    sound = _audit(tiny, tiny.folder)
    roles = "not looked at" if tiny.pipeline == "train_radiograph_severity" else "pass"
    assert sound == {
        "data_unchanged": "pass",
        "code": "pass",
        "lock": "pass",
        "bundle_unchanged": "pass",
        "hashes_agree": "pass",
        "groups_and_patients": roles,
        "recomputed": "not looked at",
        "identity": "pass",
    }
    _spoil_weights(copy)
    (copy / "note.txt").write_text("ask anna.m@klinik.example")
    record = read_json(copy / "run.json")
    record["data"]["manifest_sha256"] = "0" * 64
    write_json(copy / "run.json", record)
    spoilt = _audit(tiny, copy)
    failed = {name for name, verdict in spoilt.items() if verdict == "fail"}
    assert failed == {"bundle_unchanged", "hashes_agree", "identity"}


def test_a_patient_who_trains_and_is_tested_is_found(tiny: Tiny, copy: Path) -> None:
    if tiny.pipeline == "train_radiograph_severity":
        pytest.skip("each patient is left out in turn")
    rows = pd.read_parquet(copy / "splits.parquet")
    rows["patient_id"] = rows["patient_id"].iloc[0]
    rows.to_parquet(copy / "splits.parquet", index=False)
    found = _audit(tiny, copy)
    assert found["groups_and_patients"] == found["hashes_agree"] == "fail"


def test_every_audit_of_such_a_run(tiny: Tiny) -> None:
    result = tiny.invoke("audit", "all", tiny.folder)
    assert result.exit_code == 0, result.output
    assert "not looked at shortcuts: This run has no classifier." in result.output
    assert not (tiny.folder / "audit" / "run" / "claim_2024.md").exists()

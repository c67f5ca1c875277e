"""`covidx reproduce`: a run comes out again, or it is said that it does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
from typer.testing import CliRunner, Result

from covidx.cli import app
from covidx.files import read_json, write_json
from covidx.tracking import tracking_uri
from tests.conftest import Run

QUICK = "recipes=[{name: logistic, kind: logistic}]"


def invoke(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@dataclass(frozen=True)
class Place:
    work: Path
    runs: Path

    @property
    def options(self) -> tuple[object, ...]:
        return ("--work", self.work, "--runs", self.runs)

    def run(self, pipeline: str) -> Path:
        return (self.runs / pipeline / "latest").resolve()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("reproduce")
    at = Place(folder / "work", folder / "runs")
    changes = ("--set", QUICK, "--set", "phantom.patients=120")
    result = invoke("train", "clinical", *changes, *at.options)
    assert result.exit_code == 0, result.output
    return at


def test_a_clinical_run_bit_for_bit_and_other_seeds(place: Place) -> None:
    run = place.run("train_clinical")
    result = invoke("reproduce", run, "--seeds", 2, *place.options)
    assert result.exit_code == 0, result.output
    assert "bit for bit, on the same machine, lock and code" in result.output
    assert place.run("train_clinical") == run  # a replay is not the last run
    folder = place.run("reproduce")
    said = read_json(folder / "reproduction.json")
    assert said["bit_for_bit"] and said["max_abs_difference"] == 0 and said["rows"] == 120
    assert [one["seed"] for one in said["seeds"]] == [1, 2]
    aurocs = []
    for one in said["seeds"]:
        other = run.parent / one["run"]
        assert read_json(other / "run.json")["config"]["seed"] == one["seed"]
        aurocs.append(read_json(other / "metrics.json")["auroc"]["value"])
    assert [one["value"] for one in said["seeds"]] == aurocs
    assert said["spread"]["seeds_low"] == min(aurocs)
    assert said["spread"]["seeds_mean"] == pytest.approx(sum(aurocs) / 2)
    claimed = read_json(run / "metrics.json")["auroc"]
    assert (
        f"{claimed['value']:.3f} ({claimed['low']:.3f} to {claimed['high']:.3f})" in result.output
    )
    assert read_json(folder / "badge.json")["message"] == "bit for bit"
    assert "bit for bit" in (folder / "audit.html").read_text()
    client = mlflow.MlflowClient(tracking_uri(place.runs))
    experiment = client.get_experiment_by_name("reproduce")
    assert experiment is not None
    logged = client.search_runs([experiment.experiment_id])
    (told,) = [one for one in logged if "mlflow.parentRunId" not in one.data.tags]
    by_seed = {one.info.run_name: one.data.metrics["auroc"] for one in logged if one is not told}
    assert by_seed == {f"seed {one['seed']}": one["value"] for one in said["seeds"]}
    assert told.data.tags["outcome"] == "bit for bit" and told.data.tags["run"] == run.name
    assert told.data.metrics["max_abs_difference"] == 0
    assert told.data.metrics["claimed_auroc"] == pytest.approx(claimed["value"])


def test_a_record_that_does_not_tell_the_truth_is_found_out(place: Place, tmp_path: Path) -> None:
    """The seed in run.json is not the one that trained."""
    run = place.run("train_clinical")
    copy = place.runs / "train_clinical" / "forged"
    copy.mkdir()
    for path in run.iterdir():
        (copy / path.name).symlink_to(path)
    (copy / "run.json").unlink()
    record: dict[str, Any] = read_json(run / "run.json")
    record["config"]["seed"] = 5
    write_json(copy / "run.json", record)
    result = invoke("reproduce", copy, *place.options)
    assert result.exit_code == 1
    assert "not reproduced" in result.output and "Data and split" in result.output
    assert read_json(place.run("reproduce") / "badge.json")["color"] == "red"


def test_data_that_are_not_here_are_a_clear_error(place: Place, tmp_path: Path) -> None:
    run = place.run("train_clinical")
    record = read_json(run / "run.json")
    record["source"] = {"kind": "given", "public_ids": True, "positive": None}
    record["source"] |= {"labels_sha256": "0" * 64, "table_sha256": "0" * 64}
    copy = tmp_path / "run"
    copy.mkdir()
    for path in run.iterdir():
        (copy / path.name).symlink_to(path)
    (copy / "run.json").unlink()
    write_json(copy / "run.json", record)
    result = invoke("reproduce", copy, "--work", tmp_path / "elsewhere", "--runs", place.runs)
    assert result.exit_code == 1
    assert "SOURCE_NOT_FOUND" in str(result.exception)


def test_a_run_on_images_bit_for_bit(trained: Run) -> None:
    before = (trained.folder.parent / "latest").readlink()
    options = ("--work", trained.work, "--runs", trained.runs)
    result = invoke("reproduce", trained.folder, *options)
    assert result.exit_code == 0, result.output
    assert "rows         30, largest difference 0" in result.output
    assert (trained.folder.parent / "latest").readlink() == before

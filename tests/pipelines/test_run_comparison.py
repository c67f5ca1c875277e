"""Runs compared: the patients that all tested, loud where the divisions differ, shown in both."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pandas as pd
import pytest
from typer.testing import CliRunner

from covidx.cli import app
from covidx.files import read_json
from covidx.pipelines.tracked import tracked
from covidx.runs import read_record
from covidx.tracking import tracking_uri
from tests.pipelines.made_runs import make_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def pair(runs: Path) -> tuple[Path, Path]:
    """Two runs of the same division."""
    return make_run(runs, 1), make_run(runs, 2)


def compared(out: Path, *folders: Path, fails: bool = False) -> str:
    result = CliRunner().invoke(app, ["compare", *map(str, folders), "--out", str(out)])
    assert bool(result.exit_code) == fails, result.output
    return result.output + str(result.exception or "")


def test_runs_of_one_division_are_compared_and_show_the_page(
    pair: tuple[Path, Path], runs: Path, tmp_path: Path
) -> None:
    output = compared(tmp_path, *pair)
    assert "covid-19 against the rest, 20 test patients" in output and "WARNING" not in output
    first, second = (f"train_clinical-{folder.name}" for folder in pair)
    assert f"{first} minus {second}" in output
    (one,) = read_json(tmp_path / "comparison.json")
    auroc = [read_json(folder / "metrics.json")["auroc"]["value"] for folder in pair]
    assert one["differences"]["auroc"]["value"] == pytest.approx(auroc[0] - auroc[1])
    client = mlflow.MlflowClient(tracking_uri(runs))
    for folder, other in (pair, pair[::-1]):
        page = folder / "comparisons" / f"{other.name}.html"
        assert 'src="data:image/' in page.read_text() and 'src="figures' not in page.read_text()
        number = read_record(folder).mlflow_run_id
        shown = [item.path for item in client.list_artifacts(number, "comparisons")]
        assert shown == [f"comparisons/{other.name}.html"]


def test_of_other_divisions_the_shared_test_patients_are_compared_and_it_is_loud(
    pair: tuple[Path, Path], runs: Path, tmp_path: Path
) -> None:
    """One run tested the patients from 40 on, the other those from 30 on."""
    output = compared(tmp_path, pair[0], make_run(runs, 3, first_tested=30))
    assert "WARNING: The runs differ in their division" in output
    assert "compared are the 20 that were" in output and "10 of train_clinical-" in output
    assert "20 test patients" in output
    page = (tmp_path / "comparison.html").read_text()
    assert page.index("differ in their division") < page.index("<h2>")
    for path in tmp_path.glob("*.parquet"):
        table = pd.read_parquet(path)
        tested = set(table.loc[table["role"] == "test", "unit_id"])
        assert tested == {f"p{k}" for k in range(40, 60)}


def test_runs_without_a_common_test_patient_are_refused(
    pair: tuple[Path, Path], runs: Path, tmp_path: Path
) -> None:
    other = make_run(runs, 4)
    table = pd.read_parquet(other / "predictions.parquet")
    table.assign(unit_id="q" + table["unit_id"]).to_parquet(other / "predictions.parquet")
    assert "NONE_SHARED" in compared(tmp_path / "out", pair[0], other, fails=True)
    assert not (tmp_path / "out").exists()


def test_a_run_that_classifies_nothing_is_refused(
    pair: tuple[Path, Path], runs: Path, tmp_path: Path
) -> None:
    with tracked("train_segmentation", runs) as (folder, _):
        pass
    assert "NOT_COMPARABLE" in compared(tmp_path / "out", pair[0], folder.path, fails=True)

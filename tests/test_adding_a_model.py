"""A network and a kind of model are added without a change of covidx: docs/adding-a-model.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import timm
import torch
from torch import nn
from typer.testing import CliRunner, Result

import covidx.kinds
from covidx.cli import app
from covidx.errors import InvalidInputError
from covidx.inference import load
from covidx.kinds import ModelKind, Training, all_kinds, register, resolve
from covidx.runs import read_record
from covidx.tracking import tracking_uri
from tests.conftest import CHANGES, Run
from tests.toy_kind import KIND, ToyPredictor

LAYERS = {
    "config": "pipelines",
    "settings": "pipelines",
    "train": "pipelines",
    "bundle": ("inference", "clinical", "fusion", "radiograph_severity"),
    "predictor": ("inference", "fusion", "radiograph_severity"),
    "rescore": "audit",
    "evidence": "audit",
}
"""Part of a kind -> the rooms that it may lie in: none above the room that uses it."""


def invoke(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.name)
def test_every_part_of_every_kind_is_there_and_in_its_room(kind: ModelKind) -> None:
    parts = {name: getattr(kind, name) for name in LAYERS if getattr(kind, name, None)}
    named = [*parts.items()]
    named += [(n, getattr(t, n)) for t in kind.trainings for n in ("config", "settings")]
    for name, part in named:
        assert resolve(part) is not None
        rooms = LAYERS[name]
        assert part.split(".")[1] in ((rooms,) if isinstance(rooms, str) else rooms), part
    assert resolve(kind.bundle).model_fields["kind"].default == kind.name
    for training in kind.trainings:
        assert resolve(training.settings).is_file()


def test_a_verb_belongs_to_one_kind() -> None:
    taken = Training("ct", "", "tests.toy_kind:TrainToy", "tests.toy_kind:SETTINGS")
    with pytest.raises(InvalidInputError, match="KIND_VERB_TAKEN"):
        register(ModelKind("other", (taken,), train="", bundle="", predictor=""))


@pytest.fixture
def toy() -> Iterator[ModelKind]:
    register(KIND)
    yield KIND
    del covidx.kinds._KINDS["toy"]


def test_a_new_kind_is_trained_used_audited_and_reproduced(
    toy: ModelKind, trained: Run, tmp_path: Path
) -> None:
    places = ("--work", trained.work, "--runs", tmp_path)
    result = invoke("train", "toy", *places)
    assert result.exit_code == 0, result.output + str(result.exception)
    assert "covid-19 against the rest, 6 test patients" in result.output
    run = tmp_path / "train_toy" / "latest"

    study = next((trained.phantom / "dicom").iterdir())
    result = invoke(
        "predict", run / "bundle", study, "--format", "csv", "--out", tmp_path / "p.csv"
    )
    assert result.exit_code == 0, result.output + str(result.exception)
    (row,) = pd.read_csv(tmp_path / "p.csv").to_dict("records")
    predictor = load(run / "bundle")
    assert isinstance(predictor, ToyPredictor)
    (prediction,) = predictor.stream(study)
    assert row["score"] == pytest.approx(prediction.score) and 0 < row["score"] < 1

    result = invoke("predict", run / "bundle", study, "--out", tmp_path)
    assert result.exit_code and "UNWRITABLE" in str(result.exception)

    result = invoke("audit", "run", run, "--work", trained.work)
    assert result.exit_code == 0, result.output + str(result.exception)
    assert "fail" not in result.output.replace("verdict", "")

    result = invoke("reproduce", run, *places)
    assert result.exit_code == 0, result.output + str(result.exception)
    assert "bit for bit" in result.output

    assert "train_toy" in invoke("runs", "list", "--runs", tmp_path).output


def test_mlflow_knows_the_run_and_serves_the_model(
    toy: ModelKind, trained: Run, tmp_path: Path
) -> None:
    result = invoke("train", "toy", "--work", trained.work, "--runs", tmp_path)
    assert result.exit_code == 0, result.output + str(result.exception)
    record = read_record(tmp_path / "train_toy" / "latest")
    assert record.mlflow_run_id is not None
    mlflow.set_tracking_uri(tracking_uri(tmp_path))
    logged = mlflow.get_run(record.mlflow_run_id)
    assert logged.data.params["recipe.steepness"] == "0.1"
    assert logged.data.tags["bundle_sha256"] == record.bundle_sha256
    assert "auroc" in logged.data.metrics
    (model,) = tmp_path.glob("mlartifacts/**/MLmodel")
    study = next((trained.phantom / "dicom").iterdir())
    served = mlflow.pyfunc.load_model(str(model.parent)).predict(
        pd.DataFrame({"path": [str(study)]})
    )
    (prediction,) = load(tmp_path / "train_toy" / "latest" / "bundle").stream(study)
    assert served["prob_covid-19"].iloc[0] == pytest.approx(prediction.score)


class ToyNetwork(nn.Module):
    """One convolution, with what timm's networks have: `num_features` and `feature_info`."""

    num_features = 4
    feature_info = [{"module": "convolution", "reduction": 4, "num_chs": 4}]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 5, stride=4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 1, rows, columns) -> (n, features)."""
        return self.convolution(images).relu().mean(dim=(2, 3))


def test_a_new_network_is_one_that_timm_knows(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def toy_network(pretrained: bool = False, **options: object) -> ToyNetwork:
        return ToyNetwork()

    monkeypatch.setitem(timm.models._registry._model_entrypoints, "toy_network", toy_network)
    network = ("volume.architecture.backbone=toy_network", "volume.learning.pretrained=false")
    changes = [word for change in (*CHANGES, *network) for word in ("--set", change)]
    result = invoke("train", "ct", *changes, "--work", trained.work, "--runs", tmp_path)
    assert result.exit_code == 0, result.output + str(result.exception)
    bundle = load(tmp_path / "train_ct" / "latest" / "bundle").bundle
    assert bundle.recipe.architecture.backbone == "toy_network"


def test_the_page_about_it_shows_the_code_of_these_tests() -> None:
    here = Path(__file__)
    code = here.read_text() + here.with_name("toy_kind.py").read_text()
    page = (here.parents[1] / "docs" / "adding-a-model.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        assert block.rstrip() in code

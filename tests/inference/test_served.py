"""The logged model: loads back from MLflow by its code, and scores."""

from __future__ import annotations

from pathlib import Path

import mlflow.pyfunc
import pandas as pd
import pytest

from covidx.inference import SERVED, ImagePredictor
from covidx.ingest import Identities
from covidx.phantom import generate_cohort
from covidx.tracking import Tracker, send_folder, tracking_uri

from .conftest import CLASSES, make_predictor, write


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_logged_model_loads_back_and_predicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    bundle = tmp_path / "bundle"
    write(bundle, make_predictor())
    chest = generate_cohort(tmp_path / "phantom", 1, 5, workers=1) / "dicom"
    (tmp_path / "empty").mkdir()
    tracker = Tracker("served", "run", "2026-01-02T03:04:05+00:00")
    tracker.model(bundle, SERVED, CLASSES)
    tracker.save(tmp_path)
    send_folder(tmp_path, tmp_path / "runs")
    (folder,) = (tmp_path / "runs" / "mlartifacts").rglob("MLmodel")
    names = {path.suffix for path in folder.parent.rglob("*") if path.is_file()}
    assert not names & {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib"}
    assert send_folder(tmp_path, tmp_path / "runs")  # again: still one model
    assert len(list((tmp_path / "runs" / "mlartifacts").rglob("MLmodel"))) == 1
    mlflow.set_tracking_uri(tracking_uri(tmp_path / "runs"))
    model = mlflow.pyfunc.load_model(str(folder.parent))
    found = model.predict(pd.DataFrame({"path": [str(chest), str(tmp_path / "empty")]}))
    assert model.metadata.signature.outputs.input_names() == [
        *(f"prob_{name}" for name in CLASSES),
        "path",
        "decision",
        "problem",
    ]
    assert set(found.columns) == set(model.metadata.signature.outputs.input_names())
    (answer,) = ImagePredictor.load(bundle).stream(chest, identities=Identities.keyed())
    scored, empty = found.to_dict("records")
    for name, value in answer.probabilities.items():
        assert scored[f"prob_{name}"] == pytest.approx(value, abs=1e-5)
    assert scored["decision"] == answer.decision and scored["problem"] == ""
    assert pd.isna(empty["prob_normal"]) and ": " in empty["problem"]

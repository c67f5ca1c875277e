"""The logged clinical model: loads back from MLflow by its code, and gives the same scores."""

from __future__ import annotations

from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest

from covidx.cards import DataCard
from covidx.errors import InvalidTableError
from covidx.inference import SERVED
from covidx.tracking import Tracker, send_folder, tracking_uri
from tests.clinical.test_apply import GOOD, predict, small_bundle


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_logged_model_gives_the_scores_of_its_bundle(
    card: DataCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    predictor = small_bundle(tmp_path, card)
    bundle = predictor.bundle
    tracker = Tracker("served", "run", "2026-01-02T03:04:05+00:00")
    tracker.model(tmp_path / "bundle", SERVED, bundle.classes, bundle.input_types)
    tracker.save(tmp_path)
    send_folder(tmp_path, tmp_path / "runs")
    (folder,) = (tmp_path / "runs" / "mlartifacts").rglob("MLmodel")
    names = {path.suffix for path in folder.parent.rglob("*") if path.is_file()}
    assert not names & {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib"}
    mlflow.set_tracking_uri(tracking_uri(tmp_path / "runs"))
    model = mlflow.pyfunc.load_model(str(folder.parent))
    rows = pd.DataFrame(
        {
            "sex": ["M", None],
            "temperature": [98.6, np.nan],
            "wbc": [5.2, np.nan],
            "cough": [1.0, 0.0],
            "age": [41.0, 30.0],
        }
    )
    found = model.predict(rows)
    signature = model.metadata.signature
    assert signature.inputs.input_names() == list(rows)
    assert (
        list(found)
        == signature.outputs.input_names()
        == [
            "prob_negative",
            "prob_covid-19",
            "decision",
            "problem",
        ]
    )
    (tmp_path / "new.csv").write_text(GOOD)
    answers = predict(predictor, tmp_path / "new.csv")
    assert found["prob_covid-19"].tolist() == [one.score for one in answers]
    assert found["decision"].tolist() == [one.decision for one in answers]
    with pytest.raises(InvalidTableError, match="VALUE_IMPOSSIBLE"):
        model.predict(rows.assign(wbc=5200.0))

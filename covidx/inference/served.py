"""The script that MLflow serves a bundle from (models from code): read by path, never imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.models
import pandas as pd
from mlflow.pyfunc.model import PythonModel

from covidx.inference import Predictor, predict_path
from covidx.ingest import Identities
from covidx.tables import PROBABILITY_PREFIX


class BundleModel(PythonModel):
    """Column ``path`` in; probabilities, decision or problem of each image out."""

    def load_context(self, context: Any) -> None:
        """Read the bundle."""
        self.predictor = Predictor.load(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Score the images at each path."""
        rows = []
        for path in model_input["path"]:
            for found in predict_path(self.predictor, Path(path), identities=Identities.keyed()):
                named = found.probabilities or dict.fromkeys(self.predictor.bundle.classes)
                row = {f"{PROBABILITY_PREFIX}{name}": value for name, value in named.items()}
                told = found.problem or "; ".join(found.outside)
                rows.append({**row, "path": path, "decision": found.decision, "problem": told})
        return pd.DataFrame(rows)


mlflow.models.set_model(BundleModel())

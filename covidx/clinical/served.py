"""The script that MLflow serves a clinical bundle from: read by path, never imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel

from covidx.clinical import load_bundle, numbers_for, predict_rows
from covidx.tables import PROBABILITY_PREFIX


class ClinicalModel(PythonModel):
    """Columns of the training table in; probabilities, decision or problem of each row out."""

    def load_context(self, context: Any) -> None:
        """Read the bundle."""
        self.bundle, self.fitted = load_bundle(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Score the rows; what does not fit the columns is refused, by column and row."""
        given = model_input.reset_index(drop=True)
        cells = given.astype(str).where(given.notna(), np.nan)
        table = numbers_for(self.bundle, cells, None).assign(patient_id="")
        rows = []
        for found in predict_rows(self.bundle, self.fitted, table, ""):
            named = found.probabilities or dict.fromkeys(self.bundle.classes)
            row = {f"{PROBABILITY_PREFIX}{name}": value for name, value in named.items()}
            rows.append({**row, "decision": found.decision, "problem": found.problem or ""})
        return pd.DataFrame(rows)


mlflow.models.set_model(ClinicalModel())

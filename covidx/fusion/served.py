"""The script that MLflow serves a bundle of P3 from: read by path, never imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel

from covidx.fusion import FusionPredictor, predict_one
from covidx.ingest import Identities
from covidx.tables import PROBABILITY_PREFIX


class FusionModel(PythonModel):
    """Column ``path`` and those of the training table in, a patient a row; scores out."""

    def load_context(self, context: Any) -> None:
        """Read the bundle."""
        self.predictor = FusionPredictor.load(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Score the patients; what does not fit the columns is refused, by column and row."""
        given = model_input.reset_index(drop=True)
        cells = given.astype(str).where(given.notna(), np.nan)
        rest, positive = self.predictor.bundle.classes
        rows = []
        for place in range(len(cells)):
            row = cells.iloc[[place]]
            path = row["path"].iloc[0]
            asked = Path(path) if isinstance(path, str) and path else None
            found = predict_one(self.predictor, asked, row, Identities.keyed())
            score = np.nan if found.score is None else found.score
            shares = {rest: 1 - score, positive: score}
            named = {f"{PROBABILITY_PREFIX}{name}": value for name, value in shares.items()}
            told = found.problem or "; ".join(found.outside)
            words = {"decision": found.decision, "problem": told, "arms_used": found.arms_used}
            rows.append({**named, **words})
        return pd.DataFrame(rows)


mlflow.models.set_model(FusionModel())

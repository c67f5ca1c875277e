"""The script that MLflow serves a bundle of any kind from: read by path, never imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.models
import pandas as pd
from mlflow.pyfunc.model import PythonModel

from covidx.constants import PROBABILITY_PREFIX
from covidx.inference import Prediction, load


class BundleModel(PythonModel):
    """Column ``path``, those of a clinical table, or both in; a row a prediction out."""

    def load_context(self, context: Any) -> None:
        """Read the bundle that the `context` of MLflow names among its artifacts."""
        self.predictor = load(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Score rows as MLflow calls a served model.

        Parameters
        ----------
        context : PythonModelContext
            Not used: `load_context` has read the bundle.
        model_input : DataFrame
            Column ``path`` of images, or the columns of a clinical model's training table, or
            both.
        params : dict, optional
            Not used.

        Returns
        -------
        DataFrame
            A row a prediction: a probability a class, decision and problem; the path of images,
            or the modalities that a fusion model used.
        """
        table = model_input.reset_index(drop=True)
        images_alone = list(table.columns) == ["path"]
        rows = []
        for found in self.predictor.of_frame(table):
            row = self._row(found)
            if images_alone:
                row["path"] = table["path"][found.source.number - 1]
            rows.append(row)
        return pd.DataFrame(rows)

    def _row(self, found: Prediction) -> dict[str, Any]:
        classes = self.predictor.bundle.classes or []
        row: dict[str, Any] = {
            f"{PROBABILITY_PREFIX}{name}": found.probabilities.get(name) for name in classes
        }
        row |= {"decision": found.decision, "problem": found.problem or "; ".join(found.outside)}
        if hasattr(found.payload, "arms_used"):
            row["arms_used"] = found.payload.arms_used
        return row


mlflow.models.set_model(BundleModel())

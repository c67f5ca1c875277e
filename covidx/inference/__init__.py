"""Trained models in use: bundles, predictors, predictions; no training code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.bundles import Threshold
    from covidx.domain import TrainedOn, outside_domain
    from covidx.inference.cross_fitting import held_out_rows, score_rows
    from covidx.inference.image import (
        PARITY_TOLERANCE,
        ImagePredictor,
        Scores,
        predict_cache,
        to_tensor,
    )
    from covidx.inference.image_bundle import ImageBundle, ImageRecipe, parity_bags
    from covidx.inference.loading import SERVED, load
    from covidx.inference.prediction import InputSource, Prediction, Predictions
    from covidx.inference.predictor import Predictor
    from covidx.inference.reading import Inputs
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)

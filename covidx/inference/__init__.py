"""Trained models in use: bundles, predictors, predictions; no training code."""

from pathlib import Path

from covidx.inference.image import (
    PARITY_TOLERANCE,
    Predictor,
    Scores,
    outside_domain,
    predict_cache,
    to_tensor,
)
from covidx.inference.image_bundle import (
    Bundle,
    Threshold,
    load_bundle,
    parity_bags,
    save_bundle,
)
from covidx.inference.network_bundle import TrainedOn
from covidx.inference.score import NOT_INTERPRETABLE, Prediction, predict_path

SERVED = Path(__file__).with_name("served.py")
"""The script that MLflow serves a bundle from."""

__all__ = [
    "NOT_INTERPRETABLE",
    "PARITY_TOLERANCE",
    "SERVED",
    "Bundle",
    "Prediction",
    "Predictor",
    "Scores",
    "Threshold",
    "TrainedOn",
    "load_bundle",
    "outside_domain",
    "parity_bags",
    "predict_cache",
    "predict_path",
    "save_bundle",
    "to_tensor",
]

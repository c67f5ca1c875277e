"""Learning, bundles, prediction."""

from pathlib import Path

from covidx.training.bundle import Bundle, Threshold, load_bundle, parity_bags, save_bundle
from covidx.training.data import BagBatch, BagData, to_tensor
from covidx.training.fit import Fit, fit, run
from covidx.training.module import BagLearner, Learning
from covidx.training.network_bundle import TrainedOn
from covidx.training.predict import (
    PARITY_TOLERANCE,
    Predictor,
    Scores,
    outside_domain,
    predict_cache,
)
from covidx.training.score import NOT_INTERPRETABLE, Prediction, predict_path

SERVED = Path(__file__).with_name("served.py")
"""The script that MLflow serves a bundle from."""

__all__ = [
    "NOT_INTERPRETABLE",
    "PARITY_TOLERANCE",
    "SERVED",
    "BagBatch",
    "BagData",
    "BagLearner",
    "Bundle",
    "Fit",
    "Learning",
    "Prediction",
    "Predictor",
    "Scores",
    "Threshold",
    "TrainedOn",
    "fit",
    "load_bundle",
    "outside_domain",
    "parity_bags",
    "predict_cache",
    "predict_path",
    "run",
    "save_bundle",
    "to_tensor",
]

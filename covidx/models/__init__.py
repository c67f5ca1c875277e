"""Networks and their factories."""

from covidx.models.backbones import OFFLINE_WEIGHTS, make_backbone, offline_weights
from covidx.models.bag import Architecture, BagClassifier, BagOutput, pool_most_abnormal

__all__ = [
    "OFFLINE_WEIGHTS",
    "Architecture",
    "BagClassifier",
    "BagOutput",
    "make_backbone",
    "offline_weights",
    "pool_most_abnormal",
]

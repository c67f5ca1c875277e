"""Networks and their factories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.models.backbones import OFFLINE_WEIGHTS, make_backbone, offline_weights
    from covidx.models.bag import Architecture, BagClassifier, BagOutput, pool_most_abnormal
else:
    __getattr__ = lazy_names(__name__, __file__)

__all__ = [
    "OFFLINE_WEIGHTS",
    "Architecture",
    "BagClassifier",
    "BagOutput",
    "make_backbone",
    "offline_weights",
    "pool_most_abnormal",
]

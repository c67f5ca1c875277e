"""Networks and their factories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy

if TYPE_CHECKING:
    from covidx.models.backbones import OFFLINE_WEIGHTS, make_backbone, offline_weights
    from covidx.models.bag import Architecture, BagClassifier, BagOutput, pool_most_abnormal
else:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "backbones": ["OFFLINE_WEIGHTS", "make_backbone", "offline_weights"],
            "bag": ["Architecture", "BagClassifier", "BagOutput", "pool_most_abnormal"],
        },
    )

__all__ = [
    "OFFLINE_WEIGHTS",
    "Architecture",
    "BagClassifier",
    "BagOutput",
    "make_backbone",
    "offline_weights",
    "pool_most_abnormal",
]

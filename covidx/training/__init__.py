"""Training: data modules, learners, and the loop that they share."""

from covidx.training.data import BagBatch, BagData
from covidx.training.fit import Fit, fit, run
from covidx.training.module import BagLearner

__all__ = ["BagBatch", "BagData", "BagLearner", "Fit", "fit", "run"]

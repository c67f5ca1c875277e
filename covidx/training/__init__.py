"""Training: data modules, learners, and the loop that they share."""

from covidx.training.data import BagBatch, BagData
from covidx.training.fit import Fit, fit_classifier, fit_learner
from covidx.training.learner import Learner
from covidx.training.module import BagLearner

__all__ = [
    "BagBatch",
    "BagData",
    "BagLearner",
    "Fit",
    "Learner",
    "fit_classifier",
    "fit_learner",
]

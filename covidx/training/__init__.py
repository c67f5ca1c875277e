"""Training: data modules, learners, and the loop that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from covidx.lazy import lazy_names

if TYPE_CHECKING:
    from covidx.training.data import BagBatch, BagData
    from covidx.training.fit import Fit, fit_classifier, fit_learner
    from covidx.training.learner import Learner
    from covidx.training.module import BagLearner
else:
    __getattr__, __dir__ = lazy_names(__name__, __file__)

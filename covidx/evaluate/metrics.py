"""All metrics of one arm's test rows, each with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from covidx.evaluate.bootstrap import IntArray
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.families import auroc_family, score_family, threshold_family
from covidx.evaluate.operating_point import OperatingPoint
from covidx.evaluate.rows import Rows

__all__ = ["Metrics", "evaluate"]


@dataclass(frozen=True)
class Metrics:
    """What `evaluate` found.

    Parameters
    ----------
    estimates : dict
        Metric's name -> estimate.
    point : OperatingPoint
        The threshold that was applied.
    classes : tuple of str
    positive : str
    confusion : int array, shape (classes, classes)
        Rows are the truth, columns the class of highest probability.
    decisions : int array, shape (2, 2)
        At the threshold: ((true negatives, false positives), (false negatives, true positives)).
    n_groups : int
        Independent groups behind the rows.
    level : str
        What was counted: ``patient`` or ``image``.
    """

    estimates: dict[str, Estimate]
    point: OperatingPoint
    classes: tuple[str, ...]
    positive: str
    confusion: IntArray
    decisions: IntArray
    n_groups: int
    level: str

    def __getitem__(self, name: str) -> Estimate:
        return self.estimates[name]

    @property
    def n(self) -> int:
        """Rows evaluated."""
        return int(self.decisions.sum())

    @property
    def prevalence(self) -> float:
        """Share of the positive class among the rows."""
        return float(self.decisions[1].sum() / self.decisions.sum())

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Name -> estimate, and nothing else: the content of ``metrics.json``."""
        return {name: estimate.to_json() for name, estimate in self.estimates.items()}

    def confusion_json(self) -> dict[str, Any]:
        """Counts: confusion matrices, n, groups and prevalence."""
        (tn, fp), (fn, tp) = self.decisions.tolist()
        return {
            "level": self.level,
            "n": self.n,
            "groups": self.n_groups,
            "positive": self.positive,
            "prevalence": self.prevalence,
            "classes": list(self.classes),
            "argmax": self.confusion.tolist(),
            "at_threshold": {"tp": tp, "fp": fp, "fn": fn, "tn": tn},
            "threshold": self.point.threshold,
            "threshold_origin": self.point.text,
        }


def evaluate(
    predictions: pd.DataFrame,
    positive: str,
    operating_point: OperatingPoint,
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> Metrics:
    """Evaluate test rows of one arm: the positive class against the rest, and class by class.

    AUROC with DeLong's interval and proportions with Wilson's where every group has one row;
    the cluster bootstrap over groups (BCa) where any group has several, and for all other
    metrics. A metric that these rows leave undefined is NaN with a reason.

    Parameters
    ----------
    predictions : DataFrame
        Rows of a predictions table: one arm, one level, role ``test``.
    positive : str
        The positive class; its probability is the score.
    operating_point : OperatingPoint
        Chosen beforehand, on other rows.
    seed, resamples : int
        Of the bootstrap; the same seed gives the same intervals.

    Raises
    ------
    InvalidTableError
        ``ROLE_NOT_TEST``, or what `Rows.of` refuses.
    """
    rows = Rows.of(predictions, positive).only_test()
    called = operating_point.decide(rows.scores)
    estimates = (
        auroc_family(rows, seed, resamples)
        | threshold_family(rows, called, operating_point, seed, resamples)
        | score_family(rows, seed, resamples)
    )
    confusion = np.zeros((len(rows.classes), len(rows.classes)), dtype=np.int64)
    np.add.at(confusion, (rows.labels, rows.probabilities.argmax(axis=1)), 1)
    decisions = np.zeros((2, 2), dtype=np.int64)
    np.add.at(decisions, (rows.truth.astype(int), called.astype(int)), 1)
    return Metrics(
        estimates=estimates,
        point=operating_point,
        classes=rows.classes,
        positive=positive,
        confusion=confusion,
        decisions=decisions,
        n_groups=rows.clusters.n_groups,
        level=rows.level,
    )

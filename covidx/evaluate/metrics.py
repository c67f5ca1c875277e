"""All metrics of one arm's test rows, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from covidx.evaluate.blocks import IntArray
from covidx.evaluate.decisions import DECISION_METRICS, decision_family, undecided
from covidx.evaluate.deferred import Estimates, compute
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.families import class_family, rank_family, score_family
from covidx.evaluate.folds import fold_means
from covidx.evaluate.operating_point import OperatingPoint
from covidx.evaluate.rows import Rows
from covidx.files import plain_object
from covidx.html import table

NO_THRESHOLD = "no threshold was given, and there are no validation rows to choose one on"


@dataclass(frozen=True)
class Metrics:
    """The metrics of one arm's test rows.

    Parameters
    ----------
    estimates : dict
        Metric's name -> estimate.
    point : OperatingPoint, optional
        The threshold that was applied; None where there was none.
    classes : tuple of str
        In the order of the table's probability columns.
    positive : str
        The class that sensitivity is of.
    confusion : int array, shape (classes, classes)
        Rows are the truth, columns the class of highest probability.
    decisions : int array, shape (2, 2)
        At the threshold: ((true negatives, false positives), (false negatives, true positives));
        all 0 where there was none.
    n_groups : int
        Independent groups behind the rows.
    level : str
        What was counted: ``patient`` or ``image``.
    """

    estimates: dict[str, Estimate]
    point: OperatingPoint | None
    classes: tuple[str, ...]
    positive: str
    confusion: IntArray
    decisions: IntArray
    n_groups: int
    level: str

    def _repr_html_(self) -> str:
        """A row a metric with its interval, for notebooks."""
        rows = [("", "value with 95 % interval", "n", "why not")]
        rows += [
            (name, str(one), str(one.n), one.reason or "") for name, one in self.estimates.items()
        ]
        heading = f"{self.positive} against the rest, {self.n} test {self.level}s"
        return table(heading, rows)

    def __getitem__(self, name: str) -> Estimate:
        return self.estimates[name]

    @property
    def n(self) -> int:
        """Rows evaluated."""
        return int(self.confusion.sum())

    @property
    def prevalence(self) -> float:
        """Share of the positive class among the rows."""
        return self.share_of(self.positive)

    def share_of(self, name: str) -> float:
        """Share of the class `name` among the rows."""
        return float(self.confusion[self.classes.index(name)].sum() / self.confusion.sum())

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Name -> estimate, and nothing else: the content of ``metrics.json``."""
        return plain_object(self.estimates)

    def confusion_json(self) -> dict[str, Any]:
        """Counts: confusion matrices, n, groups and prevalence."""
        (tn, fp), (fn, tp) = self.decisions.tolist()
        report: dict[str, Any] = {
            "level": self.level,
            "n": self.n,
            "groups": self.n_groups,
            "positive": self.positive,
            "prevalence": self.prevalence,
            "classes": list(self.classes),
            "argmax": self.confusion.tolist(),
        }
        if self.point is not None:
            report |= {
                "at_threshold": {"tp": tp, "fp": fp, "fn": fn, "tn": tn},
                "threshold": self.point.threshold,
                "threshold_origin": self.point.text,
            }
        return report


def evaluate(
    predictions: pd.DataFrame,
    positive: str,
    operating_point: OperatingPoint | None,
    *,
    seed: int = 0,
    resamples: int = 2000,
    exact: bool = False,
) -> Metrics:
    """Evaluate test rows of one arm: the positive class against the rest, and class by class.

    AUROC with DeLong's interval (Newcombe's where rows are few) and proportions with Wilson's where
    every group has one row; the jackknife over groups where any group has several, and for all
    other metrics (likelihood ratios of independent rows: the log method). With rows of several
    folds, means of the folds. A metric that these rows leave undefined is NaN with a reason.

    Parameters
    ----------
    predictions : DataFrame
        Rows of a predictions table: one arm, one level, role ``test``.
    positive : str
        The positive class; its probability is the score.
    operating_point : OperatingPoint, optional
        Chosen beforehand, on other rows; without it, what needs a threshold is undefined.
    seed, resamples : int
        As in `compute`; the same seed gives the same intervals.
    exact : bool
        Clopper and Pearson's interval in place of Wilson's.

    Raises
    ------
    InvalidTableError
        ``ROLE_NOT_TEST``, or what `Rows.of` refuses.
    """
    rows = Rows.of(predictions, positive).only_test()
    return evaluate_rows(rows, operating_point, seed=seed, resamples=resamples, exact=exact)


def evaluate_rows(
    rows: Rows,
    operating_point: OperatingPoint | None,
    *,
    fold_points: Mapping[int, OperatingPoint] | None = None,
    seed: int = 0,
    resamples: int = 2000,
    exact: bool = False,
) -> Metrics:
    """Evaluate checked test rows; those of several folds by the mean of the folds.

    A score of one fold's model need not mean what another's does: rows of different folds are not
    ranked together. The intervals hold the models fixed.

    Parameters
    ----------
    rows : Rows
        Test rows; no patient in two folds.
    operating_point : OperatingPoint, optional
        For all rows.
    fold_points : mapping, optional
        Fold -> its own, in place of that.
    seed, resamples, exact
        As in `evaluate`.
    """
    folds = np.unique(rows.folds).tolist()
    points = [(fold_points or {}).get(fold, operating_point) for fold in folds]
    parts = [rows.in_fold(fold) for fold in folds] if len(folds) > 1 else [rows]
    families = [_metrics(part, own, exact) for part, own in zip(parts, points, strict=True)]
    metrics = families[0] if len(folds) == 1 else fold_means(families, rows.clusters, rows.folds)
    estimates = compute(metrics, rows.clusters, seed=seed, resamples=resamples)
    common = points[0] if len(folds) == 1 else None if fold_points else operating_point
    if common is not None:
        for name in estimates.keys() & set(DECISION_METRICS):
            estimates[name] = estimates[name].at(common.threshold, common.text)
    decisions = np.zeros((2, 2), dtype=np.int64)
    for part, own in zip(parts, points, strict=True):
        if own is not None:
            called = own.decide(part.scores)
            np.add.at(decisions, (part.truth.astype(int), called.astype(int)), 1)
    confusion = np.zeros((len(rows.classes), len(rows.classes)), dtype=np.int64)
    np.add.at(confusion, (rows.labels, rows.probabilities.argmax(axis=1)), 1)
    return Metrics(
        estimates=estimates,
        point=common,
        classes=rows.classes,
        positive=rows.positive,
        confusion=confusion,
        decisions=decisions,
        n_groups=rows.clusters.n_groups,
        level=rows.level,
    )


def _metrics(rows: Rows, operating_point: OperatingPoint | None, exact: bool) -> Estimates:
    """All metrics of rows that one model has scored."""
    scores, truth, clusters = rows.scores, rows.truth, rows.clusters
    metrics = rank_family(rows, rows.positive)
    if operating_point is None:
        metrics |= undecided(truth, NO_THRESHOLD)
    else:
        metrics |= decision_family(operating_point.decide(scores), truth, clusters, exact=exact)
    metrics |= score_family(scores, truth, clusters)
    if len(rows.classes) > 2:
        metrics |= class_family(rows, exact=exact)
    return metrics

"""Systems compared on the same patients: differences with intervals, and their tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from covidx.errors import InvalidTableError
from covidx.evaluate.auroc import ONE_CLASS
from covidx.evaluate.blocks import IntArray, Statistic
from covidx.evaluate.decisions import share_difference
from covidx.evaluate.deferred import Deferred, Estimates, compute
from covidx.evaluate.estimate import Estimate, undefined
from covidx.evaluate.folds import fold_means
from covidx.evaluate.jackknife import degrees, enough
from covidx.evaluate.operating_point import OperatingPoint, decide_by_fold
from covidx.evaluate.rows import Rows, joined
from covidx.evaluate.significance import (
    CLUSTERED,
    PValue,
    delong_difference,
    delong_test,
    holm,
    mcnemar,
    no_test,
)
from covidx.evaluate.weighted import (
    BoolArray,
    auroc_statistic,
    average_precision_statistic,
    difference_statistic,
    ratio_statistic,
)
from covidx.files import plain_object
from covidx.wording import listed

NO_POINT = "a system has no threshold"
PAIRED = ", paired difference"


@dataclass(frozen=True, eq=False)
class System:
    """A name, its test rows, and its operating point, or one a fold, if it has any."""

    name: str
    rows: Rows
    point: OperatingPoint | None
    fold_points: Mapping[int, OperatingPoint] = field(default_factory=dict)

    @property
    def decides(self) -> bool:
        """Whether it has a threshold, for all rows or for each fold."""
        return self.point is not None or bool(self.fold_points)

    @property
    def called(self) -> BoolArray:
        """Decisions at the operating point, shape (rows,); each fold's rows at its own."""
        if self.fold_points:
            return decide_by_fold(self.rows.scores, self.rows.folds, self.fold_points)
        if self.point is None:
            raise ValueError(NO_POINT)
        return self.point.decide(self.rows.scores)

    def in_fold(self, fold: int) -> System:
        """Its rows of one `fold`, at that fold's threshold."""
        rows = self.rows.take(self.rows.folds == fold)
        return System(self.name, rows, self.fold_points.get(fold, self.point))


@dataclass(frozen=True)
class Comparison:
    """First minus second.

    Parameters
    ----------
    first, second : str
        Names of the systems.
    differences : dict
        Metric -> estimate.
    tests : dict
        Metric -> p-value, corrected over the pairs.
    """

    first: str
    second: str
    differences: dict[str, Estimate]
    tests: dict[str, PValue]

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return plain_object(vars(self))


def align(systems: Sequence[System]) -> list[System]:
    """The rows of all `systems` in one order, with the same groups.

    What any of the tables holds together stays together: two patients that one table knows to be
    one group are one group for all.

    Raises
    ------
    InvalidTableError
        ``UNEQUAL_PATIENTS``, ``UNEQUAL_TRUTH`` or ``UNEQUAL_FOLDS``, naming units.
    """
    first = systems[0]
    for system in systems[1:]:
        _same_units(first, system)
    ordered = [replace(s, rows=s.rows.take(np.argsort(s.rows.units))) for s in systems]
    reference = ordered[0].rows
    for system in ordered[1:]:
        differs = reference.units[system.rows.truth != reference.truth]
        if len(differs):
            message = f"{first.name} and {system.name} differ on labels."
            raise _unequal("UNEQUAL_TRUTH", message, differs)
    groups = joined([s.rows.groups for s in ordered])
    folds = _common_folds(ordered)
    return [replace(s, rows=replace(s.rows, groups=groups, folds=folds)) for s in ordered]


def _common_folds(systems: Sequence[System]) -> IntArray:
    """The folds of those systems that have several; one model has scored all rows of the others."""
    several = [s for s in systems if len(np.unique(s.rows.folds)) > 1]
    for system in several[1:]:
        differs = system.rows.units[system.rows.folds != several[0].rows.folds]
        if len(differs):
            message = f"{several[0].name} and {system.name} differ on folds."
            raise _unequal("UNEQUAL_FOLDS", message, differs)
    return (several or systems)[0].rows.folds


def _same_units(first: System, other: System) -> None:
    for system, counterpart in ((first, other), (other, first)):
        missing = np.setdiff1d(system.rows.units, counterpart.rows.units)
        if len(missing):
            message = f"{len(missing)} units of {system.name} are not in {counterpart.name}."
            raise _unequal("UNEQUAL_PATIENTS", message, missing)


def _unequal(code: str, message: str, units: npt.NDArray[np.str_]) -> InvalidTableError:
    return InvalidTableError(
        code,
        message,
        expected="the same patients with the same labels in every table",
        actual=f"unit_id {listed(units)}",
        hint="A paired comparison needs every patient in every table.",
    )


def compare_systems(
    systems: Sequence[System],
    *,
    against_first: bool = False,
    seed: int = 0,
    resamples: int = 2000,
) -> list[Comparison]:
    """Pairs of systems, first minus second, on the same resamples of the same rows.

    AUROC, average precision and Brier by the jackknife over rows, or over groups where any has
    several rows; sensitivity and specificity by Newcombe's interval for paired proportions. Rows
    of several folds: means of the folds' differences.
    P-values by DeLong's and McNemar's tests, only where rows are independent; Holm's correction
    over the pairs, for each metric on its own.

    Parameters
    ----------
    systems : sequence of System
        Two or more, as `align` gives them.
    against_first : bool
        Only the pairs with the first system, not every pair.
    seed, resamples : int
        As in `compute`.
    """
    pairs = list(combinations(systems, 2))
    if against_first:
        pairs = pairs[: len(systems) - 1]
    comparisons = [
        Comparison(a.name, b.name, _differences(a, b, seed, resamples), _tests(a, b))
        for a, b in pairs
    ]
    for metric in comparisons[0].tests:
        tests = holm([comparison.tests[metric] for comparison in comparisons])
        for comparison, test in zip(comparisons, tests, strict=True):
            comparison.tests[metric] = test
    return comparisons


def _differences(a: System, b: System, seed: int, resamples: int) -> dict[str, Estimate]:
    folds = np.unique(a.rows.folds).tolist()
    if len(folds) > 1:
        parts = [_differences(a.in_fold(k), b.in_fold(k), seed, resamples) for k in folds]
        means = fold_means(parts, a.rows.clusters, a.rows.folds)
        return compute(means, a.rows.clusters, seed=seed, resamples=resamples)
    truth, clusters, n = a.rows.truth, a.rows.clusters, len(a.rows)
    metrics: Estimates = {}
    if not clusters.several_rows:
        metrics["auroc_delong"] = delong_difference(a.rows.scores, b.rows.scores, truth)
    df = degrees(clusters, truth)
    parts_of: dict[str, list[Statistic]] = {"auroc": [], "average_precision": [], "brier": []}
    for scores in (a.rows.scores, b.rows.scores):
        parts_of["auroc"].append(auroc_statistic(scores, truth, clusters))
        parts_of["average_precision"].append(average_precision_statistic(scores, truth, clusters))
        parts_of["brier"].append(ratio_statistic((scores - truth) ** 2, np.ones(n), clusters))
    for name, (of_a, of_b) in parts_of.items():
        freedom = {"auroc": df, "average_precision": enough(df), "brier": None}[name]
        difference = difference_statistic(of_a, of_b)
        metrics[name] = Deferred(difference, n, 0, ONE_CLASS, PAIRED, freedom)
    for name, among in (("sensitivity", truth), ("specificity", ~truth)):
        if a.decides and b.decides:
            right = (a.called == truth, b.called == truth)
            metrics[name] = share_difference(*right, among, clusters, ONE_CLASS)
        else:
            metrics[name] = undefined(int(among.sum()), "paired difference", NO_POINT)
    return compute(metrics, clusters, seed=seed, resamples=resamples)


def _tests(a: System, b: System) -> dict[str, PValue]:
    truth = a.rows.truth
    among = {"sensitivity": truth, "specificity": ~truth, "accuracy": np.ones_like(truth)}
    if a.rows.clusters.several_rows:
        return {name: no_test(len(truth), "none", CLUSTERED) for name in ("auroc", *among)}
    tests = {"auroc": delong_test(a.rows.scores, b.rows.scores, truth, a.rows.folds)}
    for name, rows in among.items():
        if not (a.decides and b.decides):
            tests[name] = no_test(int(rows.sum()), "McNemar", NO_POINT)
        else:
            tests[name] = mcnemar((a.called == truth)[rows], (b.called == truth)[rows])
    return tests

"""Systems compared on the same patients: differences with intervals, and their tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from covidx.errors import InvalidTableError
from covidx.evaluate.auroc import ONE_CLASS
from covidx.evaluate.bootstrap import Statistic
from covidx.evaluate.estimate import Estimate, undefined
from covidx.evaluate.operating_point import OperatingPoint
from covidx.evaluate.pending import Found, Pending, settle
from covidx.evaluate.rows import SHOWN, Rows
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

__all__ = ["Comparison", "System", "align", "compare_systems"]

NO_POINT = "a system has no threshold"
PAIRED = ", paired difference"


@dataclass(frozen=True, eq=False)
class System:
    """A name, its test rows, and its operating point if it has one."""

    name: str
    rows: Rows
    point: OperatingPoint | None

    @property
    def called(self) -> BoolArray:
        """Decisions at the operating point, shape (rows,)."""
        if self.point is None:
            raise ValueError(NO_POINT)
        return self.point.decide(self.rows.scores)


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
        return {
            "first": self.first,
            "second": self.second,
            "differences": {k: v.to_json() for k, v in self.differences.items()},
            "tests": {k: v.to_json() for k, v in self.tests.items()},
        }


def align(systems: Sequence[System]) -> list[System]:
    """The systems with their rows in one order, and the same groups.

    What any of the tables holds together stays together: two patients that one table knows to be
    one group are one group for all.

    Raises
    ------
    InvalidTableError
        ``UNEQUAL_PATIENTS`` or ``UNEQUAL_TRUTH``, naming units.
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
    groups = _joined([s.rows for s in ordered])
    return [replace(s, rows=replace(s.rows, groups=groups)) for s in ordered]


def _joined(tables: Sequence[Rows]) -> npt.NDArray[np.str_]:
    """Groups that no table divides: connected components over all tables' groups."""
    codes, shift = [], len(tables[0])
    for rows in tables:
        codes.append(rows.clusters.codes + shift)
        shift += rows.clusters.n_groups
    n = len(tables[0])
    row, node = np.tile(np.arange(n), len(tables)), np.concatenate(codes)
    edges = coo_matrix((np.ones(len(row)), (row, node)), shape=(shift, shift))
    _, component = connected_components(edges, directed=False)
    return component[:n].astype(np.str_)


def _same_units(first: System, other: System) -> None:
    for one, two in ((first, other), (other, first)):
        missing = np.setdiff1d(one.rows.units, two.rows.units)
        if len(missing):
            message = f"{len(missing)} units of {one.name} are not in {two.name}."
            raise _unequal("UNEQUAL_PATIENTS", message, missing)


def _unequal(code: str, message: str, units: npt.NDArray[np.str_]) -> InvalidTableError:
    more = f" and {len(units) - SHOWN} more" if len(units) > SHOWN else ""
    return InvalidTableError(
        code,
        message,
        expected="the same patients with the same labels in every table",
        actual=f"unit_id {', '.join(units[:SHOWN])}{more}",
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

    Differences by a paired bootstrap (BCa) over rows, or over groups where any has several rows.
    P-values by DeLong's and McNemar's tests, only where rows are independent; Holm's correction
    over the pairs, for each metric on its own.

    Parameters
    ----------
    systems : sequence of System
        Two or more, as `align` gives them.
    against_first : bool
        Only the pairs with the first system, not every pair.
    seed, resamples : int
        Of the bootstrap.
    """
    pairs = list(combinations(systems, 2))
    if against_first:
        pairs = pairs[: len(systems) - 1]
    found = [
        Comparison(a.name, b.name, _differences(a, b, seed, resamples), _tests(a, b))
        for a, b in pairs
    ]
    for metric in found[0].tests:
        for one, test in zip(found, holm([c.tests[metric] for c in found]), strict=True):
            one.tests[metric] = test
    return found


def _differences(a: System, b: System, seed: int, resamples: int) -> dict[str, Estimate]:
    truth, clusters, n = a.rows.truth, a.rows.clusters, len(a.rows)
    found: Found = {}
    if not clusters.several_rows:
        found["auroc_delong"] = delong_difference(a.rows.scores, b.rows.scores, truth)
    parts: dict[str, list[Statistic]] = {"auroc": [], "average_precision": [], "brier": []}
    for scores in (a.rows.scores, b.rows.scores):
        parts["auroc"].append(auroc_statistic(scores, truth, clusters))
        parts["average_precision"].append(average_precision_statistic(scores, truth, clusters))
        parts["brier"].append(ratio_statistic((scores - truth) ** 2, np.ones(n), clusters))
    for name, (one, two) in parts.items():
        found[name] = Pending(difference_statistic(one, two), n, 0, ONE_CLASS, PAIRED)
    for name, among in (("sensitivity", truth), ("specificity", ~truth)):
        m = int(among.sum())
        if a.point is None or b.point is None:
            found[name] = undefined(m, "paired difference", NO_POINT)
            continue
        one, two = (ratio_statistic((s.called == truth) & among, among, clusters) for s in (a, b))
        found[name] = Pending(difference_statistic(one, two), m, 0, ONE_CLASS, PAIRED)
    return settle(found, clusters, seed=seed, resamples=resamples)


def _tests(a: System, b: System) -> dict[str, PValue]:
    truth = a.rows.truth
    among = {"sensitivity": truth, "specificity": ~truth, "accuracy": np.ones_like(truth)}
    if a.rows.clusters.several_rows:
        return {name: no_test(len(truth), "none", CLUSTERED) for name in ("auroc", *among)}
    tests = {"auroc": delong_test(a.rows.scores, b.rows.scores, truth)}
    for name, rows in among.items():
        if a.point is None or b.point is None:
            tests[name] = no_test(int(rows.sum()), "McNemar", NO_POINT)
        else:
            tests[name] = mcnemar((a.called == truth)[rows], (b.called == truth)[rows])
    return tests

"""How often the 95 % intervals of ``covidx evaluate`` hold the truth, and how wide they are.

Tables are drawn from a population whose figures are known, and every interval is counted as holding
the truth or not. Independent patients (n = 30, 100, 500) and patients with one to nine images each
(12, 40, 100 of them), 400 tables a cell; 2,000 where a figure comes below 0.94. Widths are read
against those of an oracle: the central 95 % of the estimates themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import expit, logit

from covidx.evaluate import (
    Estimate,
    OperatingPoint,
    Rows,
    System,
    compare_systems,
    performance_change,
)
from covidx.evaluate.abstention import risk_coverage
from covidx.evaluate.agreement import agreements
from covidx.evaluate.blocks import FloatArray, IntArray
from covidx.evaluate.decision_curve import decision_curve
from covidx.evaluate.metrics import evaluate_rows
from covidx.evaluate.prevalence import predictive_values
from covidx.evaluate.scores import score_estimates

TABLES, MORE_TABLES, DOUBTFUL = 400, 2000, 0.94
PREVALENCE, SKILL, WITHIN = 0.4, 1.5, 0.5
"""Share of positive patients, distance of the classes in standard deviations (AUROC 0.86), and the
share of the variance that a patient's images have in common."""
POINT = OperatingPoint(0.4, "fixed", "the simulation, beforehand")
POPULATION = 200_000
FOLDS, PARTS = 5, 2000


@dataclass(frozen=True)
class Cell:
    """What the tables of a cell have in common."""

    name: str
    patients: int
    several: bool = False
    prevalence: float = PREVALENCE

    @property
    def large(self) -> bool:
        """Whether 0.93 is asked of it: 100 patients, or 40 with several images each."""
        return self.patients >= (40 if self.several else 100)


CELLS = (
    *(Cell(f"n = {n}", n) for n in (30, 100, 500)),
    *(Cell(f"{g} patients of 1 to 9 images", g, several=True) for g in (12, 40, 100)),
)


@dataclass(frozen=True, eq=False)
class Table:
    """One simulated table: two systems' scores of the same rows, and a score with its readers'."""

    first: Rows
    second: Rows
    read: FloatArray
    found: FloatArray


def draw(cell: Cell, rng: np.random.Generator, patients: int | None = None) -> Table:
    """Draw a table; scores are the probabilities that the model of the simulation gives."""
    k = patients or cell.patients
    images = rng.integers(1, 10, size=k) if cell.several else np.ones(k, dtype=np.int64)
    of = np.repeat(np.arange(k), images)
    ill = rng.random(k) < cell.prevalence
    if patients is None and ill.all() | ~ill.any():
        return draw(cell, rng)
    truth, n = ill[of], len(of)

    def noise() -> FloatArray:
        shared = WITHIN**0.5 * rng.normal(size=k)[of] + (1 - WITHIN) ** 0.5 * rng.normal(size=n)
        return shared if cell.several else rng.normal(size=n)

    one = noise()
    two = 0.6**0.5 * one + 0.4**0.5 * noise()
    odds = logit(cell.prevalence) - SKILL**2 / 2
    first = expit(odds + SKILL * (one + SKILL * truth))
    second = expit(odds + SKILL * (two + (SKILL - 0.3) * truth))
    severity = np.clip(3 + 2 * noise() + 2 * truth, 0, 12)
    return Table(
        _rows(first, truth, of), _rows(second, truth, of), severity, severity + noise() - 0.2
    )


def _rows(scores: FloatArray, truth: np.ndarray, groups: IntArray, role: str = "test") -> Rows:
    names = groups.astype(np.str_)
    return Rows(
        classes=("covid-19", "rest"),
        positive="covid-19",
        level="image",
        role=role,
        probabilities=np.column_stack([scores, 1 - scores]),
        labels=(~truth).astype(np.int64),
        groups=names,
        folds=np.zeros(len(scores), dtype=np.int64),
        units=np.arange(len(scores)).astype(np.str_),
        patients=names,
    )


Family = Callable[[Table, Table, int], dict[str, Estimate]]
"""A table, another one of the same cell, parts to leave out for the jackknife -> estimates."""


def _metrics(table: Table, _: Table, parts: int) -> dict[str, Estimate]:
    return dict(evaluate_rows(table.first, POINT, resamples=parts).estimates)


def _differences(table: Table, _: Table, parts: int) -> dict[str, Estimate]:
    systems = [System("a", table.first, POINT), System("b", table.second, POINT)]
    differences = compare_systems(systems, resamples=parts)[0].differences
    found = {f"difference of {k}": v for k, v in differences.items()}
    return found | {"kappa": agreements(systems, resamples=parts)[0].parts["all"].kappa}


def _performance_change(table: Table, other: Table, parts: int) -> dict[str, Estimate]:
    found = performance_change(table.first, other.first, POINT, resamples=parts)
    return {f"drop of {k}": v for k, v in found.items()}


def _by_prevalence(table: Table, _: Table, parts: int) -> dict[str, Estimate]:
    values = predictive_values(table.first, POINT, (0.05, 0.5), resamples=parts)
    found = {f"ppv at {v.prevalence:g}": v.ppv for v in values}
    return found | {f"npv at {v.prevalence:g}": v.npv for v in values}


def _net_benefit(table: Table, _: Table, parts: int) -> dict[str, Estimate]:
    found = {}
    for one in decision_curve(table.first, resamples=parts):
        if one.threshold in (0.2, 0.5):
            found[f"net benefit at {one.threshold:g}"] = one.model
            found[f"gain over treating all at {one.threshold:g}"] = one.gain
    return found


def _abstaining(table: Table, _: Table, parts: int) -> dict[str, Estimate]:
    fixed = _rows(np.linspace(0.01, 0.99, 99), np.arange(99) > 40, np.arange(99), "validation")
    band = risk_coverage(fixed, table.first, POINT, resamples=parts)[4]
    return {"share decided": band.coverage, "risk among the decided": band.risk}


def _folds(table: Table, _: Table, parts: int) -> dict[str, Estimate]:
    """Of tables in which every fold has both classes."""
    rows = table.first
    folds = np.unique(rows.groups, return_inverse=True)[1] % FOLDS
    if any(len(set(rows.truth[folds == k])) < 2 for k in range(FOLDS)):
        return {}
    found = evaluate_rows(replace(rows, folds=folds), POINT, resamples=parts).estimates
    return {
        f"mean of folds, {k}": found[k] for k in ("auroc", "sensitivity", "brier", "f1", "log_loss")
    }


def _severity(table: Table, _: Table, parts: int) -> dict[str, Estimate]:
    control = np.full_like(table.read, 4.0)
    found = score_estimates(table.read, table.found, control, table.first.groups, resamples=parts)
    return {f"severity {k}": v for k, v in found.items()}


FAMILIES: tuple[Family, ...] = (
    _metrics,
    _differences,
    _performance_change,
    _by_prevalence,
    _net_benefit,
    _abstaining,
    _folds,
    _severity,
)


@dataclass
class Tally:
    """One figure's intervals over the tables of a cell."""

    truth: float
    values: list[float] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    held: int = 0

    def add(self, one: Estimate) -> None:
        """Count one table's estimate; one without an interval counts as no interval."""
        if np.isfinite(one.value):
            self.values.append(one.value)
        if np.isfinite(one.low):
            self.widths.append(one.high - one.low)
            self.held += one.low <= self.truth <= one.high

    @property
    def given(self) -> int:
        """Tables with an interval."""
        return len(self.widths)

    @property
    def covered(self) -> float:
        """Share of the intervals that hold the truth."""
        return self.held / self.given if self.given else float("nan")

    @property
    def width_ratio(self) -> float:
        """Mean width over that of the central 95 % of the estimates."""
        if not self.given:
            return float("nan")
        return float(np.mean(self.widths) / np.ptp(np.quantile(self.values, [0.025, 0.975])))


def simulate(
    cell: Cell, tables: int = TABLES, more: int = MORE_TABLES, population: int = POPULATION
) -> dict[str, Tally]:
    """Simulate a cell; figures that come below 0.94 are simulated on with all `more` tables.

    Parameters
    ----------
    cell : Cell
    tables, more : int
        Tables drawn at first, and altogether for doubtful figures.
    population : int
        Patients from whom the truth is taken.
    """
    whole = draw(cell, np.random.default_rng(2**31), population // (5 if cell.several else 1))
    found: dict[str, Tally] = {}
    for family in FAMILIES:
        mine = {k: Tally(one.value) for k, one in family(whole, whole, 2).items()}
        for seed in range(more):
            if seed == tables:
                doubtful = {k for k, one in mine.items() if one.given and one.covered < DOUBTFUL}
                if not doubtful:
                    break
            rng = np.random.default_rng(seed)
            for figure, one in family(draw(cell, rng), draw(cell, rng), PARTS).items():
                if seed < tables or figure in doubtful:
                    mine[figure].add(one)
        found |= mine
    # What fewer than a tenth of the tables have an interval of has none to be judged.
    return {figure: one for figure, one in found.items() if one.given >= tables / 10}

"""Figures by stratum, small ones held back, and a warning where a stratum gives the label away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats.contingency import association

from covidx.evaluate.decisions import decision_family
from covidx.evaluate.deferred import compute
from covidx.evaluate.estimate import Estimate, undefined
from covidx.evaluate.families import rank_family
from covidx.evaluate.operating_point import OperatingPoint
from covidx.evaluate.rows import Rows
from covidx.files import plain_object

FEWEST = 10
"""Patients (or groups) below whom a stratum is held back altogether, its count too: too few to say
anything, and few enough to point at a person. Ten images of one patient are one."""
FEWEST_OF_CLASS = 5
"""Patients of a class below whom a figure that rests on that class is held back."""
NEARLY_THE_LABEL = 0.7
"""Cramér's V with the label from which a variable can stand in for it. Modelling choice; 0.5 is a
large association (Cohen, Statistical Power Analysis, 1988, w)."""
RULE = (
    f"strata with fewer than {FEWEST} patients are not shown; a figure needs at least "
    f"{FEWEST_OF_CLASS} patients of each class that it rests on"
)
UNKNOWN = "unknown"
METRICS = {
    "auroc": "both",
    "sensitivity": "positive",
    "specificity": "negative",
    "ppv": "both",
    "npv": "both",
}
"""Metric -> the class that it rests on."""


@dataclass(frozen=True)
class Stratum:
    """One stratum's figures; no counts and no figures where it is held back."""

    name: str
    n: int | None
    positives: int | None
    estimates: dict[str, Estimate]

    @property
    def held_back(self) -> bool:
        """Whether it is too small to be shown."""
        return self.n is None

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        count = f"fewer than {FEWEST}" if self.n is None else self.n
        head = {"stratum": self.name, "n": count, "positives": self.positives}
        return plain_object({**head, **self.estimates})


@dataclass(frozen=True)
class Variable:
    """A variable's strata, and how close it is to the label.

    Parameters
    ----------
    name : str
        Such as ``age band``.
    cramers_v : float
        Between 0 and 1, over the rows where it is known; NaN with fewer than two strata.
    missing : int
        Rows where it is unknown.
    strata : list of Stratum
        Those of the rows, unknown last.
    """

    name: str
    cramers_v: float
    missing: int
    strata: list[Stratum]

    @property
    def nearly_the_label(self) -> bool:
        """Whether knowing the stratum is nearly knowing the label."""
        return self.cramers_v >= NEARLY_THE_LABEL

    @property
    def warning(self) -> str | None:
        """A sentence where the variable and the label are nearly the same."""
        if not self.nearly_the_label:
            return None
        return (
            f"{self.name} and the label are nearly the same variable (Cramér's V "
            f"{self.cramers_v:.2f}, at least {NEARLY_THE_LABEL}): a system that knows the "
            f"{self.name} knows the label, and these figures cannot tell it from one that knows "
            "the disease."
        )

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "variable": self.name,
            "cramers_v": None if np.isnan(self.cramers_v) else self.cramers_v,
            "warning": self.warning,
            "missing": self.missing,
            "strata": [stratum.to_json() for stratum in self.strata],
        }


def subgroups(
    rows: Rows,
    strata: Mapping[str, pd.Series],
    point: OperatingPoint | None,
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> list[Variable]:
    """AUROC, and sensitivity, specificity, PPV and NPV at the threshold, in every stratum.

    Intervals as in `evaluate`, on the stratum's rows alone. Strata are read one by one: with many
    of them some look bad by chance.

    Parameters
    ----------
    rows : Rows
        Test rows.
    strata : mapping
        Variable -> stratum of each row, shape (rows,), NaN where unknown.
    point : OperatingPoint, optional
        Chosen beforehand, on other rows.
    seed, resamples : int
        As in `compute`.
    """
    variables = []
    for name, values in strata.items():
        known = values.notna().to_numpy()
        named = values.where(known, UNKNOWN).astype(str)
        parts = []
        for stratum in sorted(named.unique(), key=lambda s: (s == UNKNOWN, s)):
            part = rows.take((named == stratum).to_numpy())
            parts.append(_stratum(stratum, part, point, seed, resamples))
        v = cramers_v(named[known].to_numpy(str), rows.truth[known])
        variables.append(Variable(name, v, int((~known).sum()), parts))
    return variables


def cramers_v(strata: npt.NDArray[np.str_], truth: npt.NDArray[np.bool_]) -> float:
    """Cramér's V of two nominal variables, `strata` and `truth`; NaN where one does not vary."""
    counts = pd.crosstab(strata, truth).to_numpy()
    if min(counts.shape) < 2:
        return float("nan")
    return float(association(counts, method="cramer"))


def _stratum(
    name: str, rows: Rows, point: OperatingPoint | None, seed: int, resamples: int
) -> Stratum:
    truth, clusters = rows.truth, rows.clusters
    if clusters.n_groups < FEWEST:
        return Stratum(name, None, None, {})
    counts = {"positive": clusters.count(truth), "negative": clusters.count(~truth)}
    counts["both"] = min(counts.values())
    metrics = rank_family(rows, rows.positive)
    if point is not None:
        metrics |= decision_family(point.decide(rows.scores), truth, clusters)
    enough = [m for m, which in METRICS.items() if counts[which] >= FEWEST_OF_CLASS]
    shown = {metric: metrics[metric] for metric in enough if metric in metrics}
    estimates = compute(shown, clusters, seed=seed, resamples=resamples)
    for metric in METRICS:
        if metric in metrics and metric not in estimates:
            few = f"fewer than {FEWEST_OF_CLASS} patients of a class it rests on"
            estimates[metric] = undefined(len(rows), "held back", few)
    return Stratum(
        name, len(rows), int(truth.sum()), {m: estimates[m] for m in METRICS if m in estimates}
    )

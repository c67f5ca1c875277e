"""Where two systems decide alike on the same patients, and which of them is right where not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from covidx.evaluate.blocks import FloatArray
from covidx.evaluate.deferred import Deferred, Estimates, compute
from covidx.evaluate.estimate import Estimate
from covidx.evaluate.paired import System
from covidx.evaluate.weighted import BoolArray, decision_cells, decision_statistic, divide
from covidx.files import plain_object

NO_KAPPA = "both call all of these patients the same, so that chance alone agrees on all"


@dataclass(frozen=True)
class Counts:
    """Rows by who decides rightly, and Cohen's kappa of the two decisions on these rows."""

    both_right: int
    only_first_right: int
    only_second_right: int
    both_wrong: int
    kappa: Estimate

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return plain_object(vars(self))


@dataclass(frozen=True)
class Agreement:
    """Two systems' decisions, each at its own threshold.

    Parameters
    ----------
    first, second : str
        Names of the systems.
    parts : dict
        ``positives``, ``rest`` and ``all`` -> counts on these rows.
    """

    first: str
    second: str
    parts: dict[str, Counts]

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return plain_object({"first": self.first, "second": self.second, **self.parts})


def agreements(
    systems: Sequence[System], *, seed: int = 0, resamples: int = 2000
) -> list[Agreement]:
    """Every pair of the systems that have a threshold; kappa with a jackknife on Fisher's z.

    Kappa among the positives, or the rest, is low where both find nearly all of them, however often
    they agree (Feinstein and Cicchetti, J Clin Epidemiol 1990;43:543-549): read the counts first.

    Parameters
    ----------
    systems : sequence of System
        As `align` gives them.
    seed, resamples : int
        As in `compute`.
    """
    decided = [system for system in systems if system.decides]
    return [_pair(a, b, seed, resamples) for a, b in combinations(decided, 2)]


def _pair(a: System, b: System, seed: int, resamples: int) -> Agreement:
    truth = a.rows.truth
    parts = {"positives": truth, "rest": ~truth, "all": np.ones_like(truth)}
    return Agreement(
        a.name, b.name, {name: _counts(a, b, rows, seed, resamples) for name, rows in parts.items()}
    )


def _counts(a: System, b: System, among: BoolArray, seed: int, resamples: int) -> Counts:
    rows = a.rows.take(among)
    first, second = a.called[among], b.called[among]
    right = [called == rows.truth for called in (first, second)]
    # Of two decisions, not of one and the truth: both yes, the first alone, the second alone, none.
    cells = decision_cells(first, second, rows.clusters)
    metrics: Estimates = {
        "kappa": Deferred(
            decision_statistic(cells, kappa),
            len(rows),
            0,
            NO_KAPPA,
            ", Cohen's kappa",
            scale="correlation",
        )
    }
    return Counts(
        both_right=int((right[0] & right[1]).sum()),
        only_first_right=int((right[0] & ~right[1]).sum()),
        only_second_right=int((~right[0] & right[1]).sum()),
        both_wrong=int((~right[0] & ~right[1]).sum()),
        kappa=compute(metrics, rows.clusters, seed=seed, resamples=resamples)["kappa"],
    )


def kappa(both: FloatArray, first: FloatArray, second: FloatArray, none: FloatArray) -> FloatArray:
    """Cohen's kappa of two yes-or-no decisions (Educ Psychol Meas 1960;20:37-46).

    Agreement beyond chance, as a share of what is beyond chance; NaN where chance agrees on all.
    For two answers it is 2(ad - bc) over (a+b)(b+d) + (a+c)(c+d).

    Parameters
    ----------
    both, first, second, none : array, shape (draws,)
        Rows that both systems, the first alone, the second alone, and neither of them call
        positive.
    """
    chance = (both + first) * (first + none) + (both + second) * (second + none)
    return divide(2 * (both * none - first * second), chance)

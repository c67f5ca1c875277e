"""How a model does week by week, or month by month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from covidx.clinical.drift import Period, starts_of
from covidx.evaluate import Clusters, Estimate, Rows, auroc_estimate
from covidx.evaluate.compare import mean_of_folds_auroc
from covidx.wording import counted


@dataclass(frozen=True)
class PeriodRow:
    """The rows of one week or month.

    Parameters
    ----------
    start : str
        ISO date of its first day.
    n, positives : int
        Rows, and those of the positive class.
    auroc : Estimate
        On them.
    """

    start: str
    n: int
    positives: int
    auroc: Estimate

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "start": self.start,
            "n": self.n,
            "positives": self.positives,
            "auroc": self.auroc.to_json(),
        }


def undated(rows: Rows, days: pd.Series | None) -> list[str]:
    """A sentence for rows that are in no week or month.

    Parameters
    ----------
    rows : Rows
        Scored rows.
    days : Series, optional
        unit_id -> day.
    """
    if days is None:
        return []
    n = int(days[~days.index.duplicated()].reindex(rows.units).isna().sum())
    return [f"{counted(n, 'row')} without a date: in the figures, in no period"] if n else []


def by_period(rows: Rows, days: pd.Series, period: Period) -> list[PeriodRow]:
    """AUROC of each week or month, in order of time; rows without a day are left out.

    Parameters
    ----------
    rows : Rows
        Scored rows.
    days : Series
        unit_id -> day.
    period : {"week", "month"}
        What is taken together.
    """
    known = days[~days.index.duplicated()].reindex(rows.units)
    start = starts_of(known.reset_index(drop=True), period)
    found = []
    for first in sorted(start.dropna().unique()):
        part = rows.take((start == first).to_numpy())
        several = Clusters.of(part.groups).several_rows
        auroc = (
            mean_of_folds_auroc(part.scores, part.truth, part.groups, part.folds)
            if several
            else auroc_estimate(part.scores, part.truth)
        )
        day = pd.Timestamp(first).date().isoformat()
        found.append(PeriodRow(day, len(part), int(part.truth.sum()), auroc))
    return found

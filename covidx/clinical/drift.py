"""Drift by week or month, which separates lost columns from patients that changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from covidx.clinical.cross_fitting import Reference
from covidx.clinical.fit import Fitted
from covidx.clinical.predict import auroc_by_group
from covidx.clinical.rows import ClinicalRows
from covidx.evaluate import Estimate

FloatArray = npt.NDArray[np.float64]

MOVED = 0.25
"""PSI above which a column's values are said to have changed: the usual rule of credit scoring
(Siddiqi, Credit Risk Scorecards, Wiley 2006)."""
LOST = 0.5
"""Rise of the missing share above which a column counts as lost. Modelling choice."""
FLOOR = 1e-4
"""Least share of a bin, so that its logarithm exists. Modelling choice."""
BINS = 10
Period = Literal["week", "month"]
State = Literal["lost", "returned", "changed", "stable"]
Verdict = Literal["as before", "lost column", "changed world", "unknown"]


@dataclass(frozen=True)
class ColumnDrift:
    """One column in one week against the reference.

    Parameters
    ----------
    name : str
        Of the column.
    missing, missing_before : float
        Share of unknown values, in the week and in the reference.
    psi : float
        Population stability index of the known values alone; NaN where there are none.
    """

    name: str
    missing: float
    missing_before: float
    psi: float

    @property
    def state(self) -> State:
        """``lost`` and ``returned`` are of the table, ``changed`` is of the patients."""
        if self.missing - self.missing_before > LOST:
            return "lost"
        if self.missing_before - self.missing > LOST:
            return "returned"
        return "changed" if self.psi > MOVED else "stable"


@dataclass(frozen=True)
class Week:
    """A week's rows: how many, how the model did, how the columns drifted.

    Parameters
    ----------
    start : str
        ISO date of its first day.
    n, positives : int
        Rows of the week, and those of the positive class.
    auroc : Estimate
        On the week's rows.
    before, without : Estimate
        On the reference's rows as they were, and with the columns blanked that this week has lost:
        what the loss alone costs.
    columns : list of ColumnDrift
        Every feature.
    """

    start: str
    n: int
    positives: int
    auroc: Estimate
    before: Estimate
    without: Estimate
    columns: list[ColumnDrift]

    @property
    def lost(self) -> list[str]:
        """The columns that this week has lost."""
        return [column.name for column in self.columns if column.state == "lost"]

    @property
    def verdict(self) -> Verdict:
        """Whether intervals part, and if so, whether the lost columns alone explain it.

        ``changed world``: below what the loss of columns costs, so that the relation of the columns
        to the disease, or the patients, must have changed.
        """
        if self.auroc.reason or self.before.reason or self.without.reason:
            return "unknown"
        if self.auroc.high < self.without.low:
            return "changed world"
        return "lost column" if self.auroc.high < self.before.low else "as before"

    def to_json(self) -> dict[str, Any]:
        """Strict JSON."""
        return {
            "week": self.start,
            "n": self.n,
            "positives": self.positives,
            "verdict": self.verdict,
            "auroc": self.auroc.to_json(),
            "auroc_before": self.before.to_json(),
            "auroc_before_without_the_lost_columns": self.without.to_json(),
            "columns": {
                column.name: {
                    "state": column.state,
                    "psi": None if np.isnan(column.psi) else round(column.psi, 4),
                    "missing": round(column.missing, 4),
                    "missing_before": round(column.missing_before, 4),
                }
                for column in self.columns
            },
        }


def psi(before: FloatArray, now: FloatArray, places: int | None = None) -> float:
    """Population stability index of known values: sum of (q - p) ln(q / p) over bins.

    Bins are the values themselves where the reference has at most 10, else its deciles; those of a
    category are its places, whether the reference has them or not.

    Parameters
    ----------
    before, now : ndarray of float, shape (rows,)
        Values of the reference and of the week; NaN is unknown.
    places : int, optional
        How many values a category has.

    Returns
    -------
    float
        0 for equal shares; NaN where either side has no known value.

    Examples
    --------

    >>> round(psi(np.array([0.0, 1.0]), np.array([0.0, 0.0, 0.0, 1.0])), 4)  # 0.25 ln 1.5 - ...
    0.2747
    """
    before, now = before[~np.isnan(before)], now[~np.isnan(now)]
    if not len(before) or not len(now):
        return float("nan")
    levels = np.unique(before)
    if places is not None:
        edges = np.arange(1, places) - 0.5
    elif len(levels) > BINS:
        edges = np.unique(np.quantile(before, np.linspace(0, 1, BINS + 1)[1:-1]))
    else:
        edges = (levels[:-1] + levels[1:]) / 2
    p, q = (
        np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
        / len(values)
        for values in (before, now)
    )
    p, q = np.maximum(p, FLOOR), np.maximum(q, FLOOR)
    return float(((q - p) * np.log(q / p)).sum())


def column_drift(
    name: str, before: pd.Series, now: pd.Series, places: int | None = None
) -> ColumnDrift:
    """Compare a column with its reference.

    Parameters
    ----------
    name : str
        Of the column.
    before, now : Series of float
        Its values in the reference and in the week; NaN is unknown.
    places : int, optional
        How many values a category has.
    """
    return ColumnDrift(
        name,
        float(now.isna().mean()),
        float(before.isna().mean()),
        psi(before.to_numpy(float), now.to_numpy(float), places),
    )


def starts_of(days: pd.Series, period: Period = "week") -> pd.Series:
    """The first day of the week (a Monday) or month that each of `days` lies in.

    Parameters
    ----------
    days : Series of datetime64
        Missing where unknown.
    period : {"week", "month"}
        Which.

    Examples
    --------
    >>> day = pd.Series([pd.Timestamp("2020-04-02")])
    >>> starts_of(day)[0].date().isoformat(), starts_of(day, "month")[0].date().isoformat()
    ('2020-03-30', '2020-04-01')
    """
    days = days.dt.normalize()
    back = days.dt.weekday if period == "week" else days.dt.day - 1
    starts: pd.Series = days - pd.to_timedelta(back, unit="D")
    return starts


def weekly(
    fitted: Fitted,
    train: ClinicalRows,
    before: Reference,
    rows: ClinicalRows,
    period: Period = "week",
) -> list[Week]:
    """Drift of `rows`, week by week (Monday to Sunday), or month by month.

    Parameters
    ----------
    fitted : Fitted
        The model.
    train : ClinicalRows
        What the model was trained on: the reference of the columns.
    before : Reference
        Rows of the same days, by models that did not learn from them: the reference of the AUROC.
    rows : ClinicalRows
        Rows with a date that the model was not trained on.
    period : {"week", "month"}
        What is taken together.
    """
    scores = fitted.score(rows.table)
    known: dict[tuple[str, ...], Estimate] = {}

    def without(columns: tuple[str, ...]) -> Estimate:
        if columns not in known:
            blanked = before.rows.table.assign(**dict.fromkeys(columns, np.nan))
            known[columns] = auroc_by_group(before.rows, before.model.score(blanked))
        return known[columns]

    start = starts_of(rows.table["date"], period)
    found = []
    for monday in sorted(start.dropna().unique()):
        here = (start == monday).to_numpy()
        week = rows.only(here)
        columns = [
            column_drift(
                feature.name,
                train.table[feature.name],
                week.table[feature.name],
                None if feature.values is None else len(feature.values),
            )
            for feature in rows.features
        ]
        lost = tuple(column.name for column in columns if column.state == "lost")
        found.append(
            Week(
                start=pd.Timestamp(monday).date().isoformat(),
                n=len(week.table),
                positives=int(week.truth.sum()),
                auroc=auroc_by_group(week, scores[here]),
                before=without(()),
                without=without(lost),
                columns=columns,
            )
        )
    return found

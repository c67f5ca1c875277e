"""PCR-positive patients whose CT shows nothing: does the system still find them?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from covidx.class_names import label_key
from covidx.errors import InvalidInputError, InvalidTableError
from covidx.evaluate.auroc import auroc_estimate
from covidx.evaluate.decisions import share
from covidx.evaluate.deferred import Deferred, Estimates, compute
from covidx.evaluate.estimate import Estimate, undefined
from covidx.evaluate.jackknife import degrees
from covidx.evaluate.operating_point import OperatingPoint
from covidx.evaluate.rows import Rows
from covidx.evaluate.weighted import BoolArray, auroc_statistic
from covidx.files import plain_object


@dataclass(frozen=True)
class NormalCT:
    """Positives by what their CT shows.

    Parameters
    ----------
    column : str
        Where it is recorded, such as ``finding=normal``.
    missing : int
        Positives of whom it is not recorded.
    rows : dict
        ``normal CT`` and ``abnormal CT`` -> sensitivity, and AUROC against all negatives.
    """

    column: str
    missing: int
    rows: dict[str, dict[str, Estimate]]

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return plain_object({"column": self.column, "missing": self.missing, **self.rows})


def ct_normal(attributes: pd.DataFrame, column_value: str) -> pd.Series:
    """Whether the CT was read as normal: True, False, or NaN where it is not recorded.

    Parameters
    ----------
    attributes : DataFrame
        One line a row.
    column_value : str
        ``column=value``, such as ``finding=normal``.

    Raises
    ------
    InvalidInputError
        ``NORMAL_CT_FORM`` without an equals sign.
    InvalidTableError
        ``NORMAL_CT_COLUMN`` if there is no such column, or no such value in it.
    """
    column, equals, value = column_value.partition("=")
    if not equals or not value:
        raise InvalidInputError(
            "NORMAL_CT_FORM",
            "The mark of a normal CT has no equals sign, or no value.",
            expected="column=value, such as finding=normal",
            actual=column_value,
        )
    if column not in attributes or not (_keys(attributes[column]) == label_key(value)).any():
        present: list[str] = []
        if column in attributes:
            present = sorted(attributes[column].dropna().astype(str).unique())[:10]
        raise InvalidTableError(
            "NORMAL_CT_COLUMN",
            "The clinical tables do not have this column, or not this value in it.",
            expected=column_value,
            actual=", ".join(present) if present else f"columns {', '.join(attributes.columns)}",
            hint="Give the table that says it with --clinical.",
        )
    values = attributes[column]
    return (_keys(values) == label_key(value)).astype(object).where(values.notna())


def _keys(values: pd.Series) -> pd.Series:
    """1, 1.0 and True are one value, whatever the format of their table."""
    return values.map(label_key, na_action="ignore")


def normal_ct(
    rows: Rows,
    normal: pd.Series,
    column: str,
    point: OperatingPoint | None,
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> NormalCT:
    """Sensitivity among the positives with a normal and with an abnormal CT, and their AUROCs.

    Parameters
    ----------
    rows : Rows
        Test rows.
    normal : Series, shape (rows,)
        As `ct_normal` gives it.
    column : str
        ``column=value`` that marks a normal CT, for the methods' text.
    point : OperatingPoint, optional
        The system's threshold.
    seed, resamples : int
        As in `compute`.
    """
    known = normal.notna().to_numpy()
    is_normal = known & (normal == True).to_numpy()  # noqa: E712
    by_ct: dict[str, dict[str, Estimate]] = {}
    for name, mask in (("normal CT", is_normal), ("abnormal CT", known & ~is_normal)):
        by_ct[name] = _row(rows, rows.truth & mask, point, seed, resamples)
    return NormalCT(column, int((rows.truth & ~known).sum()), by_ct)


def _row(
    rows: Rows, some: BoolArray, point: OperatingPoint | None, seed: int, resamples: int
) -> dict[str, Estimate]:
    part = rows.take(some | ~rows.truth)
    truth, clusters, n = part.truth, part.clusters, int(some.sum())
    metrics: Estimates = {"sensitivity": undefined(n, "needs a threshold", "there is no threshold")}
    if point is not None:
        called = point.decide(part.scores)
        metrics["sensitivity"] = share(called, truth, clusters, "no such positive rows")
    note = f", {n} such positives against {int((~truth).sum())} negatives"
    rarer = clusters.rarer(truth)
    statistic = auroc_statistic(part.scores, truth, clusters)
    metrics["auroc"] = auroc_estimate(part.scores, truth, note)
    if clusters.several_rows:
        df = degrees(clusters, truth)
        metrics["auroc"] = Deferred(statistic, len(part), rarer, "no such positive rows", note, df)
    return compute(metrics, clusters, seed=seed, resamples=resamples)

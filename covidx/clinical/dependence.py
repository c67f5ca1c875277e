"""Partial dependence: the mean score as one column is set to a value in every row."""

from __future__ import annotations

import numpy as np
import pandas as pd

from covidx.clinical.fit import Fitted
from covidx.clinical.rows import ClinicalRows


def partial_dependence(
    fitted: Fitted, rows: ClinicalRows, name: str, *, points: int = 20
) -> pd.DataFrame:
    """Mean score over `rows` by value of one column (Friedman, Ann Stat 2001;29:1189-1232).

    scikit-learn's own stops at missing values; here they stay missing in the other columns.

    Parameters
    ----------
    fitted : Fitted
        The model.
    rows : ClinicalRows
        Whose scores are averaged.
    name : str
        A feature.
    points : int
        Values tried: all that occur if they are so few, or of a category, else quantiles of 5 to
        95 %.

    Returns
    -------
    DataFrame
        value (a word for a category) and score, by ascending value; where the column has gaps, a
        last row with value NaN has the mean score if it is unknown in every row. Values that do
        not go together with the rest of a row (an old patient's with a child's) count as much as
        those that do.
    """
    known = rows.table[name].dropna().to_numpy(float)
    values = np.unique(known)
    column = next(column for column in rows.features if column.name == name)
    if len(values) > points and column.type != "category":
        values = np.unique(np.quantile(known, np.linspace(0.05, 0.95, points)))
    tried = [*values.tolist(), *([np.nan] if len(known) < len(rows.table) else [])]
    scores = [float(np.nanmean(_at(fitted, rows, name, value))) for value in tried]
    frame = pd.DataFrame({"value": tried, "score": scores})
    if column.values is not None:
        frame["value"] = frame["value"].map(dict(enumerate(column.values)))
    return frame


def _at(fitted: Fitted, rows: ClinicalRows, name: str, value: float) -> np.ndarray:
    scores = fitted.score(rows.table.assign(**{name: value}))
    return scores if not np.isnan(scores).all() else np.zeros(1)

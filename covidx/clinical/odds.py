"""Odds ratios of a logistic regression, with intervals."""

from __future__ import annotations

import math
import warnings

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri
from statsmodels.discrete.discrete_model import Logit
from statsmodels.tools.sm_exceptions import ConvergenceWarning, HessianInversionWarning

from covidx.cards import Column
from covidx.clinical.rows import ClinicalRows
from covidx.evaluate import CONFIDENCE, Estimate, undefined

METHOD = "odds ratio, logistic regression without penalty, Wald interval"
FEWEST = 10
LARGEST = 1e6
"""Odds ratios beyond are separation, not an effect. Modelling choice."""


def odds_ratios(rows: ClinicalRows) -> dict[str, Estimate]:
    """Odds ratio of each column, adjusted for the others, on `rows`.

    Parameters
    ----------
    rows : ClinicalRows
        Training rows. Gaps are filled with the median, and a column gets an indicator
        ``<column> missing``. Columns whose gaps differ in fewer than 10 rows share one, and fewer
        than 10 gaps get none: so few rows allow no estimate.

    Returns
    -------
    dict
        Per standard deviation for a number, yes against no for a column of 0 and 1, each value of a
        category against the most frequent one. Where groups
        have several rows the variance is cluster-robust. Undefined, with the reason, for a yes
        or a no that only one class has (it is left out of the regression), and for all where the
        regression has no solution (columns that determine each other).
    """
    design = _design(rows)
    n, grouped = len(design), not rows.table["group_id"].is_unique
    method = METHOD + (", cluster-robust" if grouped else "")
    constant = [str(name) for name in design.columns if design[name].nunique() < 2]
    found = {name: undefined(n, method, "the column has one value only") for name in constant}
    design = design.drop(columns=constant)
    parting = [str(name) for name in design.columns if _parts(design[name], rows)]
    found |= {name: undefined(n, method, "only one class has this value") for name in parting}
    design = design.drop(columns=parting)
    fit = _fit(design, rows, grouped)
    for name in map(str, design.columns):
        found[name] = _estimate(fit, name, n, method)
    return found


def _design(rows: ClinicalRows) -> pd.DataFrame:
    columns: dict[str, pd.Series] = {}
    patterns: list[tuple[npt.NDArray[np.bool_], list[str]]] = []
    for column in rows.features:
        name, values = column.name, rows.table[column.name]
        gaps = values.isna()
        columns |= _of_category(column, values) if column.values else {name: _of_number(values)}
        if gaps.sum() < FEWEST:
            continue
        for pattern, names in patterns:
            if (pattern != gaps.to_numpy()).sum() < FEWEST:
                names.append(name)
                break
        else:
            patterns.append((gaps.to_numpy(), [name]))
    for pattern, names in patterns:
        columns[f"{', '.join(names)} missing"] = pd.Series(pattern.astype(float))
    return pd.DataFrame(columns)


def _of_number(values: pd.Series) -> pd.Series:
    filled = values.fillna(values.median()) if values.notna().any() else values.fillna(0.0)
    if not set(filled.unique()) <= {0.0, 1.0} and filled.std() > 0:
        return (filled - filled.mean()) / filled.std(ddof=0)
    return filled


def _of_category(column: Column, values: pd.Series) -> dict[str, pd.Series]:
    """Each value against the most frequent one, which gaps are filled with."""
    names = dict(enumerate(column.values or []))
    usual = names.pop(int(values.mode().iloc[0])) if values.notna().any() else "unknown"
    return {
        f"{column.name}: {name} against {usual}": (values == place).astype(float)
        for place, name in names.items()
    }


def _parts(column: pd.Series, rows: ClinicalRows) -> bool:
    """Whether a column of 0 and 1 has an empty cell against the label."""
    values = column.to_numpy()
    if not np.isin(values, (0.0, 1.0)).all():
        return False
    return any(len(np.unique(values[rows.truth == side])) < 2 for side in (True, False))


def _fit(design: pd.DataFrame, rows: ClinicalRows, grouped: bool) -> pd.DataFrame | None:
    """Coefficient and standard error by column; None if there is no solution."""
    matrix = design.assign(constant=1.0)
    if design.empty or np.linalg.matrix_rank(matrix.to_numpy()) < matrix.shape[1]:
        return None
    robust = {}
    if grouped:
        codes = pd.factorize(rows.table["group_id"])[0]
        robust = {"cov_type": "cluster", "cov_kwds": {"groups": codes}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            warnings.simplefilter("error", HessianInversionWarning)
            warnings.simplefilter("ignore", RuntimeWarning)
            fit = Logit(rows.truth.astype(float), matrix).fit(disp=0, maxiter=100, **robust)
    except (np.linalg.LinAlgError, ConvergenceWarning, HessianInversionWarning):
        return None
    return pd.DataFrame({"coefficient": fit.params, "error": fit.bse})


def _estimate(fit: pd.DataFrame | None, name: str, n: int, method: str) -> Estimate:
    if fit is None:
        return undefined(n, method, "the regression has no single solution on these rows")
    coefficient, error = (float(fit[key][name]) for key in ("coefficient", "error"))
    if abs(coefficient) > math.log(LARGEST) or not math.isfinite(error):
        return undefined(n, method, "the column separates the classes")
    half = float(ndtri(0.5 + CONFIDENCE / 2)) * error
    if coefficient + half > 700:
        return undefined(n, method, "the column nearly separates the classes")
    low, high = math.exp(coefficient - half), math.exp(coefficient + half)
    return Estimate(math.exp(coefficient), low, high, n, method)

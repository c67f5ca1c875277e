"""Whether a column of the table gives the label away: one row a patient, Holm over all tests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri
from scipy.stats import mannwhitneyu, ncx2, random_table
from scipy.stats.contingency import association

from covidx.evaluate.auroc import auroc_estimate
from covidx.evaluate.estimate import CONFIDENCE, Estimate
from covidx.evaluate.significance import PValue, holm

NOMINAL = (
    "source",
    "site",
    "manufacturer",
    "kernel",
    "contrast",
    "modality",
    "view",
    "sex",
    "format",
    "mode",
)
NUMERIC = ("age", "date", "megapixels", "aspect", "thickness", "spacing")
FEWEST = 5
"""Patients of a value or class; rarer values are pooled, rarer classes get no AUROC."""
DRAWS, AT_ONCE = 9999, 500
"""Random tables of a permutation test: p is at least 1 / 10,000, enough for Holm over 500 tests;
drawn a part at a time, since a table of sizes may have hundreds of rows."""
DATES = ("%Y-%m-%d", "%Y%m%d", "%B %d, %Y", "%Y-%m", "%B %Y", "%Y")
"""Forms of a date that can be read in one way only."""


@dataclass(frozen=True)
class Association:
    """How close one column is to the label.

    Parameters
    ----------
    dataset, column : str
        Which column of which data set.
    detail : str
        The class for an AUROC (against the rest); else empty.
    estimate : Estimate
        AUROC, or Cramér's V.
    test : PValue
        Adjusted over all columns.
    counts : DataFrame or None
        Of a nominal column: value, class -> patients.
    """

    dataset: str
    column: str
    detail: str
    estimate: Estimate
    test: PValue
    counts: pd.DataFrame | None


def associations(table: pd.DataFrame, seed: int = 0) -> tuple[list[Association], dict[str, str]]:
    """Every column against the label, in each data set by itself.

    A patient is one row, the first of the table: rows of one patient are not independent. A nominal
    column: Cramér's V, and a permutation test of the chi-squared statistic, since cells are often
    nearly empty. A numeric one: AUROC of each class against the rest, and Mann-Whitney's test;
    whether it is known at all is a nominal column, and so is the exact size. All tests together are
    one family (Holm).

    Parameters
    ----------
    table : DataFrame
        As `listing.joined`.
    seed : int
        Of the random tables.

    Returns
    -------
    found : list of Association
        One a column, or one a class of a numeric column.
    untested : dict
        Column of a data set -> why it was not tested.
    """
    found: list[Association] = []
    untested: dict[str, str] = {}
    random = np.random.default_rng(seed)
    for dataset, rows in table.dropna(subset=["label"]).groupby("dataset", sort=False):
        # Columns that only another data set has are empty here.
        patients = rows.drop_duplicates("unit").dropna(axis=1, how="all")
        label = patients["label"]
        if label.nunique() < 2:
            untested[str(dataset)] = "one class only"
            continue
        nominal, numeric = _columns(patients)
        for name, values in nominal.items():
            pooled = _pooled(values)
            if pooled.nunique() < 2:
                untested[f"{dataset}: {name}"] = "it does not vary"
                continue
            counts = pd.crosstab(pooled, label)
            test = _permutation(counts.to_numpy(), random)
            found.append(
                Association(str(dataset), name, "", cramers_v_estimate(counts), test, counts)
            )
        for name, numbers in numeric.items():
            ranked = _ranked(str(dataset), name, numbers, label)
            found += ranked
            if not ranked:
                known = numbers[numbers.notna()]
                untested[f"{dataset}: {name}"] = (
                    f"fewer than {FEWEST} numbers in each of two classes"
                    if known.nunique() > 1
                    else "no two numbers (a date: in a form that can be read in one way)"
                )
    tests = holm([one.test for one in found])
    return [
        Association(o.dataset, o.column, o.detail, o.estimate, test, o.counts)
        for o, test in zip(found, tests, strict=True)
    ], untested


def _columns(rows: pd.DataFrame) -> tuple[dict[str, pd.Series], dict[str, pd.Series]]:
    """Nominal and numeric columns that the table has."""
    nominal = {name: rows[name] for name in NOMINAL if name in rows}
    numeric = {n: _numbers(rows[n]) for n in ("age", "thickness", "spacing") if n in rows}
    if "date" in rows:
        numeric["date"] = _days(rows["date"])
    if "width" in rows and "height" in rows:
        width, height = _numbers(rows["width"]), _numbers(rows["height"])
        numeric |= {"megapixels": width * height / 1e6, "aspect": width / height}
        size = rows["width"].astype("string") + " x " + rows["height"].astype("string")
        nominal["size"] = size.astype(object)
    for name in ("age", "date"):
        if name in numeric:
            nominal[f"{name} known"] = numeric[name].notna().map({True: "yes", False: "no"})
    return nominal, numeric


def _numbers(values: pd.Series) -> pd.Series:
    """NaN for what is no number; years of age may be written as DICOM does, 045Y (PS3.5, 6.2)."""
    bare = values.astype("string").str.replace(r"^(\d{3})Y$", r"\1", regex=True)
    numbers = pd.to_numeric(bare.astype(object), errors="coerce").astype(float)
    return numbers.where(np.isfinite(numbers))


def _days(values: pd.Series) -> pd.Series:
    """Days since 1970; NaN where the text is no date that can be read in one way."""
    found = pd.Series(np.nan, index=values.index)
    for form in DATES:
        parsed = pd.to_datetime(values.where(found.isna()), format=form, errors="coerce")
        days = (parsed - pd.Timestamp(0)).dt.total_seconds() / 86400
        found = found.fillna(days)
    return found


def _pooled(values: pd.Series) -> pd.Series:
    named = values.fillna("unknown").astype(str)
    return named.where(named.map(named.value_counts()) >= FEWEST, "rare")


def _ranked(dataset: str, name: str, numbers: pd.Series, label: pd.Series) -> list[Association]:
    known = numbers.notna()
    values, labels = numbers[known].to_numpy(float), label[known]
    classes = sorted(labels.unique()) if len(set(values)) > 1 else []
    classes = classes[:1] if len(classes) == 2 else classes  # the other is its complement
    found = []
    for positive in classes:
        truth = (labels == positive).to_numpy()
        if min(truth.sum(), (~truth).sum()) >= FEWEST:
            p = float(mannwhitneyu(values[truth], values[~truth]).pvalue)
            test = PValue(p, len(values), "Mann-Whitney")
            estimate = auroc_estimate(values, truth)
            found.append(
                Association(dataset, name, f"{positive} against the rest", estimate, test, None)
            )
    return found


def _chi_squared(
    tables: NDArray[np.int64] | NDArray[np.float64], expected: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray(((tables - expected) ** 2 / expected).sum(axis=(-2, -1)))


def _permutation(counts: NDArray[np.int64], random: np.random.Generator) -> PValue:
    """Exact under any sparsity: tables drawn with both margins as they are."""
    rows, columns, n = counts.sum(axis=1), counts.sum(axis=0), int(counts.sum())
    expected = np.outer(rows, columns) / n
    tables = random_table(rows, columns)
    limit = float(_chi_squared(counts, expected)) * (1 - 1e-9)
    as_large = 0
    for start in range(0, DRAWS, AT_ONCE):
        drawn = tables.rvs(min(AT_ONCE, DRAWS - start), random_state=random)
        as_large += int((_chi_squared(drawn, expected) >= limit).sum())
    return PValue((as_large + 1) / (DRAWS + 1), n, f"permutation, {DRAWS:,} tables")


def cramers_v_estimate(counts: pd.DataFrame) -> Estimate:
    """Cramér's V with the interval that inverts the noncentral chi-squared distribution.

    Smithson, Confidence Intervals (Sage 2003), chapter 4.

    Parameters
    ----------
    counts : DataFrame
        Contingency table, at least 2 x 2, no empty margin.

    Examples
    --------
    >>> print(cramers_v_estimate(pd.DataFrame([[30, 20], [20, 30]])))
    0.20 (0.00 to 0.40)
    """
    table = counts.to_numpy()
    n, less = int(table.sum()), min(table.shape) - 1
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    value = min(float(association(table, method="cramer")), 1.0)
    statistic = value**2 * n * less
    tail = (1 - CONFIDENCE) / 2
    low, high = (
        math.sqrt(_noncentrality(one, freedom, share) / (n * less))
        # Below its expectation under independence the statistic would give no upper bound.
        for one, share in ((statistic, 1 - tail), (max(statistic, freedom), tail))
    )
    method = "Cramér's V, noncentral chi-squared interval"
    return Estimate(value, min(low, value), min(max(high, value), 1.0), n, method)


def _noncentrality(statistic: float, freedom: int, share: float) -> float:
    """Where `statistic` is the quantile `share` of the noncentral chi-squared distribution."""
    if ncx2.cdf(statistic, freedom, 1e-9) <= share:
        return 0.0
    z = float(ndtri(share))
    largest = statistic + 2 * z * z + 4 * abs(z) * math.sqrt(statistic + freedom) + 10
    return float(brentq(lambda nc: ncx2.cdf(statistic, freedom, nc) - share, 1e-9, largest))

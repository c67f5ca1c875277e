"""What a clinical model goes by: on which rows it is asked, and how the answers are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from covidx.clinical import ClinicalRows, Fitted, Week, reference_of, weekly
from covidx.files import write_json
from covidx.pipelines.clinical.config import TrainClinical

EXPLAINED = 5000
"""Test rows that importance and dependence are worked out on, at most, drawn by the seed."""


def some_of(rows: ClinicalRows, seed: int) -> ClinicalRows:
    """At most `EXPLAINED` of the `rows`, drawn by `seed` without replacement, in their order."""
    n = len(rows.table)
    if n <= EXPLAINED:
        return rows
    chosen = np.random.default_rng(seed).permutation(n)[:EXPLAINED]
    return rows.only(np.isin(np.arange(n), chosen))


def unseen_weeks(
    config: TrainClinical,
    whole: ClinicalRows,
    rows: ClinicalRows,
    train: ClinicalRows,
    best: Fitted,
) -> list[Week]:
    """Drift on rows that the model has not seen: after training by date, else the test rows.

    Parameters
    ----------
    config : TrainClinical
        Its `division` says whether training ends on a date.
    whole : ClinicalRows
        All rows of the table, those outside of the division's windows included.
    rows : ClinicalRows
        The divided rows, with role.
    train : ClinicalRows
        Those of role train: the reference of the columns, and the groups that are left out of the
        later rows.
    best : Fitted
        P2, which is not fitted again.

    Returns
    -------
    list of Week
        In order of time; empty where no row has a date.
    """
    later_rows = rows.only(rows.table["role"] == "test")
    if config.division.train is not None:
        last = pd.Timestamp(config.division.train[1]) + pd.Timedelta(days=1)
        later = whole.only(whole.table["date"] >= last)
        known = set(train.table["group_id"])
        later_rows = later.only(~later.table["group_id"].isin(known))
    if later_rows.table["date"].isna().all():
        return []
    before = reference_of(best, rows, seed=config.seed, folds=config.inner_folds)
    return weekly(best, train, before, later_rows)


def write_explanations(
    folder: Path, importance: Any, odds: Any, curves: dict[str, pd.DataFrame], weeks: list[Week]
) -> None:
    """Write importance, odds ratios, dependence and drift as JSON.

    Parameters
    ----------
    folder : Path
        The run's; takes ``importance.json``, ``odds_ratios.json``, ``partial_dependence.json`` and,
        where there are weeks, ``drift.json``.
    importance, odds : mapping
        Column -> `Estimate`: loss of AUROC, as `permutation_importance`; odds ratio, as
        `odds_ratios`.
    curves : dict
        Column -> DataFrame of value and score, as `partial_dependence`; NaN is written as null.
    weeks : list of Week
        As `unseen_weeks`; may be empty.
    """
    write_json(folder / "importance.json", importance)
    write_json(folder / "odds_ratios.json", odds)
    points = {
        name: [
            {"value": None if pd.isna(v) else v, "score": float(s)}
            for v, s in zip(curve["value"], curve["score"], strict=True)
        ]
        for name, curve in curves.items()
    }
    write_json(folder / "partial_dependence.json", points)
    if weeks:
        write_json(folder / "drift.json", weeks)

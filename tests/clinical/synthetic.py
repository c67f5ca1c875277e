"""Rows whose answers are known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from covidx.cards import Column
from covidx.clinical import ClinicalRows
from covidx.cohort import Classes


def synthetic_rows(n: int = 200, seed: int = 0, per_group: int = 1) -> ClinicalRows:
    """Rows whose class follows `signal`; `noise` says nothing; `gap` is missing by class."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 2 == 0
    if per_group > 1:
        truth = (np.arange(n) // per_group) % 2 == 0
    gap = np.where(rng.random(n) < np.where(truth, 0.1, 0.8), np.nan, rng.normal(size=n))
    table = pd.DataFrame(
        {
            "patient_id": [f"p{i}" for i in range(n)],
            "group_id": [f"g{i // per_group}" for i in range(n)],
            "label": np.where(truth, "covid-19", "negative"),
            "site": np.where(np.arange(n) % 3 == 0, "a", "b"),
            "date": pd.Timestamp("2020-03-02") + pd.to_timedelta(np.arange(n) % 28, unit="D"),
            "signal": truth + rng.normal(scale=0.7, size=n),
            "noise": rng.normal(size=n),
            "gap": gap,
        }
    )
    features = [
        Column(name=name, meaning=name, type="number") for name in ("signal", "noise", "gap")
    ]
    return ClinicalRows(table, features, Classes(("negative", "covid-19"), "covid-19"), [])

"""Dividing clinical rows: by patient, by date, or by site."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from covidx.clinical.rows import ClinicalRows
from covidx.cohort import Splits, make_splits
from covidx.config import Config
from covidx.errors import InvalidTableError
from covidx.wording import counted


class Division(Config):
    """How rows get their roles."""

    by: Literal["patient", "date", "site"] = "patient"
    parts: int = Field(5, ge=3, description="by patient: one part tests")
    train: tuple[date, date] | None = Field(None, description="by date: first and last day")
    test: tuple[date, date] | None = Field(None, description="by date: first and last day")
    sites: list[str] = Field(default_factory=list, description="by site: those that test")
    validation: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the training groups that validates and does not train; 0: none, the "
        "threshold comes from out-of-fold scores of the training rows",
    )

    @model_validator(mode="after")
    def _fits(self) -> Division:
        if self.by == "date":
            if self.train is None or self.test is None:
                raise ValueError("a division by date needs train and test: [first, last day]")
            first, last = self.train
            if not first <= last < self.test[0] <= self.test[1]:
                raise ValueError("training days must come before test days")
        if (self.by == "site") != bool(self.sites):
            raise ValueError("sites belong to a division by site, and only there")
        return self


def divide(rows: ClinicalRows, division: Division, *, seed: int) -> tuple[ClinicalRows, Splits]:
    """Assign each row a role; rows of none (other days) are left out and counted.

    Parameters
    ----------
    rows : ClinicalRows
        All labelled rows.
    division : Division
        By patient, date or site.
    seed : int
        Of what is drawn by chance.

    Returns
    -------
    rows : ClinicalRows
        With columns fold and role.
    splits : Splits
        The role of every patient.

    Raises
    ------
    InvalidTableError
        ``DATE_MISSING``, ``SITE_MISSING`` or ``SITE_UNKNOWN``, ``PART_EMPTY``: a role has no row of
        a class; or as `make_splits`.
    """
    if division.by == "patient":
        marked = _by_patient(rows, division.parts, seed)
    else:
        marked = _by_date(rows, division) if division.by == "date" else _by_site(rows, division)
        marked = _once(marked)
    chosen = _validation_groups(marked, division.validation, seed)
    table = marked.table
    in_validation = (table["role"] == "train") & table["group_id"].isin(chosen)
    table = table.assign(role=table["role"].where(~in_validation, "validation"))
    columns = table[["group_id", "patient_id", "role"]].assign(fold=0)
    splits = Splits(columns.drop_duplicates(ignore_index=True), seed)
    roles = ("train", "validation", "test") if division.validation else ("train", "test")
    return _with_roles(marked, splits, roles), splits


def _by_patient(rows: ClinicalRows, parts: int, seed: int) -> ClinicalRows:
    manifest = rows.table[["patient_id", "group_id", "label"]]
    manifest = manifest.assign(image_id=manifest["patient_id"])
    splits = make_splits(manifest, seed=seed, parts=parts, validation=False)
    return replace(rows, table=splits.assign(rows.table, fold=0))


def _by_date(rows: ClinicalRows, division: Division) -> ClinicalRows:
    assert division.train is not None and division.test is not None
    days = rows.table["date"]
    if days.isna().any():
        raise InvalidTableError(
            "DATE_MISSING",
            "A division by date needs the date of every row.",
            actual=f"{int(days.isna().sum())} of {len(days)} rows have none",
            hint=(
                "Fill in the column that the card names as clinical: date, or divide by"
                " patient: --set 'division={by: patient}'."
            ),
        )
    day = days.dt.normalize()
    train, test = (
        (day >= pd.Timestamp(first)) & (day <= pd.Timestamp(last))
        for first, last in (division.train, division.test)
    )
    return _mark(rows, train, test, "left out: of other days")


def _by_site(rows: ClinicalRows, division: Division) -> ClinicalRows:
    sites = rows.table["site"]
    if sites.isna().any():
        raise InvalidTableError(
            "SITE_MISSING",
            "A division by site needs the site of every row.",
            actual=f"{int(sites.isna().sum())} of {len(sites)} rows have none",
            hint=(
                "Fill in the column that the card names as clinical: site, or divide by"
                " patient: --set 'division={by: patient}'."
            ),
        )
    strange = sorted(set(division.sites) - set(sites))
    if strange:
        raise InvalidTableError(
            "SITE_UNKNOWN",
            "No row of the table is from a site that is to test.",
            expected=", ".join(sorted(set(sites))),
            actual=", ".join(strange),
            hint="Correct division.sites in the configuration.",
        )
    test = sites.isin(division.sites)
    return _mark(rows, ~test, test, "left out")


def _mark(rows: ClinicalRows, train: pd.Series, test: pd.Series, note: str) -> ClinicalRows:
    role = np.where(train, "train", np.where(test, "test", ""))
    n = int((role == "").sum())
    marked = ClinicalRows(rows.table.assign(role=role), rows.features, rows.classes, rows.notes)
    return marked.only(role != "", f"{counted(n, 'row')} {note}" if n else None)


def _once(rows: ClinicalRows) -> ClinicalRows:
    """Leave a group out of training that is in the test as well."""
    table = rows.table
    tested = set(table.loc[table["role"] == "test", "group_id"])
    again = (table["role"] == "train") & table["group_id"].isin(tested)
    n = int(again.sum())
    note = f"{counted(n, 'training row')} left out: of groups of the test" if n else None
    return rows.only(~again, note)


def _validation_groups(rows: ClinicalRows, share: float, seed: int) -> set[str]:
    """A share of the training groups of each class, drawn by chance."""
    table = rows.table[rows.table["role"] == "train"]
    positive = (table["label"] == rows.classes.positive).groupby(table["group_id"]).max()
    rng = np.random.default_rng(seed)
    chosen: set[str] = set()
    for side in (False, True):
        groups = positive.index[positive == side].sort_values().to_numpy()
        n = round(share * len(groups))
        chosen |= set(rng.permutation(groups)[:n])
    return chosen


def _with_roles(rows: ClinicalRows, splits: Splits, roles: tuple[str, ...]) -> ClinicalRows:
    table = splits.assign(rows.table.drop(columns="role", errors="ignore"), fold=0)
    counts = table.groupby("role")["label"].nunique()
    poor = [role for role in roles if counts.get(role, 0) < 2]
    if poor:
        raise InvalidTableError(
            "PART_EMPTY",
            "Training, validation or test rows lack a class.",
            expected=f"rows of {' and '.join(rows.classes.names)} in each role",
            actual=", ".join(poor),
            hint=(
                "Change the division's days, sites or parts, or add patients of the "
                "class that is missing."
            ),
        )
    return ClinicalRows(table, rows.features, rows.classes, rows.notes)

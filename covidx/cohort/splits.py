"""Splits by group. One that divides a group between roles cannot be built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from covidx.errors import ConfigError, InvalidTableError, LeakageError
from covidx.files import read_json, write_json
from covidx.tables import SPLITS, check, read_table, table_digest, write_table


@dataclass(frozen=True, eq=False)
class Splits:
    """Which group plays which role in which fold.

    Parameters
    ----------
    table : DataFrame
        As `tables.SPLITS`: group_id, patient_id, fold, role.
    seed : int
        The seed it was drawn with.

    Raises
    ------
    LeakageError
        ``GROUP_DIVIDED`` or ``PATIENT_DIVIDED``: one group or patient has two roles in a fold.
    """

    table: pd.DataFrame
    seed: int

    def __post_init__(self) -> None:
        table = check(self.table, SPLITS).sort_values(["fold", "group_id", "patient_id"])
        object.__setattr__(self, "table", table.reset_index(drop=True))
        for key, code in (("group_id", "GROUP_DIVIDED"), ("patient_id", "PATIENT_DIVIDED")):
            roles = table.groupby(["fold", key])["role"].nunique()
            divided = [str(name) for _, name in roles[roles > 1].index]
            if divided:
                raise LeakageError(
                    code,
                    f"The split puts one {key.removesuffix('_id')} into two roles.",
                    expected="one role in each fold",
                    actual=", ".join(divided[:5]) + (" …" if len(divided) > 5 else ""),
                    hint="Split by group: see covidx.cohort.make_splits.",
                )

    @property
    def sha256(self) -> str:
        """SHA-256 of the table's content."""
        return table_digest(self.table)

    @property
    def folds(self) -> list[int]:
        """The folds, ascending."""
        return sorted(int(fold) for fold in self.table["fold"].unique())

    def assign(self, manifest: pd.DataFrame, fold: int) -> pd.DataFrame:
        """Give `manifest` the columns fold and role of `fold`; refuse a group without a role.

        Raises
        ------
        LeakageError
            ``GROUP_WITHOUT_ROLE``: the manifest was regrouped after the split was made.
        """
        part = self.table[self.table["fold"] == fold]
        roles = dict(zip(part["group_id"], part["role"], strict=True))
        unknown = sorted(set(manifest["group_id"]) - set(roles))
        if unknown:
            raise LeakageError(
                "GROUP_WITHOUT_ROLE",
                "Some groups of this manifest are not in the split.",
                actual=", ".join(unknown[:5]),
                hint="Make the split again from this manifest.",
            )
        return manifest.assign(fold=fold, role=manifest["group_id"].map(roles))

    def save(self, path: Path) -> None:
        """Write the table to `path`, parquet, and beside it its seed and digest as JSON."""
        write_table(self.table, path, SPLITS)
        write_json(path.with_suffix(".json"), {"seed": self.seed, "sha256": self.sha256})

    @classmethod
    def load(cls, path: Path) -> Splits:
        """Read the split saved at `path`, and check that it is the one that was saved.

        Raises
        ------
        LeakageError
            ``SPLIT_CHANGED``, or as at construction.
        """
        stamp = read_json(path.with_suffix(".json"))
        splits = cls(read_table(path, SPLITS), int(stamp["seed"]))
        if splits.sha256 != stamp["sha256"]:
            raise LeakageError(
                "SPLIT_CHANGED",
                "The split is not the one that was saved.",
                path=path,
                expected=stamp["sha256"],
                actual=splits.sha256,
                hint=(
                    "Restore the table and the .json beside it from a copy, or train the run again."
                ),
            )
        return splits


def need_groups(groups: npt.NDArray[np.str_], positive: npt.NDArray[np.bool_], folds: int) -> None:
    """Refuse to cut training rows into inner folds of which one would lack a class.

    Parameters
    ----------
    groups : ndarray of str, shape (rows,)
        The group of each training row.
    positive : ndarray of bool, shape (rows,)
        Whether its class is the positive one.
    folds : int
        Inner folds.

    Raises
    ------
    InvalidTableError
        ``TOO_FEW_GROUPS``: a class has fewer groups than there are folds.
    """
    counts = [len(np.unique(groups[positive == side])) for side in (True, False)]
    if min(counts) < folds:
        raise InvalidTableError(
            "TOO_FEW_GROUPS",
            "There are too few training rows for the inner folds.",
            expected=f"{folds} independent groups of each class, or more",
            actual=f"{counts[0]} positive, {counts[1]} others",
            hint="Add patients, or set fewer inner folds (--set inner_folds=2).",
        )


def need_parts(rows: pd.DataFrame, parts: int) -> None:
    """Refuse rows of which a class cannot be in every part of a split.

    Parameters
    ----------
    rows : DataFrame
        With label and group_id.
    parts : int
        How many parts the groups of each class are cut into.

    Raises
    ------
    InvalidTableError
        ``ONE_CLASS``; ``TOO_FEW_GROUPS``.
    """
    counts = rows.groupby("label")["group_id"].nunique()
    if len(counts) < 2:
        raise InvalidTableError(
            "ONE_CLASS",
            "A classifier needs patients of at least two classes.",
            expected="two labels or more",
            actual=", ".join(f"{name}: {n}" for name, n in counts.items()) or "none",
            hint="Add patients of a second class, or correct the labels.",
        )
    if counts.min() < parts:
        raise InvalidTableError(
            "TOO_FEW_GROUPS",
            f"Each class needs at least {parts} independent groups (patients, sources).",
            expected=f">= {parts} a class",
            actual=", ".join(f"{name}: {n}" for name, n in counts.items()),
            hint="Add patients, or leave the rare class out of the labels.",
        )


def make_splits(
    manifest: pd.DataFrame,
    *,
    seed: int,
    parts: int = 5,
    folds: int = 1,
    validation: bool = True,
) -> Splits:
    """Cut the groups into `parts` of like size and label mix, and give them roles.

    In fold *i*, part *i* is the test set, the next one the validation set, the others train; so
    five folds test each group once.

    Parameters
    ----------
    manifest : DataFrame
        With group_id, patient_id and label.
    seed : int
        Of the division.
    parts : int
        At least 3.
    folds : int
        How many of the `parts` possible folds to keep.
    validation : bool
        False: that part trains as well, as where networks are cross-fitted (`inner_folds`).

    Raises
    ------
    ConfigError
        ``FOLDS_INVALID``: fewer than 3 parts, or more folds than parts.
    InvalidTableError
        ``ONE_CLASS``, or ``TOO_FEW_GROUPS`` where a class cannot be in every part.
    """
    _check_parts(parts, folds)
    rows = manifest.sort_values("image_id").reset_index(drop=True)
    need_parts(rows, parts)
    cutter = StratifiedGroupKFold(n_splits=parts, shuffle=True, random_state=seed)
    cut = cutter.split(rows, rows["label"], rows["group_id"])
    splits = _with_roles(rows, cut, parts, folds, seed)
    if validation:
        return splits
    return Splits(splits.table.replace({"role": {"validation": "train"}}), seed)


def inner_folds(rows: pd.DataFrame, folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Cut training rows by group into folds of like size and label mix.

    Parameters
    ----------
    rows : DataFrame
        Training rows, in any order: image_id, group_id and label.
    folds : int
        At least 2.
    seed : int
        Of the division.

    Returns
    -------
    ndarray of int64, shape (rows,)
        The fold that each row is in; it depends on the row and the others, not on their order.

    Raises
    ------
    InvalidTableError
        ``ONE_CLASS``, ``TOO_FEW_GROUPS``.
    """
    need_parts(rows, folds)
    order = rows["image_id"].argsort().to_numpy()
    ordered = rows.iloc[order]
    cutter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    fold = np.empty(len(rows), dtype=np.int64)
    for number, (_, held_out) in enumerate(
        cutter.split(ordered, ordered["label"], ordered["group_id"])
    ):
        fold[order[held_out]] = number
    return fold


def cut_groups(manifest: pd.DataFrame, *, seed: int, parts: int = 5) -> Splits:
    """One fold of groups cut into `parts` without regard to labels, as for segmentation.

    Parameters
    ----------
    manifest : DataFrame
        With group_id and patient_id.
    seed : int
        Of the division.
    parts : int
        At least 3: one to test, one to validate, the others to train.

    Raises
    ------
    ConfigError
        ``FOLDS_INVALID``.
    InvalidTableError
        ``TOO_FEW_GROUPS``.
    """
    _check_parts(parts, 1)
    rows = manifest.sort_values("image_id").reset_index(drop=True)
    groups = rows["group_id"].nunique()
    if groups < parts:
        raise InvalidTableError(
            "TOO_FEW_GROUPS",
            f"There must be at least {parts} independent groups (patients, sources).",
            expected=f">= {parts}",
            actual=groups,
            hint="Add patients, or set fewer parts (3 at least).",
        )
    cutter = GroupKFold(n_splits=parts, shuffle=True, random_state=seed)
    return _with_roles(rows, cutter.split(rows, groups=rows["group_id"]), parts, 1, seed)


def _check_parts(parts: int, folds: int) -> None:
    if parts < 3 or not 1 <= folds <= parts:
        raise ConfigError(
            "FOLDS_INVALID",
            "Training, validation and test need a part each, and every fold a test part.",
            expected="parts >= 3, 1 <= folds <= parts",
            actual=f"{parts} parts, {folds} folds",
        )


def _with_roles(
    rows: pd.DataFrame, cut: Iterable[tuple[Any, Any]], parts: int, folds: int, seed: int
) -> Splits:
    """Give roles to the parts of a cut, each a pair of all other rows and its own."""
    part = np.empty(len(rows), dtype=np.int64)
    for number, (_, members) in enumerate(cut):
        part[members] = number
    tables = []
    for fold in range(folds):
        roles = np.where(part == fold, "test", "train")
        roles = np.where(part == (fold + 1) % parts, "validation", roles)
        tables.append(rows[["group_id", "patient_id"]].assign(fold=fold, role=roles))
    return Splits(pd.concat(tables).drop_duplicates(ignore_index=True), seed)

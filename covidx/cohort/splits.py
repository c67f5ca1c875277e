"""Splits by group. One that divides a group between roles cannot be built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from covidx.cohort.folds import need_parts
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

"""Splits: none that leaks can be built, drawn or loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covidx.cohort import Splits, cut_groups, inner_folds, make_splits
from covidx.errors import ConfigError, InvalidTableError, LeakageError
from covidx.files import read_json, write_json
from covidx.tables import SPLITS, write_table


def manifest(groups: int = 30, seed: int = 0) -> pd.DataFrame:
    """One to three images a group, a third of the groups positive."""
    chance = np.random.default_rng(seed)
    rows = [
        {"group_id": f"g{g:02d}", "patient_id": f"p{g:02d}", "label": "normal" if g % 3 else "sick"}
        for g in range(groups)
        for _ in range(int(chance.integers(1, 4)))
    ]
    table = pd.DataFrame(rows).sample(frac=1, random_state=seed, ignore_index=True)
    return table.assign(image_id=[f"i{n:03d}" for n in chance.permutation(len(table))])


def split(*rows: tuple[str, str, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["group_id", "patient_id", "fold", "role"])


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([("g", "p", 0, "train"), ("g", "q", 0, "test")], "GROUP_DIVIDED"),
        ([("g", "p", 0, "train"), ("h", "p", 0, "validation")], "PATIENT_DIVIDED"),
        ([("g", "p", 0, "test"), ("g", "p", 1, "train"), ("g", "p", 1, "test")], "GROUP_DIVIDED"),
    ],
)
def test_a_split_that_leaks_cannot_be_built(
    rows: list[tuple[str, str, int, str]], code: str
) -> None:
    with pytest.raises(LeakageError, match=code):
        Splits(split(*rows), 0)


def test_another_role_in_another_fold_is_no_leak() -> None:
    built = Splits(split(("g", "p", 1, "train"), ("g", "p", 0, "test")), 0)
    assert built.folds == [0, 1]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_built_divides_nobody(seed: int) -> None:
    """Random tables: each is either refused or free of leaks, never wrongly either."""
    chance = np.random.default_rng(seed)
    n = int(chance.integers(2, 9))
    table = pd.DataFrame(
        {
            "group_id": chance.choice(list("ABCDEF"), n),
            "patient_id": chance.choice(list("uvwxyz"), n),
            "fold": chance.integers(0, 2, n),
            "role": chance.choice(["train", "validation", "test"], n),
        }
    )
    leaks = any(
        table.loc[(table[key] == row[key]) & (table["fold"] == row["fold"]), "role"].nunique() > 1
        for key in ("group_id", "patient_id")
        for _, row in table.iterrows()
    )
    if leaks:
        with pytest.raises(LeakageError):
            Splits(table, seed)
    else:
        assert len(Splits(table, seed).table) == n


def test_five_folds_test_each_group_once() -> None:
    made = make_splits(manifest(), seed=1, folds=5).table
    once = made[made["role"] == "test"].groupby("group_id")["fold"].nunique()
    assert len(once) == 30 and (once == 1).all()
    for _, fold in made.groupby("fold"):
        assert set(fold["role"]) == {"train", "validation", "test"}
        assert fold["group_id"].nunique() == 30


def test_parts_have_like_label_mixes() -> None:
    rows = manifest(60)
    made = make_splits(rows, seed=3)
    shares = made.assign(rows, 0).groupby("role")["label"].apply(lambda s: (s == "sick").mean())
    assert shares.between(0.2, 0.47).all(), shares.to_dict()  # a third overall


def test_the_same_seed_gives_the_same_split_whatever_the_order_of_rows() -> None:
    rows = manifest()
    again = rows.sample(frac=1, random_state=9)
    assert make_splits(rows, seed=4).sha256 == make_splits(again, seed=4).sha256
    assert make_splits(rows, seed=4).sha256 != make_splits(rows, seed=5).sha256


def test_assign_gives_each_row_its_groups_role() -> None:
    rows = manifest()
    made = make_splits(rows, seed=0, folds=2)
    assigned = made.assign(rows, 1)
    roles = made.table[made.table["fold"] == 1].set_index("group_id")["role"].to_dict()
    assert assigned["role"].tolist() == [roles[g] for g in rows["group_id"]]
    assert set(assigned["fold"]) == {1}


def test_a_manifest_that_was_regrouped_is_refused() -> None:
    rows = manifest()
    with pytest.raises(LeakageError, match="GROUP_WITHOUT_ROLE") as caught:
        make_splits(rows, seed=0).assign(rows.replace("g07", "new"), 0)
    assert caught.value.actual == "new"


def test_saved_and_loaded(tmp_path: Path) -> None:
    made = make_splits(manifest(), seed=7, folds=2)
    made.save(tmp_path / "splits.parquet")
    back = Splits.load(tmp_path / "splits.parquet")
    assert (back.seed, back.sha256) == (7, made.sha256)
    pd.testing.assert_frame_equal(back.table, made.table)


def test_a_split_that_was_edited_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "splits.parquet"
    made = make_splits(manifest(), seed=7)
    made.save(path)
    moved = made.table.assign(role=made.table["role"].replace({"validation": "train"}))
    write_table(moved, path, SPLITS)
    with pytest.raises(LeakageError, match="SPLIT_CHANGED"):
        Splits.load(path)
    made.save(path)
    stamp = path.with_suffix(".json")
    write_json(stamp, read_json(stamp) | {"sha256": "0" * 64})
    with pytest.raises(LeakageError, match="SPLIT_CHANGED"):
        Splits.load(path)


def test_one_class_is_refused() -> None:
    with pytest.raises(InvalidTableError, match="ONE_CLASS"):
        make_splits(manifest().assign(label="sick"), seed=0)


def test_many_images_of_few_groups_are_few() -> None:
    rows = pd.concat([manifest(), manifest().assign(label="rare", group_id="g", patient_id="p")])
    with pytest.raises(InvalidTableError, match="TOO_FEW_GROUPS") as caught:
        make_splits(rows.assign(image_id=range(len(rows))), seed=0)
    assert "rare: 1" in str(caught.value.actual)


@pytest.mark.parametrize(("parts", "folds"), [(2, 1), (5, 6), (5, 0)])
def test_folds_that_would_lack_a_role_are_refused(parts: int, folds: int) -> None:
    with pytest.raises(ConfigError, match="FOLDS_INVALID"):
        make_splits(manifest(), seed=0, parts=parts, folds=folds)


def test_groups_are_cut_without_labels() -> None:
    rows = pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(20)],
            "patient_id": [f"p{k // 2}" for k in range(20)],
            "group_id": [f"g{k // 4}" for k in range(20)],
        }
    )
    splits = cut_groups(rows, seed=1, parts=5)
    counts = splits.assign(rows, 0).groupby("role")["group_id"].nunique()
    assert counts.to_dict() == {"test": 1, "train": 3, "validation": 1}
    assert cut_groups(rows.sample(frac=1, random_state=2), seed=1).sha256 == splits.sha256
    assert {cut_groups(rows, seed=s).sha256 for s in range(4)} != {splits.sha256}
    with pytest.raises(InvalidTableError, match="TOO_FEW_GROUPS"):
        cut_groups(rows, seed=1, parts=6)


def test_inner_folds_divide_no_group_and_do_not_depend_on_the_order() -> None:
    rows = manifest()
    folds = pd.Series(inner_folds(rows, 3, seed=1), index=rows["image_id"])
    by_group = folds.groupby(rows.set_index("image_id")["group_id"]).nunique()
    assert (by_group == 1).all()
    assert (rows.set_index("image_id").groupby(folds)["label"].nunique() == 2).all()
    mixed = rows.sample(frac=1, random_state=9)
    again = pd.Series(inner_folds(mixed, 3, seed=1), index=mixed["image_id"])
    pd.testing.assert_series_equal(again.sort_index(), folds.sort_index())


def test_a_split_without_validation_tests_the_same_groups() -> None:
    rows = manifest()
    with_it, without = (make_splits(rows, seed=0, validation=v).table for v in (True, False))
    assert set(without["role"]) == {"train", "test"}
    assert set(without.loc[without["role"] == "test", "group_id"]) == set(
        with_it.loc[with_it["role"] == "test", "group_id"]
    )

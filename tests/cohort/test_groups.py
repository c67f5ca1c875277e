"""Groups: what shares a patient, a source or a picture stays together, however indirectly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from covidx.cohort import Duplicate, group_images


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image_id", "patient_id", "group_id"])


def test_union_is_transitive() -> None:
    rows = table(
        ("i1", "p1", "s1"),
        ("i2", "p2", "s1"),  # s1 joins p1 and p2
        ("i3", "p2", "s2"),  # p2 joins s1 and s2
        ("i4", "p4", "s3"),  # its picture is that of i3
        ("i5", "p5", "s4"),
    )
    grouped = group_images(rows, [Duplicate("i3", "i4", 0, 1.0)])
    assert grouped["group_id"].tolist() == ["s1", "s1", "s1", "s1", "s4"]
    assert rows["group_id"].tolist() == ["s1", "s1", "s2", "s3", "s4"]  # untouched


def test_index_and_order_of_rows_do_not_matter() -> None:
    rows = table(("a", "p1", "g3"), ("b", "p2", "g2"), ("c", "p1", "g1"))
    rows.index = pd.Index([7, 3, 5])
    grouped = group_images(rows)
    assert grouped["group_id"].to_dict() == {7: "g1", 3: "g2", 5: "g1"}


@pytest.mark.parametrize("seed", range(15))
def test_the_same_clusters_as_by_repeated_merging(seed: int) -> None:
    chance = np.random.default_rng(seed)
    n = 14
    rows = table(
        *((f"i{k}", f"p{chance.integers(12)}", f"g{chance.integers(12)}") for k in range(n))
    )
    pairs = [tuple(chance.choice(n, 2, replace=False)) for _ in range(3)]
    label = list(range(n))
    together = [
        (a, b)
        for a in range(n)
        for b in range(n)
        if rows.patient_id[a] == rows.patient_id[b]
        or rows.group_id[a] == rows.group_id[b]
        or (a, b) in pairs
    ]
    for _ in range(n):
        for a, b in together:
            label[a] = label[b] = min(label[a], label[b])
    grouped = group_images(rows, [Duplicate(f"i{a}", f"i{b}", 0, 1.0) for a, b in pairs])
    ours = grouped["group_id"]
    same = np.equal.outer(label, label)
    np.testing.assert_array_equal(np.equal.outer(ours.to_numpy(), ours.to_numpy()), same)

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from covidx.errors import InvalidTableError
from covidx.evaluate import (
    OperatingPoint,
    Rows,
    System,
    align,
    compare_systems,
    paired_difference,
)
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions

POINT = OperatingPoint(0.5, "youden", "validation, n = 30 (10 positive)")


def _system(
    name: str, scores: np.ndarray, point: OperatingPoint | None = POINT, **how: object
) -> System:
    return System(name, Rows.of(predictions(scores, ref.TRUTH, **how), "covid-19"), point)  # type: ignore[arg-type]


A, B = _system("a", ref.SCORES_A), _system("b", ref.SCORES_B)


def test_values_as_scikit_learn() -> None:
    (found,) = compare_systems(align([A, B]), resamples=300)
    truth, (a, b) = ref.TRUTH, (ref.SCORES_A, ref.SCORES_B)
    expected = {
        "auroc": sk.roc_auc_score(truth, a) - sk.roc_auc_score(truth, b),
        "average_precision": sk.average_precision_score(truth, a)
        - sk.average_precision_score(truth, b),
        "brier": sk.brier_score_loss(truth, a) - sk.brier_score_loss(truth, b),
        "sensitivity": sk.recall_score(truth, a >= 0.5) - sk.recall_score(truth, b >= 0.5),
        "specificity": sk.recall_score(~truth, a < 0.5) - sk.recall_score(~truth, b < 0.5),
    }
    expected["auroc_delong"] = expected["auroc"]
    assert set(found.differences) == set(expected)
    for name, value in expected.items():
        one = found.differences[name]
        assert one.value == pytest.approx(value), name
        assert one.low < value < one.high, name
    assert found.tests["auroc"].p == pytest.approx(ref.PROC_TEST[1])
    assert (found.differences["sensitivity"].n, found.differences["specificity"].n) == (20, 40)
    by_hand = sum((ref.SCORES_A >= 0.5) != (ref.SCORES_B >= 0.5))
    assert found.tests["accuracy"].n == 60
    assert by_hand == sum(ref.STATSMODELS_MCNEMAR[:2])


def test_the_paired_interval_is_that_of_paired_difference() -> None:
    (found,) = compare_systems(align([A, B]), resamples=300)
    order = np.argsort([f"u{i}" for i in range(60)])
    expected = paired_difference(
        ref.SCORES_A[order], ref.SCORES_B[order], ref.TRUTH[order], np.arange(60), resamples=300
    )
    one = found.differences["auroc"]
    assert (one.value, one.low, one.high) == pytest.approx(
        (expected.value, expected.low, expected.high), abs=0.02
    )


def test_the_order_of_rows_does_not_matter() -> None:
    shuffled = predictions(ref.SCORES_B, ref.TRUTH).sample(frac=1, random_state=0)
    other = System("b", Rows.of(shuffled, "covid-19"), POINT)
    (one,), (two,) = (compare_systems(align([A, s]), resamples=100) for s in (B, other))
    assert one.to_json() == two.to_json()


def test_three_systems_are_corrected_over_their_pairs() -> None:
    third = _system("c", 1 - ref.SCORES_A)
    found = compare_systems(align([A, B, third]), resamples=100)
    assert [(c.first, c.second) for c in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert {c.tests["auroc"].family for c in found} == {3}
    least = min(found, key=lambda c: c.tests["auroc"].p).tests["auroc"]
    assert least.adjusted == pytest.approx(3 * least.p)
    assert len(compare_systems(align([A, B, third]), against_first=True, resamples=100)) == 2


def test_clusters_have_intervals_and_no_tests() -> None:
    grouped = [
        _system("a", ref.SCORES_A, groups=ref.GROUPS),
        _system("b", ref.SCORES_B, groups=ref.GROUPS),
    ]
    (found,) = compare_systems(align(grouped), resamples=300)
    assert "auroc_delong" not in found.differences
    assert "15 groups" in found.differences["auroc"].method
    for test in found.tests.values():
        assert math.isnan(test.p)
        assert "invalid" in str(test.reason)


def test_groups_that_one_table_knows_hold_for_all() -> None:
    grouped = _system("b", ref.SCORES_B, groups=ref.GROUPS)
    for pair in ([A, grouped], [grouped, A]):
        assert [s.rows.clusters.n_groups for s in align(pair)] == [15, 15]


def test_without_a_threshold_ranks_are_still_compared() -> None:
    (found,) = compare_systems(align([A, _system("b", ref.SCORES_B, None)]), resamples=100)
    assert found.differences["sensitivity"].reason == "a system has no threshold"
    assert math.isnan(found.tests["specificity"].p)
    assert not math.isnan(found.tests["auroc"].p)


def test_unequal_patients_are_named() -> None:
    fewer = predictions(ref.SCORES_B, ref.TRUTH).iloc[:57]
    other = System("b", Rows.of(fewer, "covid-19"), POINT)
    for pair in ([A, other], [other, A]):
        with pytest.raises(InvalidTableError, match="u57, u58, u59") as caught:
            align(pair)
        assert caught.value.code == "UNEQUAL_PATIENTS"


def test_unequal_labels_are_named() -> None:
    truth = ref.TRUTH.copy()
    truth[7] = ~truth[7]
    other = System("b", Rows.of(predictions(ref.SCORES_B, truth), "covid-19"), POINT)
    with pytest.raises(InvalidTableError, match="u7") as caught:
        align([A, other])
    assert caught.value.code == "UNEQUAL_TRUTH"


def test_rows_of_folds_are_compared_within_their_fold() -> None:
    folds = np.arange(60) % 2
    a, b = (_system(n, s, folds=folds) for n, s in (("a", ref.SCORES_A), ("b", ref.SCORES_B)))
    (found,) = compare_systems(align([a, b]), resamples=100)
    areas = [
        sk.roc_auc_score(ref.TRUTH[folds == k], s[folds == k])
        for s in (ref.SCORES_A, ref.SCORES_B)
        for k in (0, 1)
    ]
    auroc = found.differences["auroc"]
    assert auroc.value == pytest.approx(np.mean(areas[:2]) - np.mean(areas[2:]))
    assert "mean of 2 folds" in auroc.method and auroc.low < auroc.value < auroc.high
    assert "mean of 2 folds" in found.tests["auroc"].method
    one_model = align([a, _system("b", ref.SCORES_B)])  # that scored the rows of both folds
    assert compare_systems(one_model, resamples=100)[0].differences["auroc"].value == auroc.value


def test_unequal_folds_are_named() -> None:
    a, b = (_system(n, ref.SCORES_A, folds=np.arange(60) % k) for n, k in (("a", 2), ("b", 3)))
    with pytest.raises(InvalidTableError, match="differ on folds") as caught:
        align([a, b])
    assert caught.value.code == "UNEQUAL_FOLDS"


def test_each_fold_is_called_at_its_own_threshold() -> None:
    points = {k: OperatingPoint(0.4 + k / 5, "youden", "validation") for k in (0, 1)}
    rows = Rows.of(predictions(ref.SCORES_A, ref.TRUTH, folds=np.arange(60) % 2), "covid-19")
    system = System("a", rows, None, points)
    assert system.decides
    assert (system.called == (np.where(np.arange(60) % 2 == 0, 0.4, 0.6) <= ref.SCORES_A)).all()
    assert system.in_fold(1).point == points[1]


@pytest.mark.parametrize("per_group", [1, 3])
def test_three_discordant_pairs_of_24_hold_0(per_group: int) -> None:
    """Copies of a patient's image add nothing: the interval is about that of 24 patients."""
    right = np.repeat(np.arange(40) < 24, per_group)
    groups = np.arange(40 * per_group) // per_group
    systems = [
        System(name, Rows.of(predictions(
            np.where(right & (groups < reached), 0.8, 0.2), right, groups=groups
        ), "covid-19"), POINT)
        for name, reached in (("a", 21), ("b", 18))
    ]  # fmt: skip
    one = compare_systems(align(systems), resamples=100)[0].differences["sensitivity"]
    assert one.value == pytest.approx(3 / 24)
    assert (one.low, one.high) == pytest.approx((-0.038, 0.297), abs=0.02)

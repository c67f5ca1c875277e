from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from covidx.errors import InvalidInputError, InvalidTableError
from covidx.evaluate import (
    Evaluation,
    EvaluationOptions,
    Tables,
    ThresholdRule,
    evaluate,
    evaluate_study,
    make_study,
)
from covidx.evaluate.decision_curve import THRESHOLDS
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions

QUICK = EvaluationOptions(resamples=100)
YOUDEN = ThresholdRule()


def two_roles(scores: np.ndarray, arm: str = "p1", **how: object) -> pd.DataFrame:
    """Every other patient is for validation."""
    table = predictions(np.repeat(scores, 2), np.repeat(ref.TRUTH, 2), **how)  # type: ignore[arg-type]
    role = np.where(np.arange(120) % 2 == 0, "validation", "test")
    return table.assign(role=role, arm=arm, arms_used=arm)


def _evaluated(
    table: pd.DataFrame, options: EvaluationOptions = QUICK, **given: object
) -> Evaluation:
    study = make_study(table, YOUDEN, arm="p1")
    return evaluate_study(study, options, Tables(**given))  # type: ignore[arg-type]


def test_its_metrics_are_those_of_evaluate() -> None:
    table = two_roles(ref.SCORES_A)
    found = _evaluated(table)
    assert found.study.point is not None
    test = table[table["role"] == "test"]
    expected = evaluate(test, "covid-19", found.study.point, resamples=100)
    assert found.metrics.to_json() == expected.to_json()
    assert len(found.selective) > 1
    assert found.left_out == {}


def test_test_rows_alone_leave_out_what_needs_a_threshold() -> None:
    found = _evaluated(predictions(ref.SCORES_A, ref.TRUTH))
    assert found.selective == []
    assert found.predictive == []
    assert set(found.left_out) == {"abstention", "predictive values by prevalence"}
    assert len(found.net_benefit) > 1


def test_a_calibration_needs_validation_rows() -> None:
    with pytest.raises(InvalidTableError) as caught:
        _evaluated(
            predictions(ref.SCORES_A, ref.TRUTH),
            EvaluationOptions(calibrate="platt", resamples=100),
        )
    assert caught.value.code == "CALIBRATION_NO_ROWS"


def test_the_decision_curve_takes_recalibrated_scores() -> None:
    table = two_roles(np.clip(ref.SCORES_A / 3, 0, 1))
    plain, mended = (
        _evaluated(table, EvaluationOptions(calibrate=how, resamples=100))
        for how in (None, "platt")
    )
    k = THRESHOLDS.index(0.35)
    assert plain.net_benefit[k].model.value == 0  # no score reaches 0.35 before
    assert mended.net_benefit[k].model.value > 0


def test_the_decision_curves_of_all_arms_stand_side_by_side() -> None:
    table = pd.concat([two_roles(ref.SCORES_A), two_roles(np.clip(ref.SCORES_B / 3, 0, 1), "p2")])
    studies = [make_study(table, YOUDEN, arm=arm) for arm in ("p1", "p2")]
    k = THRESHOLDS.index(0.35)
    for how in (None, "platt"):
        options = EvaluationOptions(calibrate=how, resamples=100)
        found = evaluate_study(studies[0], options, Tables(), others=studies[1:])
        assert found.incremental is not None
        curves = found.incremental.net_benefit
        assert list(curves) == ["p1", "p2"]
        # the same rows in another order: other draws, the same value
        assert curves["p1"][k].model.value == pytest.approx(found.net_benefit[k].model.value)
        # as p2's own evaluation has it, which recalibrates p2 on its own validation rows
        own = evaluate_study(studies[1], options, Tables())
        assert curves["p2"][k].model.value == pytest.approx(own.net_benefit[k].model.value)
        assert (curves["p2"][k].model.value > 0) == (how == "platt")


def test_what_an_arm_adds_to_the_others() -> None:
    table = pd.concat([two_roles(ref.SCORES_A), two_roles(ref.SCORES_B, "p2")])
    studies = [make_study(table, YOUDEN, arm=arm) for arm in ("p1", "p2")]
    found = evaluate_study(studies[0], QUICK, Tables(), others=studies[1:])
    assert found.incremental is not None
    (one,) = found.incremental.differences
    assert (one.first, one.second) == ("p1", "p2")
    assert one.differences["auroc"].value == pytest.approx(ref.PROC_A[0] - ref.PROC_B[0])
    fewer = pd.concat([two_roles(ref.SCORES_A), two_roles(ref.SCORES_B, "p2").iloc[4:]])
    studies = [make_study(fewer, YOUDEN, arm=arm) for arm in ("p1", "p2")]
    found = evaluate_study(studies[0], QUICK, Tables(), others=studies[1:])
    assert found.incremental is not None
    assert (found.incremental.n, found.incremental.lacking) == (58, {"p1": 2, "p2": 0})
    assert found.left_out == {}


def test_a_shortcut_is_warned_of() -> None:
    clinical = pd.DataFrame(
        {
            "patient_id": [f"p{i}" for i in range(120)],
            "site": np.where(np.repeat(ref.TRUTH, 2), "ward", "clinic"),
        }
    )
    (line,) = _evaluated(two_roles(ref.SCORES_A), clinical=clinical).warnings
    assert "site and the label" in line


def test_a_reader_of_other_patients_is_said_to_be_left_out() -> None:
    reads = pd.DataFrame(
        {"key": "patient_id", "id": ["p1", "x9"], "reader": ["A", "B"], "read": 1, "rated": False}
    )
    found = _evaluated(two_roles(ref.SCORES_A), reads=reads)
    assert [reader.name for reader in found.readers] == ["A"]
    assert found.left_out["reader B"] == "read none of the test rows"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"prevalences": (0.1, 1.0)}, "PREVALENCE_RANGE"),
        ({"resamples": 10}, "RESAMPLES_RANGE"),
    ],
)
def test_options_out_of_range(options: dict[str, object], code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        EvaluationOptions(**options)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_a_normal_ct_must_be_said_by_a_table() -> None:
    with pytest.raises(InvalidInputError) as caught:
        _evaluated(
            two_roles(ref.SCORES_A), EvaluationOptions(normal_ct="finding=normal", resamples=100)
        )
    assert caught.value.code == "NORMAL_CT_NO_TABLE"


def test_folds_are_not_ranked_together() -> None:
    """The second fold's model gives scores ten times smaller: each ranks its own rows as before."""
    folds = np.arange(60) % 2
    table = predictions(
        np.where(folds == 1, ref.SCORES_A / 10, ref.SCORES_A), ref.TRUTH, folds=folds
    )
    found = _evaluated(table)
    areas = [roc_auc_score(ref.TRUTH[folds == k], ref.SCORES_A[folds == k]) for k in (0, 1)]
    auroc = found.metrics["auroc"]
    assert auroc.value == pytest.approx(np.mean(areas))
    assert auroc.low < auroc.value < auroc.high and "mean of 2 folds" in auroc.method
    assert "means of the folds" in found.warnings[0]
    assert found.metrics.confusion.sum() == found.metrics.n == 60


def test_folds_at_their_own_thresholds() -> None:
    test = predictions(ref.SCORES_A, ref.TRUTH, folds=np.arange(60) // 30)
    table = pd.concat([test, test.assign(fold=1 - test["fold"], role="validation")])
    found = _evaluated(table)
    points = found.study.fold_points
    called = np.where(np.arange(60) < 30, points[0].threshold, points[1].threshold) <= ref.SCORES_A
    shares = [called[ref.TRUTH & (np.arange(60) // 30 == k)].mean() for k in (0, 1)]
    assert found.metrics["sensitivity"].value == pytest.approx(np.mean(shares))
    assert "--fold" in found.left_out["abstention"]
    assert found.metrics.point is None and found.metrics["sensitivity"].threshold is None


def test_few_patients_are_warned_of() -> None:
    few = predictions(ref.SCORES_A[:39], ref.TRUTH[:39])
    assert "Few patients: 39 independent patients or groups, 13 of" in _evaluated(few).warnings[0]
    assert _evaluated(predictions(ref.SCORES_A, ref.TRUTH)).warnings == []


def test_the_user_may_state_that_groups_are_all_that_is_not_independent() -> None:
    table = predictions(ref.SCORES_A, ref.TRUTH).assign(
        patient_id=[f"p{i // 4}" for i in range(60)]
    )
    studies = [make_study(table, YOUDEN, by_group_alone=alone) for alone in (False, True)]
    assert [study.rows.clusters.n_groups for study in studies] == [15, 60]


def test_reads_of_nobody_are_said_to_be_left_out() -> None:
    reads = pd.DataFrame(
        {"key": "patient_id", "id": ["p1", "x9"], "reader": "A", "read": 1, "rated": False}
    )
    found = _evaluated(two_roles(ref.SCORES_A), reads=reads)
    assert found.left_out["reads"] == "1 belong to no test row: x9"

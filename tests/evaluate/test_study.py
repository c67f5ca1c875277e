from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from covidx.errors import InvalidInputError, InvalidTableError, LeakageError
from covidx.evaluate import ThresholdRule, make_study
from covidx.evaluate.positive import positive_class
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions

YOUDEN = ThresholdRule()


def _both(**how: object) -> pd.DataFrame:
    table = predictions(ref.SCORES_A, ref.TRUTH)
    return table.assign(role=np.where(np.arange(60) < 30, "validation", "test"), **how)


def test_the_threshold_comes_from_validation_rows() -> None:
    table = _both()
    study = make_study(table, YOUDEN)
    assert (len(study.rows), study.positive, study.arm) == (30, "covid-19", "p1")
    assert study.point is not None
    assert study.point.origin == "validation, n = 30 (10 positive)"
    changed = table.copy()
    test = changed["role"] == "test"
    changed.loc[test, ["prob_covid-19", "prob_rest"]] = 0.5
    assert make_study(changed, YOUDEN).point == study.point


def test_test_rows_alone_have_no_threshold() -> None:
    study = make_study(predictions(ref.SCORES_A, ref.TRUTH), YOUDEN)
    assert study.point is None
    assert study.validation_rows is None


def test_a_given_threshold_with_its_origin() -> None:
    how = ThresholdRule(threshold=0.3, origin="the maker, on other hospitals")
    point = make_study(predictions(ref.SCORES_A, ref.TRUTH), how).point
    assert point is not None
    assert (point.threshold, point.text) == (0.3, "fixed beforehand: the maker, on other hospitals")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"threshold": 0.3}, "THRESHOLD_ORIGIN"),
        ({"threshold": 0.3, "origin": "  "}, "THRESHOLD_ORIGIN"),
        ({"origin": "the maker"}, "THRESHOLD_ORIGIN"),
        ({"threshold": 1.5, "origin": "the maker"}, "THRESHOLD_RANGE"),
    ],
)
def test_threshold_and_origin_belong_together(given: dict[str, object], code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        ThresholdRule(**given)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_a_target_that_does_not_fit_is_a_known_error() -> None:
    with pytest.raises(InvalidInputError, match="target") as caught:
        make_study(_both(), ThresholdRule("sensitivity"))
    assert caught.value.code == "TARGET_INVALID"


def test_several_arms_must_be_chosen_from() -> None:
    table = pd.concat([_both(), _both(arm="p2")])
    with pytest.raises(InvalidTableError, match="p1, p2") as caught:
        make_study(table, YOUDEN)
    assert caught.value.code == "ARM_UNKNOWN"
    with pytest.raises(InvalidTableError, match="p9"):
        make_study(table, YOUDEN, arm="p9")
    assert make_study(table, YOUDEN, arm="p2").arm == "p2"


def test_folds_with_thresholds_of_their_own_must_be_chosen_from() -> None:
    table = pd.concat([_both(), _both(fold=1)])
    with pytest.raises(InvalidTableError, match="0, 1") as caught:
        make_study(table, YOUDEN)
    assert caught.value.code == "FOLD_UNKNOWN"
    assert set(make_study(table, YOUDEN, fold=1).test["fold"]) == {1}


def test_one_class_and_no_test_rows() -> None:
    positives = predictions(np.linspace(0.1, 0.9, 5), np.ones(5, dtype=bool))
    with pytest.raises(InvalidTableError, match="5 covid-19, 0 rest") as caught:
        make_study(positives, YOUDEN)
    assert caught.value.code == "ONE_CLASS"
    with pytest.raises(InvalidTableError) as caught:
        make_study(predictions(ref.SCORES_A, ref.TRUTH, role="validation"), YOUDEN)
    assert caught.value.code == "NO_TEST_ROWS"


def test_the_positive_class() -> None:
    table = predictions(ref.SCORES_A, ref.TRUTH)
    assert make_study(table, YOUDEN, positive="rest").positive == "rest"
    other = table.rename(columns={"prob_covid-19": "prob_tb"})
    other["label"] = other["label"].replace("covid-19", "tb")
    assert make_study(other, YOUDEN).positive == "tb"
    with pytest.raises(InvalidTableError) as caught:
        make_study(table, YOUDEN, positive="flu")
    assert caught.value.code == "CLASS_UNKNOWN"


def test_an_unknown_role_is_not_passed_over() -> None:
    table = _both()
    table.loc[4, "role"] = "exam"
    with pytest.raises(InvalidTableError, match="exam") as caught:
        make_study(table, YOUDEN)
    assert caught.value.code == "ROLE_UNKNOWN"


def test_a_group_on_both_sides_is_a_leak() -> None:
    table = _both()
    table.loc[59, "group_id"] = "g3"
    with pytest.raises(LeakageError, match="g3") as caught:
        make_study(table, YOUDEN)
    assert caught.value.code == "GROUP_IN_TWO_ROLES"


@pytest.mark.parametrize(
    "roles", [("validation", "test"), ("train", "test"), ("train", "validation")]
)
def test_a_patient_of_two_roles_is_a_leak_whatever_its_groups(roles: tuple[str, str]) -> None:
    table = predictions(ref.SCORES_A, ref.TRUTH)
    parts = [table.assign(role="test", patient_id="x" + table["patient_id"])]
    for role in roles:
        part = table.iloc[:10].assign(role=role, group_id=role + table["group_id"])
        parts.append(part.assign(unit_id=role + table["unit_id"]))
    with pytest.raises(LeakageError, match=r"patient_id|p0") as caught:
        make_study(pd.concat(parts), YOUDEN)
    assert caught.value.code == "GROUP_IN_TWO_ROLES"


def test_a_training_row_may_have_an_out_of_fold_score() -> None:
    """A later training scores its own patients by models that had not seen them."""
    table = _both().replace({"role": {"validation": "out-of-fold"}})
    trained = table[table["role"] == "out-of-fold"].assign(role="train")
    study = make_study(pd.concat([table, trained]), YOUDEN)
    assert study.point is not None and study.point.origin.startswith("out-of-fold, n = 30")
    with pytest.raises(LeakageError):
        make_study(pd.concat([table, table.assign(role="train")]), YOUDEN)


def _in_folds() -> pd.DataFrame:
    """Patients 0 to 29 are tested in fold 0 and validate fold 1, the others the other way round."""
    test = predictions(ref.SCORES_A, ref.TRUTH, folds=np.arange(60) // 30)
    return pd.concat([test, test.assign(fold=1 - test["fold"], role="validation")])


def test_each_fold_has_the_threshold_of_its_own_validation_rows() -> None:
    study = make_study(_in_folds(), YOUDEN)
    assert study.point is None and study.validation_rows is None
    assert study.folds == [0, 1]
    for fold, point in study.fold_points.items():
        assert point == make_study(_in_folds(), YOUDEN, fold=fold).point
    fixed = make_study(
        _in_folds()[lambda t: t["role"] == "test"], ThresholdRule(threshold=0.5, origin="maker")
    )
    assert fixed.point is not None and not fixed.fold_points


@pytest.mark.parametrize(
    ("classes", "positive"),
    [
        (["0", "1"], "1"), (["negative", "positive"], "positive"),
        (["COVID", "Non-COVID"], "COVID"),
        (["normal", "tb"], "tb"), (["normal", "pneumonia", "covid-19"], "covid-19"),
        (["No Finding", "Pneumonia"], "Pneumonia"), (["covid_neg", "covid_pos"], "covid_pos"),
    ],
)  # fmt: skip
def test_names_say_which_class_is_positive(classes: list[str], positive: str) -> None:
    for order in (classes, classes[::-1]):
        assert positive_class(order) == positive


@pytest.mark.parametrize("classes", [["x", "y"], ["1", "2"], ["viral", "bacterial", "normal"]])
def test_the_order_of_columns_decides_nothing(classes: list[str]) -> None:
    with pytest.raises(InvalidInputError, match="--positive") as caught:
        positive_class(classes)
    assert caught.value.code == "POSITIVE_UNKNOWN"

from __future__ import annotations

import numpy as np
import pytest

from covidx.errors import InvalidTableError, LeakageError
from covidx.evaluate import OperatingPoint, choose_operating_point
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions


def _validation(scores: list[float], truth: list[int]) -> object:
    return predictions(np.array(scores), np.array(truth, dtype=bool), role="validation")


def test_youden_as_proc() -> None:
    table = predictions(ref.SCORES_A, ref.TRUTH, role="validation")
    point = choose_operating_point(table, "covid-19")
    threshold, sensitivity, specificity = ref.PROC_AT
    assert sensitivity + specificity - 1 == pytest.approx(ref.PROC_YOUDEN_A)
    assert point.threshold == pytest.approx(threshold, abs=1e-12)
    called = point.decide(ref.SCORES_A)
    assert called[ref.TRUTH].mean() == pytest.approx(sensitivity)
    assert (~called)[~ref.TRUTH].mean() == pytest.approx(specificity)
    assert point.origin == "validation, n = 60 (20 positive)"
    assert point.text == "youden on validation, n = 60 (20 positive)"


def test_midway_between_neighbours() -> None:
    point = choose_operating_point(_validation([0.1, 0.3, 0.7, 0.9], [0, 0, 1, 1]), "covid-19")
    assert point.threshold == pytest.approx(0.5)


def test_ties_take_the_lower_threshold() -> None:
    # J = 1/2 both at 0.45 (all positives, half the negatives) and at 0.75 (half, none).
    point = choose_operating_point(_validation([0.4, 0.5, 0.6, 0.9], [0, 1, 0, 1]), "covid-19")
    assert point.threshold == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("rule", "target", "threshold"),
    [
        ("sensitivity", 1.0, 0.35),
        ("sensitivity", 0.5, 0.75),
        ("sensitivity", 0.0, 0.95),  # above the highest score
        ("specificity", 1.0, 0.75),
        ("specificity", 0.5, 0.35),
        ("specificity", 0.0, 0.0),  # below the lowest
    ],
)
def test_targets(rule: str, target: float, threshold: float) -> None:
    table = _validation([0.3, 0.4, 0.6, 0.9], [0, 1, 0, 1])
    point = choose_operating_point(table, "covid-19", rule=rule, target=target)
    assert point.threshold == pytest.approx(threshold)
    assert point.rule == f"{rule} >= {target:g}"


def test_scores_without_a_number_between_them() -> None:
    low, high = 0.5, float(np.nextafter(0.5, 1))
    point = choose_operating_point(_validation([low, high], [0, 1]), "covid-19")
    assert point.decide(np.array([low, high])).tolist() == [False, True]


def test_scores_of_one_can_be_called_negative() -> None:
    table = _validation([1.0, 1.0, 0.0], [0, 1, 0])
    point = choose_operating_point(table, "covid-19", rule="specificity", target=1.0)
    assert not point.decide(np.array([1.0])).any()


@pytest.mark.parametrize("role", ["test", "train"])
def test_other_roles_are_refused(role: str) -> None:
    table = predictions(ref.SCORES_A, ref.TRUTH, role="validation")
    table.loc[3, "role"] = role
    with pytest.raises(LeakageError) as caught:
        choose_operating_point(table, "covid-19")
    assert caught.value.code == f"THRESHOLD_ON_{role.upper()}"


def test_a_point_from_test_cannot_be_built() -> None:
    with pytest.raises(LeakageError) as caught:
        OperatingPoint(0.4, "youden", "test, n = 60")
    assert caught.value.code == "THRESHOLD_ON_TEST"


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_is_a_number(threshold: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        OperatingPoint(threshold, "fixed", "given in advance")


def test_one_class_cannot_choose() -> None:
    with pytest.raises(InvalidTableError, match="2 positive, 0 negative") as caught:
        choose_operating_point(_validation([0.2, 0.4], [1, 1]), "covid-19")
    assert caught.value.code == "ONE_CLASS"


@pytest.mark.parametrize(
    ("rule", "target"), [("youden", 0.9), ("sensitivity", None), ("specificity", 1.5)]
)
def test_rule_and_target_must_fit(rule: str, target: float | None) -> None:
    with pytest.raises(ValueError, match="target"):
        choose_operating_point(
            _validation([0.2, 0.4], [0, 1]), "covid-19", rule=rule, target=target
        )


@pytest.mark.parametrize(
    ("ratio", "prevalence", "threshold"),
    [(1, None, 0.35), (3, None, 0.35), (0.5, None, 0.75), (3, 0.1, 0.75), (0, None, 0.75)],
)
def test_least_cost_by_hand(ratio: float, prevalence: float | None, threshold: float) -> None:
    """Cost at 0, 0.35, 0.5, 0.75, 0.95 is r*p*(0, 0, 1/2, 1/2, 1) + (1-p)*(1, 1/2, 1/2, 0, 0)."""
    table = _validation([0.3, 0.4, 0.6, 0.9], [0, 1, 0, 1])
    point = choose_operating_point(
        table, "covid-19", rule="cost", target=ratio, prevalence=prevalence
    )
    assert point.threshold == pytest.approx(threshold)
    assert point.rule == f"least cost, FN : FP = {ratio:g} : 1 at prevalence {prevalence or 0.5:g}"


@pytest.mark.parametrize(
    ("rule", "target", "prevalence"),
    [("cost", None, None), ("cost", -1, None), ("cost", 1, 1.0), ("youden", None, 0.2)],
)
def test_cost_and_prevalence_must_fit(
    rule: str, target: float | None, prevalence: float | None
) -> None:
    with pytest.raises(ValueError, match=r"cost"):
        choose_operating_point(
            _validation([0.2, 0.4], [0, 1]),
            "covid-19",
            rule=rule,
            target=target,
            prevalence=prevalence,
        )


@pytest.mark.parametrize("origin", ["test", "chosen on the test set", "our testing data, n = 30"])
def test_an_origin_that_says_test_rows_is_refused(origin: str) -> None:
    with pytest.raises(LeakageError) as caught:
        OperatingPoint(0.4, "fixed", origin)
    assert caught.value.code == "THRESHOLD_ON_TEST"


def test_a_pcr_test_is_not_a_test_row() -> None:
    point = OperatingPoint(0.4, "fixed", "the maker's leaflet, patients with a PCR test")
    assert point.text.startswith("fixed beforehand: the maker's leaflet")
    assert point.short == "fixed beforehand"


@pytest.mark.parametrize(
    "origin",
    [
        "PCR-test patients of 2020",
        "Test centre Bonn, 2020",
        "rapid test cases of spring",
        "antigen-test data of the maker",
        "the validation holdout",
        "out-of-fold, n = 90 (30 positive)",
        "patients of the same hospital, 2019",
    ],
)
def test_honest_origins_are_taken(origin: str) -> None:
    assert OperatingPoint(0.4, "fixed", origin).origin == origin


@pytest.mark.parametrize(
    "origin",
    ["the holdout", "hold-out set", "held out rows", "Test, n = 60", "these very patients",
     "our evaluation set", "the same patients", "test images of spring"],
)  # fmt: skip
def test_the_rows_under_test_by_other_names_are_refused(origin: str) -> None:
    with pytest.raises(LeakageError) as caught:
        OperatingPoint(0.4, "fixed", origin)
    assert caught.value.code == "THRESHOLD_ON_TEST"


def test_out_of_fold_rows_may_choose() -> None:
    table = predictions(ref.SCORES_A, ref.TRUTH, role="out-of-fold")
    point = choose_operating_point(table, "covid-19")
    assert point.origin == "out-of-fold, n = 60 (20 positive)"
    assert point.threshold == pytest.approx(ref.PROC_AT[0])

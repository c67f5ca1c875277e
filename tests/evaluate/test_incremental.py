"""Arms side by side, on a made-up table whose answers were worked out by hand.

c0 to c9 are positive and r0 to r9 are not; a score is 0.9 (called) or 0.1. p1 and p3 have four
patients more, which p2 lacks.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from covidx.evaluate import (
    EvaluationOptions,
    Incremental,
    Study,
    Tables,
    ThresholdRule,
    evaluate_study,
    make_study,
    wilson,
)
from covidx.evaluate.decision_curve import THRESHOLDS
from tests.evaluate.reference import predictions

CALLED = {
    "p1": "c0 c1 c2 c3 c4 c5 r0 r1",
    "p2": "c4 c5 c6 c7 c8 c9 r1 r2 r3",
    "p3": "c0 c1 c2 c3 c4 c5 c6 c7 c8 r1",
}
MORE = ["c10", "c11", "r10", "r11"]
FIXED = ThresholdRule(threshold=0.5, origin="the maker")
ASKED = EvaluationOptions(normal_ct="ct_normal=1", resamples=100)


def _units() -> list[str]:
    return [f"{kind}{i}" for kind in "cr" for i in range(10)]


def arm_rows(arm: str) -> pd.DataFrame:
    """The rows of an arm, each arm's in an order of its own."""
    units = _units() + (MORE if arm != "p2" else [])
    units.sort(key=lambda unit: (int(unit[1:]) * (3 + int(arm[1:])) % 11, unit))
    scores = np.where([unit in CALLED[arm].split() for unit in units], 0.9, 0.1)
    table = predictions(scores, np.array([unit.startswith("c") for unit in units]))
    return table.assign(arm=arm, arms_used=arm, unit_id=units, patient_id=units, group_id=units)


def clinical() -> pd.DataFrame:
    """0 to 4 are women who came on day 4, 5 to 9 men on day 5; c6 to c9 have a normal CT."""
    units = _units() + MORE
    number = np.array([int(unit[1:]) for unit in units])
    normal = [int(unit in ("c6", "c7", "c8", "c9", "c10")) for unit in units]
    return pd.DataFrame(
        {
            "patient_id": units,
            "sex": np.where(number < 5, "F", "M"),
            "days_since_onset": np.where(number < 5, 4.0, 5.0),
            "ct_normal": normal,
        }
    )


def _studies(table: pd.DataFrame | None = None) -> list[Study]:
    rows = pd.concat(map(arm_rows, CALLED)) if table is None else table
    return [make_study(rows, FIXED, arm=arm) for arm in ("p3", "p1", "p2")]


@pytest.fixture(scope="module")
def found() -> Incremental:
    first, *others = _studies()
    done = evaluate_study(first, ASKED, Tables(clinical=clinical()), others=others)
    assert done.metrics.n == 24  # the arm itself is judged on all that it has
    assert done.incremental is not None
    return done.incremental


def test_the_patients_are_those_that_every_arm_has(found: Incremental) -> None:
    assert (found.n, found.positives) == (20, 10)
    assert found.lacking == {"p3": 4, "p1": 4, "p2": 0}


@pytest.mark.parametrize(
    ("arm", "auroc", "hits", "spared"), [("p3", 0.9, 9, 9), ("p1", 0.7, 6, 8), ("p2", 0.65, 6, 7)]
)
def test_each_arm_at_its_own_threshold(
    found: Incremental, arm: str, auroc: float, hits: int, spared: int
) -> None:
    row = found.arms[arm]
    assert row["auroc"].value == pytest.approx(auroc)  # two scores: (0.1 * hits + 0.1 * spared) / 2
    for name, right in (("sensitivity", hits), ("specificity", spared)):
        assert (row[name].value, row[name].n) == (right / 10, 10)
        assert (row[name].low, row[name].high) == wilson(right, 10)
        assert row[name].threshold_origin == "fixed beforehand: the maker"


def test_differences_are_of_the_same_patients(found: Incremental) -> None:
    assert [(one.first, one.second) for one in found.differences] == [("p3", "p1"), ("p3", "p2")]
    one = found.differences[0]
    assert one.differences["auroc"].value == pytest.approx(0.2)
    assert one.differences["sensitivity"].value == pytest.approx(0.3)
    assert one.tests["sensitivity"].p == pytest.approx(0.25)  # exact, 3 : 0
    assert one.differences["auroc"].n == 20


def test_who_is_right_where_two_arms_differ(found: Incremental) -> None:
    counts = {
        (a.first, a.second, name): (
            part.both_right,
            part.only_first_right,
            part.only_second_right,
            part.both_wrong,
        )
        for a in found.agreements
        for name, part in a.parts.items()
    }
    assert counts == {
        ("p3", "p1", "positives"): (6, 3, 0, 1),
        ("p3", "p1", "rest"): (8, 1, 0, 1),
        ("p3", "p1", "all"): (14, 4, 0, 2),
        ("p3", "p2", "positives"): (5, 4, 1, 0),
        ("p3", "p2", "rest"): (7, 2, 0, 1),
        ("p3", "p2", "all"): (12, 6, 1, 1),
        ("p1", "p2", "positives"): (2, 4, 4, 0),
        ("p1", "p2", "rest"): (6, 2, 1, 1),
        ("p1", "p2", "all"): (8, 6, 5, 1),
    }
    # p3 and p1 say yes together 7 times, p3 alone 3, p1 alone 1, neither 9: they agree on 0.8, and
    # by chance on (10 * 8 + 10 * 12) / 400 = 0.5.
    assert found.agreements[0].parts["all"].kappa.value == pytest.approx((0.8 - 0.5) / 0.5)


@pytest.mark.parametrize(("arm", "normal", "abnormal"), [("p3", 3, 6), ("p1", 0, 6), ("p2", 4, 2)])
def test_the_positives_with_a_normal_ct(
    found: Incremental, arm: str, normal: int, abnormal: int
) -> None:
    for name, hits, n in (("normal CT", normal, 4), ("abnormal CT", abnormal, 6)):
        one = found.normal_ct[arm].rows[name]["sensitivity"]
        assert (one.value, one.n) == (pytest.approx(hits / n), n)
        assert (one.low, one.high) == wilson(hits, n)


def test_strata_side_by_side(found: Incremental) -> None:
    expected = {"p3": (0.9, 0.9), "p1": (0.8, 0.6), "p2": (0.3, 1.0)}
    for arm, values in expected.items():
        sex, presentation = found.strata[arm]
        assert (sex.name, presentation.name) == ("sex", "presentation")
        names = [stratum.name for stratum in presentation.strata]
        assert names == ["early (up to 4 days)", "late (5 days or more)"]
        for variable in (sex, presentation):
            aurocs = [stratum.estimates["auroc"].value for stratum in variable.strata]
            assert aurocs == pytest.approx(values)
            assert [stratum.n for stratum in variable.strata] == [10, 10]


def test_decision_curves_are_of_the_same_patients(found: Incremental) -> None:
    k = THRESHOLDS.index(0.5)
    benefit = {arm: curve[k].model.value for arm, curve in found.net_benefit.items()}
    assert benefit == pytest.approx({"p3": (9 - 1) / 20, "p1": (6 - 2) / 20, "p2": (6 - 3) / 20})


def test_its_json_has_every_part(found: Incremental) -> None:
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert record["left_out"] == {"p3": 4, "p1": 4, "p2": 0}
    assert record["agreement"][0]["positives"]["only_first_right"] == 3
    assert record["normal_ct"]["p2"]["normal CT"]["sensitivity"]["n"] == 4
    assert record["strata"]["p1"][0]["strata"][0]["auroc"]["value"] == pytest.approx(0.8)
    assert set(record["arms"]) == set(record["decision_curves"]) == {"p1", "p2", "p3"}


def test_a_group_that_one_arm_knows_holds_for_all() -> None:
    first, *others = _studies()
    pairs = others[0].test.assign(group_id=lambda t: t["unit_id"].str[1:])  # c4 with r4
    options = EvaluationOptions(resamples=100)
    done = evaluate_study(first, options, Tables(), others=[replace(others[0], test=pairs)])
    assert done.incremental is not None
    assert "cluster jackknife over 12 groups" in done.incremental.arms["p3"]["sensitivity"].method


def test_arms_of_other_patients_are_not_put_side_by_side() -> None:
    first, *others = _studies()
    strangers = [replace(s, test=s.test.assign(unit_id="x" + s.test["unit_id"])) for s in others]
    labels = first.test["label"].map({"covid-19": "rest", "rest": "covid-19"})
    for table, words in (
        (strangers, "No test row is in every arm"),
        ([replace(first, arm="p1", test=first.test.assign(label=labels))], "differ on labels"),
        ([replace(first, arm="p1", test=first.test[first.test["label"] == "rest"])], "one class"),
    ):
        found = evaluate_study(first, EvaluationOptions(resamples=100), Tables(), others=table)
        assert found.incremental is None
        assert words in found.left_out["what each arm adds"]


def _validated(study: Study, truth: np.ndarray) -> Study:
    """With validation rows of four scores."""
    scores = np.tile([0.1, 0.4, 0.6, 0.9], 10)
    return replace(study, validation=predictions(scores, truth).assign(role="validation"))


def test_an_arm_that_cannot_be_recalibrated_has_no_curve_and_takes_none_from_the_others() -> None:
    studies = _studies()
    first = _validated(studies[0], np.arange(40) % 3 == 0)
    apart = _validated(studies[1], np.arange(40) % 4 > 1)  # the scores separate the classes
    options = EvaluationOptions(calibrate="platt", resamples=100)
    found = evaluate_study(first, options, Tables(), others=[apart, studies[2]])
    assert found.incremental is not None
    assert list(found.incremental.net_benefit) == ["p3"]
    assert list(found.incremental.arms) == ["p3", "p1", "p2"]
    assert "no solution" in found.left_out["decision curve of p1"]
    assert found.left_out["decision curve of p2"] == "it has no rows to recalibrate it on"

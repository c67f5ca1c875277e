from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact, ncx2

from covidx.audit.data.association import associations, cramers_v_estimate
from covidx.audit.data.labels import association_findings


def table(**columns):
    n = len(columns["label"])
    base = {"dataset": ["set"] * n, "unit": [f"p{i}" for i in range(n)]}
    return pd.DataFrame(base | columns)


def test_cramers_v_of_a_two_by_two_table():
    """Phi = (35·35 − 15·15) / 50² = 0.4; the bounds give the statistic 16 its tails."""
    estimate = cramers_v_estimate(pd.DataFrame([[35, 15], [15, 35]]))
    assert estimate.value == pytest.approx(0.4)
    assert ncx2.cdf(16, 1, 100 * estimate.low**2) == pytest.approx(0.975, abs=1e-6)
    assert ncx2.cdf(16, 1, 100 * estimate.high**2) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize("counts", [[[500, 0], [0, 124]], [[5, 5], [5, 5]], [[60000, 1], [2, 9]]])
def test_the_interval_holds_the_value_at_the_edges(counts):
    estimate = cramers_v_estimate(pd.DataFrame(counts))
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.high > estimate.low


def test_a_patient_counts_once():
    """Ten images of one patient make no ten patients: with 2 of each label nothing is shown."""
    rows = table(
        label=["a"] * 20 + ["b"] * 20,
        format=["PNG"] * 20 + ["JPEG"] * 20,
        unit=["p1"] * 10 + ["p2"] * 10 + ["p3"] * 10 + ["p4"] * 10,
    )
    found, untested = associations(rows)
    assert found == []
    assert untested == {"set: format": "it does not vary"}  # all values are rarer than 5 patients


def test_a_size_that_one_class_has_is_found_although_its_rank_says_nothing():
    """A's images are 100 x 100; b's are smaller and larger in equal parts."""
    sides = ["100"] * 30 + ["80"] * 15 + ["120"] * 15
    rows = table(label=["a"] * 30 + ["b"] * 30, width=sides, height=sides)
    found, _ = associations(rows)
    by_column = {one.column: one for one in found}
    assert by_column["size"].estimate.value == pytest.approx(1)
    assert by_column["size"].test.adjusted < 0.01
    assert by_column["megapixels"].estimate.value == pytest.approx(0.5)


def test_contrast_that_one_class_was_given_is_found():
    rows = table(label=["a"] * 30 + ["b"] * 30, contrast=[None] * 30 + ["given"] * 30)
    found = {one.column: one for one in associations(rows)[0]}
    assert found["contrast"].estimate.value == pytest.approx(1)
    assert found["contrast"].counts.loc["unknown", "a"] == 30


def test_numbers_that_differ_without_an_order_are_a_note():
    """All of b are 50. 11 of a lie below and 19 above: AUROC 0.63 (0.46 to 0.81), p = 0.02."""
    ages = [str(age) for age in (*range(30, 41), *range(60, 79))] + ["50"] * 30
    found, untested = associations(table(label=["a"] * 30 + ["b"] * 30, age=ages))
    estimate = found[0].estimate
    assert estimate.value == pytest.approx(19 / 30)
    assert estimate.low < 0.5
    sure = replace(found[0], test=replace(found[0].test, adjusted=0.001))
    assert association_findings([sure], untested)[0].verdict == "note"
    ordered = replace(sure, estimate=replace(estimate, low=0.51))
    assert association_findings([ordered], untested)[0].verdict == "fail"


def test_age_known_for_one_class_alone_is_found():
    rows = table(label=["a"] * 20 + ["b"] * 20, age=["50"] * 20 + [None] * 20)
    found, _ = associations(rows)
    assert [(one.column, round(one.estimate.value, 2)) for one in found] == [("age known", 1.0)]


def test_dates_of_any_plain_form_and_no_others():
    dates = ["2020-03-01", "January 22, 2020", "2019", "03/04/2020", None] * 8
    found, _ = associations(table(label=["a", "b"] * 20, date=dates))
    assert {one.column: one.estimate.n for one in found} == {"date": 24, "date known": 40}


def test_what_could_not_be_tested_is_said():
    rows = table(
        label=["a"] * 17 + ["b"] * 3, age=list("23456789") * 2 + ["9"] * 4, date=["?"] * 20
    )
    found, untested = associations(rows)
    assert found == []
    assert untested["set: age"] == "fewer than 5 numbers in each of two classes"
    assert untested["set: date"].startswith("no two numbers")


def test_a_column_of_another_data_set_is_not_asked_about():
    rows = table(label=["a", "b"] * 10, age=["30", "45"] * 10)
    other = table(label=["a", "b"] * 10, site=["s", "t"] * 10).assign(dataset="other")
    found, untested = associations(pd.concat([rows, other], ignore_index=True))
    assert {(one.dataset, one.column) for one in found} == {("set", "age"), ("other", "site")}
    assert untested == {"set: age known": "it does not vary"}


def test_ages_as_dicom_writes_them():
    found, _ = associations(table(label=["a", "b"] * 10, age=["030Y", "045Y"] * 10))
    assert [(one.column, one.estimate.value) for one in found] == [("age", 0)]


def test_the_permutation_test_is_fishers_where_the_tables_order_alike():
    """A 2 x 2 table with even margins: both tests count tables at least as far from (5, 5)."""
    rows = table(label=["a"] * 10 + ["b"] * 10, site=["s"] * 8 + ["t"] * 2 + ["s"] * 2 + ["t"] * 8)
    found, _ = associations(rows)
    exact = fisher_exact([[8, 2], [2, 8]]).pvalue  # 0.0230
    assert found[0].test.p == pytest.approx(exact, abs=4 * np.sqrt(exact / 9999))


def test_auroc_is_mann_whitneys_share():
    """b is above a in 3 of 4 pairs of values, five times each."""
    rows = table(label=["a", "a", "b", "b"] * 5, age=["30", "50", "40", "60"] * 5)
    found, _ = associations(rows)
    assert found[0].detail == "a against the rest"
    assert found[0].estimate.value == pytest.approx(0.25)


def test_alarms_on_tables_that_know_nothing():
    """At most 5 % of clean tables raise any alarm: 10 of 100 would have p < 0.03."""
    random = np.random.default_rng(0)
    alarms = 0
    for seed in range(100):
        columns = {
            "label": random.choice(["a", "b", "c"], 90),
            "site": random.choice(list("stuvw"), 90),
            "format": random.choice(["PNG", "JPEG"], 90, p=[0.9, 0.1]),
            "age": random.integers(20, 90, 90).astype(str),
        }
        found, _ = associations(table(**columns), seed)
        assert len(found) == 5  # two nominal columns, age of three classes
        alarms += any(one.test.adjusted < 0.05 for one in found)
    assert alarms < 10

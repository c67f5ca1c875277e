from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from covidx.errors import InvalidTableError
from covidx.evaluate import OperatingPoint, Rows, read_reads, wilson
from covidx.evaluate.readers import compare_readers, unmatched_reads
from covidx.evaluate.significance import mcnemar
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions

POINT = OperatingPoint(0.5, "youden", "validation, n = 30 (10 positive)")
ROWS = Rows.of(predictions(ref.SCORES_A, ref.TRUTH), "covid-19")
RATING = 1 + np.minimum(4, (5 * ref.SCORES_B).astype(int))
BINARY = (ref.SCORES_B > 0.6).astype(int)


def _reads(folder: Path, key: str = "patient_id", **readers: np.ndarray) -> pd.DataFrame:
    rows = [
        (f"{key[0]}{i}", name, value)
        for name, values in readers.items()
        for i, value in enumerate(values)
    ]
    path = folder / "reads.csv"
    pd.DataFrame(rows, columns=[key, "reader", "read"]).to_csv(path, index=False)
    return read_reads(path)


def test_a_rating_has_a_cut_and_points(tmp_path: Path) -> None:
    (one,) = compare_readers(ROWS, _reads(tmp_path, Ada=RATING), POINT, resamples=100)
    called = RATING >= 4
    hits = int(called[ref.TRUTH].sum())
    assert (one.name, one.cut, one.n, one.missing) == ("Ada", 4, 60, 0)
    assert one.sensitivity.value == hits / 20
    assert (one.sensitivity.low, one.sensitivity.high) == wilson(hits, 20)
    assert one.specificity.value == pytest.approx((~called)[~ref.TRUTH].mean())
    cut, false_alarms, sensitivity = one.roc_points[2]
    assert (cut, sensitivity) == (4, one.sensitivity.value)
    assert false_alarms == pytest.approx(1 - one.specificity.value)
    lower = compare_readers(ROWS, _reads(tmp_path, Ada=RATING), POINT, cut=3, resamples=100)[0]
    assert lower.sensitivity.value >= one.sensitivity.value


def test_the_system_is_compared_by_mcnemar_on_each_class(tmp_path: Path) -> None:
    reads = _reads(tmp_path, Ada=RATING, Ben=BINARY)
    ada, ben = compare_readers(ROWS, reads, POINT, resamples=300)
    assert ben.cut == 1
    truth, system = ref.TRUTH, ref.SCORES_A >= 0.5
    expected = mcnemar(system[truth], BINARY[truth] == 1)
    assert ben.tests["sensitivity"].p == expected.p
    assert ben.tests["specificity"].p == mcnemar(~system[~truth], BINARY[~truth] == 0).p
    assert {r.tests["specificity"].family for r in (ada, ben)} == {2}
    difference = ben.differences["sensitivity"]
    assert difference.value == pytest.approx(system[truth].mean() - BINARY[truth].mean())
    assert difference.low < difference.value < difference.high


def test_what_was_not_read_is_left_out_and_counted(tmp_path: Path) -> None:
    (one,) = compare_readers(ROWS, _reads(tmp_path, Ada=BINARY[:50]), POINT, resamples=100)
    assert (one.n, one.missing) == (50, 10)
    assert one.sensitivity.n == int(ref.TRUTH[:50].sum())


def test_clusters_have_no_test(tmp_path: Path) -> None:
    rows = Rows.of(predictions(ref.SCORES_A, ref.TRUTH, groups=ref.GROUPS), "covid-19")
    reads = _reads(tmp_path, key="unit_id", Ada=BINARY)
    (one,) = compare_readers(rows, reads, POINT, resamples=200)
    assert math.isnan(one.tests["sensitivity"].p)
    assert "invalid" in str(one.tests["sensitivity"].reason)
    assert "15 groups" in one.differences["sensitivity"].method


def test_without_a_threshold_readers_still_stand(tmp_path: Path) -> None:
    (one,) = compare_readers(ROWS, _reads(tmp_path, Ada=BINARY), None, resamples=100)
    assert one.differences == {}
    assert one.tests["sensitivity"].reason == "the system has no threshold"
    assert one.to_json()["sensitivity"]["n"] == 20


def test_who_gave_only_ones_is_taken_as_the_others_are(tmp_path: Path) -> None:
    ones = np.ones(60, dtype=int)
    rated = compare_readers(ROWS, _reads(tmp_path, Ada=RATING, Zoe=ones), POINT, resamples=100)[1]
    assert (rated.cut, rated.sensitivity.value) == (4, 0.0)
    alone = compare_readers(ROWS, _reads(tmp_path, Ben=BINARY, Zoe=ones), POINT, resamples=100)[1]
    assert (alone.cut, alone.sensitivity.value) == (1, 1.0)


ILL = [
    ("patient_id,reader,score\np1,A,1\n", "COLUMNS_MISSING", "read"),
    ("patient,reader,read\np1,A,1\n", "COLUMNS_MISSING", "patient_id"),
    ("patient_id,reader,read\np1,A,6\n", "READ_INVALID", "line 2"),
    ("patient_id,reader,read\np1,A,1\np2,A,yes\n", "READ_INVALID", "line 3"),
    ("patient_id,reader,read\np1,,1\n", "READ_INVALID", "line 2"),
    ("patient_id,reader,read\np1,A,0\np2,A,3\n", "READ_INVALID", "both 0 and"),
    ("patient_id,reader,read\np1,A,1\np1,A,0\n", "DUPLICATE_READS", "line 3"),
]


@pytest.mark.parametrize(("text", "code", "told"), ILL)
def test_bad_reads_are_refused_by_line(tmp_path: Path, text: str, code: str, told: str) -> None:
    (tmp_path / "reads.csv").write_text(text)
    with pytest.raises(InvalidTableError, match=told) as caught:
        read_reads(tmp_path / "reads.csv")
    assert caught.value.code == code


def test_reads_of_other_patients_are_refused(tmp_path: Path) -> None:
    (tmp_path / "reads.csv").write_text("patient_id,reader,read\nx1,A,1\nx2,A,0\n")
    with pytest.raises(InvalidTableError, match="x1, x2") as caught:
        compare_readers(ROWS, read_reads(tmp_path / "reads.csv"), POINT)
    assert caught.value.code == "READS_UNMATCHED"


def test_blanks_around_ids_are_no_other_ids_and_strangers_are_named(tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    ids = [f"p{i} " if i % 3 == 0 else f"p{i}" for i in range(60)] + ["stranger", "NA"]
    pd.DataFrame({"patient_id": ids, "reader": "Ada ", "read": [1] * 62}).to_csv(path, index=False)
    reads = read_reads(path)
    (one,) = compare_readers(ROWS, reads, POINT, resamples=100)
    assert (one.name, one.n) == ("Ada", 60)
    assert unmatched_reads(ROWS, reads) == "2 belong to no test row: stranger, NA"
    assert unmatched_reads(ROWS, reads.iloc[:60]) is None

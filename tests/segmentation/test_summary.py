"""Scores of many scans: means, pooled sensitivity, intervals over patients."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from covidx.errors import InvalidTableError
from covidx.segmentation import MaskScores, summarise

ONE = MaskScores(
    dice=0.9,
    nsd=0.8,
    tolerance_mm=2.0,
    hd95_mm=3.0,
    volume_ml=11.0,
    truth_ml=10.0,
    volume_error_ml=1.0,
    volume_error_pct=10.0,
    lesions=4,
    lesions_found=3,
    false_positives=1,
)
MISSED = replace(
    ONE,
    dice=0.0,
    nsd=0.0,
    hd95_mm=math.nan,
    volume_ml=0.0,
    volume_error_ml=-10.0,
    volume_error_pct=-100.0,
    lesions=1,
    lesions_found=0,
    false_positives=0,
)
CLEAN = replace(
    ONE, dice=1.0, nsd=1.0, hd95_mm=0.0, volume_error_ml=0.0, volume_error_pct=0.0,
    lesions=0, lesions_found=0, false_positives=0,
)  # fmt: skip


def test_means_of_the_scans_and_the_share_of_all_lesions() -> None:
    result = summarise([ONE, MISSED, CLEAN], ["a", "b", "c"], resamples=200)
    assert result["dice"].value == pytest.approx(1.9 / 3)
    assert result["hd95_mm"].value == pytest.approx(1.5)  # over the two that have one
    assert (result["dice"].n, result["hd95_mm"].n) == (3, 2)
    assert result["volume_error_ml"].value == pytest.approx(-3.0)
    assert result["volume_error_pct"].value == pytest.approx(-30.0)
    assert result["false_positives"].value == pytest.approx(1 / 3)
    assert result["lesion_sensitivity"].value == pytest.approx(3 / 5)
    assert result["lesion_sensitivity"].n == 5
    assert "tolerance 2 mm" in result["nsd"].method


def test_whole_patients_are_drawn() -> None:
    rng = np.random.default_rng(3)
    values = rng.uniform(0.5, 1.0, 12)
    scans = [replace(ONE, dice=float(value)) for value in values for _ in range(5)]
    patients = np.repeat(np.arange(12), 5)
    by_patient = summarise(scans, patients, resamples=500)["dice"]
    by_scan = summarise(scans, np.arange(60), resamples=500)["dice"]
    assert by_patient.value == pytest.approx(values.mean())
    assert by_scan.value == pytest.approx(values.mean())
    assert "12 groups" in by_patient.method and "60 independent rows" in by_scan.method
    # Five copies of a scan tell no more than one: the interval is wider by about the root of 5.
    ratio = (by_patient.high - by_patient.low) / (by_scan.high - by_scan.low)
    assert ratio == pytest.approx(math.sqrt(5), rel=0.25)
    # The standard error of the mean of 12, by the book.
    wide = 2 * 1.96 * values.std() / math.sqrt(12)
    assert by_patient.high - by_patient.low == pytest.approx(wide, rel=0.2)


def test_what_is_never_a_number_is_undefined_with_a_reason() -> None:
    result = summarise([CLEAN, CLEAN], ["a", "b"], resamples=100)
    assert math.isnan(result["lesion_sensitivity"].value)
    assert result["lesion_sensitivity"].reason == "no lesion in any scan"
    missed = summarise([MISSED, MISSED], ["a", "b"], resamples=100)
    assert missed["hd95_mm"].reason == "in no scan a number"
    assert missed["dice"].low == 0.0 and missed["dice"].high > 0.5  # two patients say little


@pytest.mark.parametrize(
    ("scores", "patients", "code"),
    [
        ([], [], "UNEQUAL_ROWS"),
        ([ONE, ONE], ["a"], "UNEQUAL_ROWS"),
        ([ONE, replace(ONE, tolerance_mm=3.0)], ["a", "b"], "TOLERANCES_DIFFER"),
    ],
)
def test_scans_that_do_not_belong_together_are_refused(
    scores: list[MaskScores], patients: list[str], code: str
) -> None:
    with pytest.raises(InvalidTableError) as caught:
        summarise(scores, patients)
    assert caught.value.code == code


def test_a_patient_counts_once_however_many_scans_there_are() -> None:
    scans = [replace(ONE, dice=d, hd95_mm=h) for d, h in ((0.9, 2.0), (0.7, math.nan), (0.6, 4.0))]
    result = summarise(scans, ["a", "a", "b"], by_patient=True, resamples=200)
    assert result["dice"].value == pytest.approx((0.8 + 0.6) / 2)
    assert result["dice"].n == 2
    assert result["hd95_mm"].value == pytest.approx((2.0 + 4.0) / 2)
    assert result["lesion_sensitivity"].n == 12


def test_missed_scans_stand_beside_the_distance_that_lacks_them() -> None:
    """HD95 has no number for a missed mask, so that its mean falls as more are missed."""
    result = summarise([ONE, MISSED, CLEAN], ["a", "b", "c"], resamples=200)
    assert "1 of 3 scans left out" in result["hd95_mm"].method
    assert (result["missed"].value, result["missed"].n) == (pytest.approx(1 / 3), 3)
    nothing = replace(CLEAN, truth_ml=0.0, volume_ml=0.0)  # to miss
    assert summarise([ONE, MISSED, nothing], ["a", "b", "c"])["missed"].value == 0.5

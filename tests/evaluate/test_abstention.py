from __future__ import annotations

import numpy as np
import pytest

from covidx.evaluate import OperatingPoint, Rows, wilson
from covidx.evaluate.abstention import WITHHELD, band_of, risk_coverage
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions

POINT = OperatingPoint(0.5, "youden", "validation, n = 10 (5 positive)")


def _rows(scores: list[float], truth: list[int], role: str = "validation") -> Rows:
    table = predictions(np.array(scores), np.array(truth, dtype=bool), role=role)
    return Rows.of(table, "covid-19")


VALIDATION = _rows([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9], [0, 0, 0, 1, 0, 1, 1, 1])


@pytest.mark.parametrize(
    ("withheld", "low", "high"),
    [(0.0, 0.5, 0.5), (0.25, 0.4, 0.7), (0.5, 0.3, 0.8)],
)
def test_the_band_takes_the_same_share_on_either_side(
    withheld: float, low: float, high: float
) -> None:
    band = band_of(VALIDATION, POINT, withheld)
    assert (band.low, band.high) == (low, high)
    assert band.undecided(VALIDATION.scores).mean() == withheld


def test_uneven_sides_lose_the_same_share() -> None:
    scores = [k / 100 for k in range(10, 50)] + [0.6, 0.7, 0.8, 0.9]
    validation = _rows(scores, [k % 2 for k in range(44)])
    withheld = band_of(validation, POINT, 0.25).undecided(validation.scores)
    assert (withheld[:40].sum(), withheld[40:].sum()) == (10, 1)


def test_risk_and_coverage_by_hand() -> None:
    # The band of 25 % is 0.4 to below 0.7. Test: 0.45 (ill, missed) and 0.65 (well, false alarm)
    # fall into it; of the other four one is wrong (0.2, ill).
    test = _rows([0.2, 0.3, 0.45, 0.65, 0.7, 0.9], [1, 0, 1, 0, 1, 1], "test")
    found = {s.band.withheld: s for s in risk_coverage(VALIDATION, test, POINT)}
    every, some = found[0.0], found[0.25]
    assert (every.coverage.value, every.risk.value) == (1.0, 0.5)
    assert some.coverage.value == pytest.approx(4 / 6)
    assert (some.risk.value, some.risk.n) == (0.25, 4)
    assert (some.risk.low, some.risk.high) == wilson(1, 4)
    assert some.sensitivity.value == pytest.approx(2 / 3)
    assert some.specificity.value == 1.0
    assert len(found) == len(WITHHELD)


def test_clusters_are_resampled_and_their_sums_are_those_of_the_rows() -> None:
    validation = Rows.of(predictions(ref.SCORES_A, ref.TRUTH, role="validation"), "covid-19")
    grouped, alone = (
        risk_coverage(
            validation,
            Rows.of(predictions(ref.SCORES_B, ref.TRUTH, groups=groups), "covid-19"),
            POINT,
            resamples=200,
        )
        for groups in (ref.GROUPS, None)
    )
    for one, other in zip(grouped, alone, strict=True):
        for name in ("coverage", "risk", "sensitivity", "specificity"):
            mine, plain = getattr(one, name), getattr(other, name)
            assert mine.value == pytest.approx(plain.value, nan_ok=True), (one.band, name)
            assert mine.n == plain.n
    assert "15 groups" in grouped[4].risk.method
    assert grouped[4].coverage.low < grouped[4].coverage.value < grouped[4].coverage.high


def test_bands_come_from_validation_rows() -> None:
    with pytest.raises(ValueError, match="validation"):
        band_of(_rows([0.1, 0.9], [0, 1], "test"), POINT, 0.2)
    with pytest.raises(ValueError, match="share"):
        band_of(VALIDATION, POINT, 1.0)

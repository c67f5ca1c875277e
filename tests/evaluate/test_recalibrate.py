from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from covidx.errors import InvalidTableError, LeakageError
from covidx.evaluate import Rows
from covidx.evaluate.recalibrate import recalibrate
from tests.evaluate import reference as ref
from tests.evaluate.reference import predictions, three_classes


def _rows(role: str, scores: np.ndarray = ref.SCORES_A, truth: np.ndarray = ref.TRUTH) -> Rows:
    return Rows.of(predictions(scores, truth, role=role), "covid-19")


def _overconfident(seed: int, role: str, n: int = 3000) -> Rows:
    """True probabilities whose logits were doubled."""
    rng = np.random.default_rng(seed)
    true = expit(rng.normal(size=n))
    return _rows(role, expit(2 * logit(true)), rng.random(n) < true)


def test_platt_as_glm_and_scikit_learn() -> None:
    found = recalibrate(_rows("validation"), _rows("test"), "platt", resamples=100)
    intercept, slope = ref.R_PLATT
    assert found.parameters == pytest.approx({"intercept": intercept, "slope": slope}, abs=1e-7)
    x = logit(np.clip(ref.SCORES_A, 1e-6, 1 - 1e-6))[:, None]
    other = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(x, ref.TRUTH)
    assert found.rows.scores == pytest.approx(other.predict_proba(x)[:, 1], abs=1e-4)
    assert found.rows.probabilities.sum(axis=1) == pytest.approx(np.ones(60))


def test_isotonic_as_r() -> None:
    found = recalibrate(_rows("validation"), _rows("test"), "isotonic", resamples=100)
    ordered = np.sort(found.rows.scores)
    assert ordered[[0, 14, 29, 44, 59]] == pytest.approx(ref.R_ISOTONIC, abs=1e-10)


def test_temperature_of_doubled_logits_is_two() -> None:
    validation, test = _overconfident(1, "validation", 20_000), _overconfident(2, "test")
    found = recalibrate(validation, test, "temperature", resamples=100)
    assert found.parameters["temperature"] == pytest.approx(2, rel=0.1)  # standard error about 0.03
    t = found.parameters["temperature"]
    assert found.rows.scores == pytest.approx(expit(logit(test.scores) / t), abs=1e-5)


@pytest.mark.parametrize("method", ["platt", "isotonic", "temperature"])
def test_each_mends_overconfident_scores(method: str) -> None:
    found = recalibrate(
        _overconfident(1, "validation"),
        _overconfident(2, "test"),
        method,  # type: ignore[arg-type]
        resamples=100,
    )
    assert found.before["ece"].value > 0.05
    assert found.after["ece"].value < 0.035
    assert found.after["brier"].value < found.before["brier"].value
    assert found.before["calibration_slope"].high < 0.65
    assert "validation, n = 3000" in found.origin
    assert "rows" not in found.to_json()


def test_test_labels_do_not_matter_to_the_fit() -> None:
    validation = _rows("validation")
    one = recalibrate(validation, _rows("test"), "isotonic", resamples=100)
    two = recalibrate(validation, _rows("test", truth=~ref.TRUTH), "isotonic", resamples=100)
    assert one.parameters == two.parameters
    assert np.array_equal(one.rows.scores, two.rows.scores)


@pytest.mark.parametrize("method", ["platt", "isotonic", "temperature"])
def test_three_classes_stay_shares(method: str) -> None:
    validation = Rows.of(three_classes(seed=1).assign(role="validation"), "covid-19")
    test = Rows.of(three_classes(), "covid-19")
    mapped = recalibrate(validation, test, method, resamples=100).rows.probabilities  # type: ignore[arg-type]
    assert mapped.sum(axis=1) == pytest.approx(np.ones(len(test)))
    assert ((mapped >= 0) & (mapped <= 1)).all()
    if method != "temperature":
        before = test.probabilities[:, 1] / test.probabilities[:, 2]
        some = mapped[:, 0] < 1
        assert (mapped[some, 1] / mapped[some, 2]) == pytest.approx(before[some])


@pytest.mark.parametrize("role", ["test", "train"])
def test_only_validation_rows_are_fitted_on(role: str) -> None:
    with pytest.raises(LeakageError) as caught:
        recalibrate(_rows(role), _rows("test"), "platt")
    assert caught.value.code == f"CALIBRATED_ON_{role.upper()}"


@pytest.mark.parametrize(
    ("method", "truth", "told"),
    [
        ("platt", np.arange(20) > 9, "separate"),
        ("temperature", np.arange(20) > 9, "beyond"),
        ("isotonic", np.ones(20, dtype=bool), "one class"),
    ],
)
def test_what_cannot_be_fitted_is_refused(method: str, truth: np.ndarray, told: str) -> None:
    validation = _rows("validation", np.linspace(0.05, 0.95, 20), truth)
    with pytest.raises(InvalidTableError, match=told) as caught:
        recalibrate(validation, _rows("test"), method)  # type: ignore[arg-type]
    assert caught.value.code == "CALIBRATION_UNFITTED"

"""What patients have, and what they are taken to have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from covidx.clinical import Fitted
from covidx.fusion import (
    BOTH,
    CLINICAL_ARM,
    IMAGE,
    Arms,
    ImageArm,
    logit,
    make_arms,
    predictions_of,
)
from covidx.tables import PREDICTIONS, check
from tests.fusion.synthetic import arms, patients


def _three() -> Arms:
    """Both arms; the image alone; the clinical row alone; nothing."""
    return Arms(
        patients(4),
        np.array([1.0, -1.0, np.nan, np.nan]),
        np.array([[1.0], [2.0], [np.nan], [np.nan]]),
        pd.DataFrame({"logistic": [0.5, np.nan, 2.0, np.nan]}),
        pd.DataFrame({"crp": [3.0, np.nan, np.nan, np.nan], "age": [np.nan, np.nan, 60, np.nan]}),
    )


def test_which_arms_spoke() -> None:
    assert _three().available.tolist() == [BOTH, IMAGE, CLINICAL_ARM, ""]


def test_as_if_an_arm_were_missing() -> None:
    assert _three().restricted(IMAGE).available.tolist() == [IMAGE, IMAGE, "", ""]
    assert _three().restricted(CLINICAL_ARM).available.tolist() == [
        CLINICAL_ARM,
        "",
        CLINICAL_ARM,
        "",
    ]
    assert _three().restricted(BOTH).available.tolist() == [BOTH, IMAGE, CLINICAL_ARM, ""]
    assert np.isnan(_three().restricted(CLINICAL_ARM).features).all()


def test_log_odds_and_back() -> None:
    p = np.array([0.2, 0.5, 0.9])
    assert expit(logit(p)) == pytest.approx(p)
    assert logit(np.array([0.8])) == pytest.approx(np.log(4))
    assert np.isnan(logit(np.array([np.nan]))).all()


class _Half:
    """Says 0.8 of everyone, also of patients of whom nothing is known."""

    def predict_proba(self, table: pd.DataFrame) -> np.ndarray:
        return np.tile([0.2, 0.8], (len(table), 1))


def test_arms_are_joined_by_patient_whatever_their_order() -> None:
    who = patients(4)
    image = ImageArm(
        pd.Series([0.3, -0.3], index=["p0002", "p0000"]),
        pd.DataFrame([[5.0], [6.0]], index=["p0002", "p0000"]),
    )
    values = pd.DataFrame({"crp": [1.0, np.nan]}, index=["p0001", "p0000"])
    model = Fitted(None, [], _Half(), {}, 0.5)  # type: ignore[arg-type]
    found = make_arms(who, image, values, {"any": model})
    assert found.image[[0, 2]].tolist() == [-0.3, 0.3]
    assert found.features[:, 0].tolist()[::2] == [6.0, 5.0]
    assert found.available.tolist() == [IMAGE, CLINICAL_ARM, IMAGE, ""]
    # A row in which nothing is known is no arm, whatever a model says of it.
    assert found.clinical["any"].notna().tolist() == [False, True, False, False]


def test_predictions_are_rows_of_the_hand_over() -> None:
    found = arms(20)
    table = predictions_of(
        found,
        np.where(np.arange(20) == 3, np.nan, 0.25),
        arm="p3",
        classes=["rest", "covid-19"],
        run_id="made-up",
        split_sha256="s",
        bundle_sha256="b",
    )
    checked = check(table, PREDICTIONS)
    assert len(checked) == 19 and "p0003" not in set(checked["patient_id"])
    assert set(checked["arms_used"]) == {BOTH}
    assert checked["prob_rest"].tolist() == [0.75] * 19
